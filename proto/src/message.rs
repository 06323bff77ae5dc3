//! The messages of the contract as domain types: checked, unit-carrying, without a trace of the wire.
//!
//! Both ends speak in these; [`crate::convert`] is the only place that knows both worlds. A message that exists here has
//! passed every rule of the contract, so neither end validates again.

mod breaker;
mod frame;
mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_policies::knob::KnobName;
use setpoint_policies::signal::Signal;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

pub use breaker::BreakerState;
pub use frame::{Ack, Applied, Evidence, Frame, Mode, Setpoint, Status, Why};
pub use session::{Hello, KnobUpdate, SdkBeat, SidecarBeat, Welcome};

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
            Value::Gc(_) | Value::Parallelism { .. } => Self::Runtime,
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
    /// What every breaker does with calls now; none of a process that does not tell.
    pub breakers: BTreeMap<KnobName, BreakerState>,
    /// The service's own numbers.
    pub custom: BTreeMap<String, f64>,
}
