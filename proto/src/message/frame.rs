//! What is wanted and what became of it: the complete state of a channel, and the ack that answers it knob by knob.

use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::admission::{Admission, Shares};
use setpoint_policies::knob::KnobName;
use setpoint_policies::lease::Lease;
use setpoint_policies::totals::Watch;
use setpoint_policies::value::Value;

use super::{Channel, Version};

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
    /// Latencies that policies watch, in force whatever the mode; with [`Channel::Safety`] only.
    pub watched: Vec<Watch>,
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
