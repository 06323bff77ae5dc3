//! The messages of the contract as domain types: checked, unit-carrying, without a trace of the wire.
//!
//! Both ends speak in these; [`crate::convert`] is the only place that knows both worlds. A message that exists here has
//! passed every rule of the contract, so neither end validates again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::admission::{Admission, Shares};
use setpoint_policies::knob::{Knob, KnobName};
use setpoint_policies::lease::Lease;
use setpoint_policies::signal::Signal;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

/// The protocol minor version of this build; the major one is in the package name.
pub const PROTOCOL: u32 = 1;

/// From an SDK to the sidecar.
#[derive(Debug, Clone, PartialEq)]
pub enum ToSidecar {
    /// First, exactly once.
    Hello(Box<Hello>),
    /// Answers one frame.
    Ack(Ack),
    /// Measurements.
    Report(Box<Report>),
    /// Liveness.
    Beat(SdkBeat),
    /// Knobs registered or withdrawn after the hello.
    Knobs(KnobUpdate),
    /// Orderly end.
    Goodbye {
        /// For people.
        why: String,
    },
}

/// From the sidecar to an SDK.
#[derive(Debug, Clone, PartialEq)]
pub enum ToSdk {
    /// Answers the hello.
    Welcome(Box<Welcome>),
    /// Desired state.
    Frame(Box<Frame>),
    /// Liveness of the loop, and renewal of leases.
    Beat(SidecarBeat),
    /// The sidecar goes away in an orderly manner.
    Drain {
        /// Reconnect no sooner.
        retry_after: Duration,
        /// For people.
        why: String,
    },
}

/// The start of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Hello {
    /// Lowest protocol minor spoken.
    pub protocol_min: u32,
    /// Highest protocol minor spoken.
    pub protocol_max: u32,
    /// Name of the service.
    pub service: String,
    /// Stable for one process life.
    pub instance_id: String,
    /// A new one resets the session's state.
    pub incarnation: u64,
    /// Such as `rust/0.1.0`.
    pub sdk: String,
    /// Such as `tokio/1.54`.
    pub runtime: String,
    /// A few fixed labels.
    pub labels: BTreeMap<String, String>,
    /// Named abilities and their versions.
    pub capabilities: BTreeMap<String, u32>,
    /// Everything that may be tuned.
    pub knobs: Vec<Knob>,
    /// Knobs of a kind that this build does not know (R6): name and why. They are left out and reported.
    pub unsupported: Vec<(String, String)>,
    /// What was applied last, for information only.
    pub last_applied: Option<Version>,
    /// What is in force now, so that a new sidecar can learn.
    pub state: Vec<Applied>,
}

/// Knobs that came or went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnobUpdate {
    /// Came.
    pub add: Vec<Knob>,
    /// Of a kind that this build does not know.
    pub unsupported: Vec<(String, String)>,
    /// Went.
    pub remove: Vec<KnobName>,
}

/// The sidecar's answer to a hello.
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome {
    /// The chosen protocol minor.
    pub protocol: u32,
    /// Random for each start of the sidecar.
    pub epoch: u64,
    /// What both ends can do.
    pub capabilities: BTreeMap<String, u32>,
    /// Period of beats.
    pub beat_every: Duration,
    /// The loop is dead when its tick stands still for this long; at least three beats.
    pub lost_after: Duration,
    /// Period of reports.
    pub report_every: Duration,
    /// Knobs that no policy names.
    pub unbound: Vec<KnobName>,
    /// Knobs that a policy names and this SDK lacks.
    pub missing: Vec<KnobName>,
    /// Hash of the policy set in force.
    pub config_revision: String,
}

/// Orders frames: `seq` grows within a channel of an `epoch`; across epochs nothing compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    /// Of the sidecar's start.
    pub epoch: u64,
    /// Within the channel.
    pub seq: u64,
}

/// Channels, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Breakers and other protection.
    Safety,
    /// Concurrency, rate and queue limits.
    Limits,
    /// Runtime targets.
    Runtime,
    /// The service's own knobs.
    Custom,
}

impl Channel {
    /// All channels, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Safety, Self::Limits, Self::Runtime, Self::Custom];

    /// The channel that carries setpoints of this value's family.
    pub const fn of(value: &Value) -> Self {
        match value {
            Value::Breaker(_) => Self::Safety,
            Value::Concurrency(_) | Value::Rate { .. } => Self::Limits,
            Value::Number(_) | Value::Switch(_) => Self::Custom,
        }
    }

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Limits => "limits",
            Self::Runtime => "runtime",
            Self::Custom => "custom",
        }
    }
}

/// Whether a frame is to be put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Put it in force.
    #[default]
    Apply,
    /// Check, account and acknowledge only.
    Shadow,
}

/// The complete desired state of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Which channel.
    pub channel: Channel,
    /// Grows within a stream; echoed by the ack.
    pub nonce: u64,
    /// Survives the stream.
    pub version: Version,
    /// Hash of the policy set that it comes from.
    pub config_revision: String,
    /// Every setpoint of the channel; a knob that is absent goes back to its baseline.
    pub set: Vec<Setpoint>,
    /// Setpoints that this build cannot read (R6): knob and why. They are answered with `Status::Unsupported`.
    pub unsupported: Vec<(String, String)>,
    /// All or nothing.
    pub atomic: bool,
    /// Whether to put it in force.
    pub mode: Mode,
}

/// The value that a knob should have now.
#[derive(Debug, Clone, PartialEq)]
pub struct Setpoint {
    /// Which knob.
    pub knob: KnobName,
    /// What value.
    pub value: Value,
    /// What goes with it, for a concurrency limit.
    pub admission: Admission,
    /// For how long.
    pub lease: Lease,
    /// Why.
    pub why: Arc<Why>,
    /// Key into the journal.
    pub decision_id: u64,
}

/// The reason of a setpoint, as text and numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Why {
    /// The policy that decided.
    pub policy: String,
    /// The rule that fired.
    pub rule: String,
    /// One sentence for people.
    pub text: String,
    /// What the decision does.
    pub action: String,
    /// The numbers behind it.
    pub evidence: Vec<Evidence>,
}

/// One number that a reason rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What was observed.
    pub signal: String,
    /// Its value.
    pub observed: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// Unit of both.
    pub unit: String,
}

/// The answer to one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Ack {
    /// Of the frame.
    pub channel: Channel,
    /// Of the frame.
    pub nonce: u64,
    /// One for each setpoint of the frame.
    pub results: Vec<Applied>,
}

/// What became of one setpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Which knob, as the sender named it.
    pub knob: String,
    /// What became of it.
    pub status: Status,
    /// The value read back from what is in force.
    pub effective: f64,
    /// For people.
    pub detail: String,
    /// The version in force.
    pub version: Option<Version>,
    /// Left of the lease, in a hello.
    pub lease_left: Option<Duration>,
    /// The shares of the limit in force, if they were pushed.
    pub shares: Option<Shares>,
}

/// What became of one setpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// In force as asked.
    Applied,
    /// Bounds, quantum or pace cut it; `effective` says to what.
    Clamped,
    /// Its dwell is not over; applied when it is, if still current.
    Deferred,
    /// Could not be applied; the previous value stands.
    Rejected,
    /// Unknown knob, kind or value.
    Unsupported,
    /// Checked only.
    Shadowed,
    /// The owner of the service holds the knob.
    LocalOverride,
}

impl Status {
    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Clamped => "clamped",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::Shadowed => "shadowed",
            Self::LocalOverride => "local_override",
        }
    }
}

/// Liveness of the control loop, written by the loop itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SidecarBeat {
    /// Counts beats of the stream.
    pub n: u64,
    /// Must advance, else the loop is hung.
    pub loop_tick: u64,
    /// Since the last finished tick.
    pub loop_age: Duration,
    /// Of the stalest input that some policy needs.
    pub oldest_signal_age: Option<Duration>,
    /// The leases of these versions start again.
    pub renew: Vec<(Channel, Version)>,
}

/// Liveness of an SDK.
#[derive(Debug, Clone, PartialEq)]
pub struct SdkBeat {
    /// Counts beats of the stream.
    pub n: u64,
    /// Worst lateness of the SDK's own timer since the last beat.
    pub app_stall: Duration,
}

/// What an SDK measured. Totals, so a lost one is harmless.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// When the counters were read, on the SDK's clock.
    pub at_nanos: u64,
    /// Total of the SDK's own stalls, nanoseconds.
    pub stall_nanos: u64,
    /// Since the previous report.
    pub window: Duration,
    /// Sent out of turn.
    pub urgent: bool,
    /// Counters of each limiter. `Totals::at_nanos` and `stall_nanos` are those of the report.
    pub totals: BTreeMap<KnobName, Totals>,
    /// What the process sees of its container and runtime; unknown ones are absent.
    pub signals: Vec<(Signal, f64)>,
    /// The service's own numbers.
    pub custom: BTreeMap<String, f64>,
}
