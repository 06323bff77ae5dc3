//! Tells a process that leaks to finish and restart before it crawls.
//!
//! With a soft limit, a leak does not end in a kill: it ends in hours of collecting at three quarters of the CPUs, with
//! the process still in the load balancer. A process that is told early enough fails its readiness, finishes its calls and
//! exits; the next one is healthy.
//!
//! Input: those of [`super`] and the counters of the limiter. Output: a switch; on means drain. Once on it stays on until
//! the process is another one.
//!
//! On when, for eight looks in a row, the live heap is more than collections keep up with, grows in a way that calls in
//! flight do not explain (gc_target/leak.rs), and has less than `before` left; or is over 0.9 of that, with less than five
//! seconds left. The time left is that until collections take one and a half times their cap, not that until a kill.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `before` | 60 s | 1 s to 1 h | drains earlier, also what only might leak | less time to finish |
//! | `gc_cpu_cap` | 20 % | 2 % to 50 % | drains later | drains earlier |
//!
//! Failure modes: a cache that fills beyond what collections keep up with is drained like a leak. Without signals it keeps what it said for
//! ten seconds, then lets go. How many replicas may drain at once is not known here: readiness and the platform's
//! disruption budget decide.

use std::time::Duration;

use super::parameters::check_cap;
use super::state::State;
use super::watch::{Bounds, View, Watch};
use super::{GcTarget, STALE_AFTER};
use crate::claim::Others;
use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{GcReason, Reason};
use crate::spec::{Controller, InvalidConfig};
use crate::value::Value;

/// So many looks in a row must agree.
const LOOKS: u32 = 8;
/// With less left than that, it does not wait for the heap to be at its end.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Parameters of the drain.
#[derive(Debug, Clone, PartialEq)]
pub struct HeapDrain {
    pub(crate) knob: KnobName,
    gc_cpu_cap: f64,
    before: Duration,
}

impl HeapDrain {
    /// Default of `before`.
    pub const BEFORE: Duration = Duration::from_secs(60);

    /// A checked drain.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, gc_cpu_cap: f64, before: Duration) -> Result<Self, InvalidConfig> {
        check_cap(gc_cpu_cap)?;
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&before) {
            return Err(InvalidConfig::OutOfRange { field: "before", range: "between 1s and 1h" });
        }
        Ok(Self { knob, gc_cpu_cap, before })
    }
}

/// The drain at work.
#[derive(Debug)]
pub struct HeapDrainPolicy {
    spec: HeapDrain,
    watch: Watch,
    looks: u32,
    draining: Option<GcReason>,
}

impl HeapDrainPolicy {
    /// A policy that drains nothing yet.
    pub fn new(spec: HeapDrain) -> Self {
        Self { spec, watch: Watch::default(), looks: 0, draining: None }
    }

    /// The leak, if there is so little time left.
    fn leak(&self, view: &View) -> Option<GcReason> {
        let (slope, left) = view.leak?;
        let urgent = view.ratio > State::Shed.begins() && left < LAST_MOMENT;
        let due = (view.ratio >= State::Starved.begins() && left < self.spec.before) || urgent;
        due.then_some(GcReason::Leak { left, slope })
    }
}

impl Policy for HeapDrainPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let least = f64::from(GcTarget::PERCENT_MIN) / 100.0;
        let bounds = Bounds { gc_cpu_cap: self.spec.gc_cpu_cap, least, ahead: false };
        let counters = seen.fresh_totals(STALE_AFTER);
        let view = match (self.watch.look(seen, &bounds), counters) {
            (Ok(view), Ok(_)) => view,
            (Err(unknown), _) | (_, Err(unknown)) => return unknown,
        };
        let leak = self.leak(&view);
        self.looks = if leak.is_some() { self.looks + 1 } else { 0 };
        if self.looks >= LOOKS {
            self.draining = self.draining.or(leak);
        }
        match self.draining {
            Some(reason) => Proposal::new(Want::Set(Value::Switch(true)), Action::Decrease, reason),
            None => Proposal::new(Want::Set(Value::Switch(false)), Action::Hold, Reason::Calm),
        }
    }

    fn hear(&mut self, others: Others) {
        self.watch.hear(others);
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::HeapDrain(spec) = controller else { return false };
        self.spec = spec.clone();
        true
    }
}
