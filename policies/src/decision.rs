//! The result of one step for one knob.

use std::sync::Arc;

use crate::admission::Admission;
use crate::knob::KnobName;
use crate::reason::Reason;
use crate::snapshot::InstanceId;
use crate::value::Value;

/// What a decision does to the service. Restrictive and permissive are the knob's own words: the number may go the other way, as a
/// garbage-collection target's percentage does when its budget shrinks. Of a knob that has neither, the number's direction counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Keep the value.
    Hold,
    /// Make it more permissive.
    Increase,
    /// Make it more restrictive.
    Decrease,
    /// Change it as an experiment.
    Probe,
    /// Give the knob back to its baseline.
    Release,
}

impl Action {
    /// The name in logs, metrics and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Increase => "increase",
            Self::Decrease => "decrease",
            Self::Probe => "probe",
            Self::Release => "release",
        }
    }
}

/// What one knob of one process should be now, who says so and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Counts changes; a hold carries the id of the change that it holds.
    pub id: u64,
    /// Which process.
    pub instance: InstanceId,
    /// Which knob.
    pub knob: KnobName,
    /// The value in force, as far as is known.
    pub from: Value,
    /// The value wanted now.
    pub to: Value,
    /// What goes with the value, for a concurrency limit; nothing for others.
    pub admission: Admission,
    /// What this does.
    pub action: Action,
    /// The policy that won.
    pub policy: Arc<str>,
    /// Its reason.
    pub reason: Reason,
    /// What the guard did to the wish, if anything.
    pub guarded: Option<Reason>,
    /// The other policies that named the knob, with the value they would have allowed and why.
    pub overruled: Vec<Overruled>,
}

/// A policy that did not win.
#[derive(Debug, Clone, PartialEq)]
pub struct Overruled {
    /// Which.
    pub policy: Arc<str>,
    /// What it would have allowed; `None`: anything.
    pub allows: Option<f64>,
    /// Why.
    pub reason: Reason,
}
