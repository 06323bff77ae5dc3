//! Holds a limit, or the budget of a cache, down while memory is short.
//!
//! A request in flight holds memory. When the working set nears the limit of the cgroup, fewer requests in flight is the
//! one lever that works within milliseconds, long before the kernel has to kill. The obvious alternative, waiting for
//! memory pressure stall (PSI), comes too late in a pod without swap: there is little stall before an OOM kill.
//!
//! Input: working set / limit (0 to 1). Output: an upper bound for the limit, in calls, or for
//! the budget, in bytes.
//!
//! ```text
//! factor(r) = 1                                             r <= start
//!           = 1 - (1 - floor) (r - start) / (full - start)  start < r <= full
//!           = floor / 3                                     r > full
//! cap = factor x the limit that was in force when capping began
//! ```
//!
//! At its first look it takes a limit that is not at the baseline for one that a predecessor has capped already, and anchors
//! above it: else each restart of the sidecar under pressure would cap the cap.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `start` | 75 % | 10 % to 99 % | caps later, more memory used | caps earlier |
//! | `full`  | 92 % | above `start`, at most 100 % | gentler slope | steeper slope |
//! | `floor` | 30 % | 1 % to 100 % | keeps more throughput, less relief | more relief |
//!
//! Failure modes: without a reading of the working set or of the limit it holds what it said last for ten seconds and then
//! lets go; a cgroup without a memory limit never caps. The thresholds are ours.

use std::time::Duration;

use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{PressureReason, Reason};
use crate::signal::Signal;
use crate::spec::{Controller, InvalidConfig};
use crate::time::Timestamp;

/// Pressure that comes and goes faster than the knob recovers must not cap what it has capped already.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// Parameters of the cap.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryCap {
    pub(crate) knob: KnobName,
    start: f64,
    full: f64,
    floor: f64,
}

impl MemoryCap {
    /// Default of `start`.
    pub const START: f64 = 0.75;
    /// Default of `full`.
    pub const FULL: f64 = 0.92;
    /// Default of `floor`.
    pub const FLOOR: f64 = 0.30;

    /// A checked cap; all ratios 0 to 1.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, start: f64, full: f64, floor: f64) -> Result<Self, InvalidConfig> {
        if !(0.10..=0.99).contains(&start) {
            return Err(InvalidConfig::OutOfRange { field: "start", range: "between 10% and 99%" });
        }
        if !(full > start && full <= 1.0) {
            return Err(InvalidConfig::Order {
                field: "full",
                relation: "at most 100% and above",
                other: "start",
            });
        }
        if !(0.01..=1.0).contains(&floor) {
            return Err(InvalidConfig::OutOfRange { field: "floor", range: "between 1% and 100%" });
        }
        Ok(Self { knob, start, full, floor })
    }

    fn factor(&self, ratio: f64) -> f64 {
        if ratio <= self.start {
            1.0
        } else if ratio <= self.full {
            1.0 - (1.0 - self.floor) * (ratio - self.start) / (self.full - self.start)
        } else {
            self.floor / 3.0
        }
    }
}

/// The cap at work.
#[derive(Debug)]
pub struct MemoryCapPolicy {
    spec: MemoryCap,
    /// The limit in force when capping began, and when there was pressure last.
    anchor: Option<(f64, Timestamp)>,
    /// The pressure was seen to begin, so the limit in force then was not capped yet.
    saw_calm: bool,
}

impl MemoryCapPolicy {
    /// A policy that does not cap yet.
    pub const fn new(spec: MemoryCap) -> Self {
        Self { spec, anchor: None, saw_calm: false }
    }
}

impl Policy for MemoryCapPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let ratio = match seen.fresh(Signal::MemoryWorkingSetRatio, Duration::from_secs(2)) {
            Ok(ratio) => ratio,
            Err(unknown) => return unknown,
        };
        let (factor, in_force) = (self.spec.factor(ratio), seen.in_force.scalar());
        if factor >= 1.0 {
            let still_capped = |&(anchor, at): &_| in_force < anchor && seen.now.since(at) < REMEMBERED_FOR;
            self.anchor = self.anchor.filter(still_capped);
            self.saw_calm = true;
            return Proposal::new(Want::Anything, Action::Hold, Reason::Calm);
        }
        let capped_before = !self.saw_calm && in_force != seen.knob.baseline;
        let uncapped = if capped_before { (in_force / factor).min(seen.knob.max) } else { in_force };
        let anchor = self.anchor.map_or(uncapped, |(anchor, _)| anchor);
        self.anchor = Some((anchor, seen.now));
        let reason = PressureReason::MemoryPressure { ratio, start: self.spec.start };
        Proposal::new(Want::AtMost(anchor * factor), Action::Decrease, reason)
    }

    fn is_safety(&self) -> bool {
        true
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::MemoryCap(spec) = controller else { return false };
        self.spec = spec.clone();
        true
    }
}

#[cfg(test)]
mod tests;
