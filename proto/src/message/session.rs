//! Who talks to whom: the greeting of both ends, what may be tuned, and the proof that each is alive.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_policies::knob::{Knob, KnobName};

use super::{Applied, Channel, Version};

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
