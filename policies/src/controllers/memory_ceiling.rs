//! Holds a limit at the number of calls that memory has room for.
//!
//! `memory_cap` knows that memory is short; this policy knows for how many calls it suffices, before they are there. That
//! is what a surge needs: at four times the load a service can be killed within a second, faster than any reaction to pressure.
//! A number written into a file would be a guess of what a call holds, and stale after the next release; so it is measured
//! (`bytes_per_call`), while the service works.
//!
//! Inputs: working set and limit of the container, exact mean of calls in flight. Output: an upper bound for the limit, in calls.
//!
//! ```text
//! N = held + (fill x limit - working set) / bytes per call
//! held = g x calls in flight + (1 - g) x peak        g: share of a call's memory that is given back when it ends
//! ```
//!
//! This is (memory available) / (bytes per call), counted from where the process stands: a wrong estimate changes how fast the limit
//! of memory is approached, not where it is. The `peak` counts where the allocator keeps what calls have freed (`g` near 0): the
//! working set stays where the peak has left it, and the next calls use that memory again. Without it the ceiling would fall to its
//! floor after each peak and stay there. It never exceeds what the growth of the working set since the start can explain.
//! The lowest N of the newest second counts, since calls are admitted before they take their memory.
//!
//! Down at once, up by at most a fifth a second. No ceiling until the bytes per call are known; the less certain they are, the
//! more is reckoned for each (up to twice as many).
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `fill` | 85 % | 10 % to 98 % | uses more memory, less room for surprises | safer |
//! | `floor` | 4 | 1 to 1,000,000 calls | more throughput whatever memory says | more protection |
//!
//! Failure modes: without a reading of memory or counters it holds what it said for ten seconds and then lets go. A load that never
//! varies teaches nothing: the first ramp is what it learns from, after that it keeps what it knows. What grows besides
//! calls (a cache, a leak) lowers the ceiling down to `floor`, where shedding cannot help any more: see `task_trend`. The
//! memory of a garbage-collected runtime says little about calls, because the heap fills whatever it is allowed; there a
//! collector's target decides, with the live heap in the place of the working set.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{GuardReason, Reason};
use crate::signal::Signal;
use crate::spec::{Controller, InvalidConfig};
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::window::Window;

pub mod bytes_per_call;
#[cfg(test)]
mod tests;

use bytes_per_call::BytesPerCall;

const STALE_AFTER: Duration = Duration::from_secs(2);
/// Shortest window of calls, seconds.
const LOOK_SECONDS: f64 = 0.19;
/// Looks of which the most cautious counts: about a second.
const LOOKS: usize = 5;
/// Largest growth of the ceiling, each second.
const UP_PER_SECOND: f64 = 0.2;

/// Parameters of the ceiling.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryCeiling {
    pub(crate) knob: KnobName,
    fill: f64,
    floor: f64,
}

impl MemoryCeiling {
    /// Default of `fill`.
    pub const FILL: f64 = 0.85;
    /// Default of `floor`.
    pub const FLOOR: f64 = 4.0;

    /// A checked ceiling; `fill` 0 to 1, `floor` in calls.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, fill: f64, floor: f64) -> Result<Self, InvalidConfig> {
        if !(0.10..=0.98).contains(&fill) {
            return Err(InvalidConfig::OutOfRange { field: "fill", range: "between 10% and 98%" });
        }
        if !(1.0..=1e6).contains(&floor) {
            return Err(InvalidConfig::OutOfRange { field: "floor", range: "between 1 and 1000000" });
        }
        Ok(Self { knob, fill, floor })
    }
}

/// What was in flight and in memory at one instant.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Calls whose memory is in the working set, whether they have ended or not.
    held: f64,
    working_set: f64,
}

/// The ceiling at work.
#[derive(Debug)]
pub struct MemoryCeilingPolicy {
    spec: MemoryCeiling,
    newest: Option<Arc<Totals>>,
    call_size: BytesPerCall,
    looks: VecDeque<Look>,
    /// Most calls in flight whose memory may still be held.
    peak: f64,
    /// The smallest working set so far.
    smallest: f64,
    /// What it said last, and when.
    ceiling: Option<(Timestamp, f64)>,
}

impl MemoryCeilingPolicy {
    /// A ceiling that knows nothing yet.
    pub fn new(spec: MemoryCeiling) -> Self {
        Self {
            spec,
            newest: None,
            call_size: BytesPerCall::default(),
            looks: VecDeque::new(),
            peak: 0.0,
            smallest: f64::INFINITY,
            ceiling: None,
        }
    }

    /// Takes in the counters, once they cover a window.
    fn look(&mut self, now: Timestamp, totals: &Arc<Totals>, working_set: f64) {
        let before = self.newest.get_or_insert_with(|| Arc::clone(totals));
        if before.at_nanos > totals.at_nanos {
            // A clock that has jumped back starts the window over.
            *before = Arc::clone(totals);
        }
        let Some(window) = Window::between(before, totals) else { return };
        if window.seconds < LOOK_SECONDS {
            return;
        }
        *before = Arc::clone(totals);
        if window.stalled {
            return;
        }
        let calls = window.mean_in_flight;
        self.call_size.push(now, calls, working_set);
        self.smallest = self.smallest.min(working_set);
        self.peak = self.peak.max(calls);
        if let Some(per_call) = self.call_size.bytes() {
            self.peak = self.peak.min(calls + (working_set - self.smallest) / per_call);
        }
        let given_back = self.call_size.given_back();
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        let held = given_back * calls + (1.0 - given_back) * self.peak;
        self.looks.push_back(Look { held, working_set });
    }

    /// Calls that memory has room for; `None` before anything is known.
    fn room(&self, limit: f64, per_call: f64) -> Option<f64> {
        let rooms = self.looks.iter().map(|look| room(*look, self.spec.fill * limit, per_call));
        rooms.min_by(f64::total_cmp).map(|room| room.max(self.spec.floor))
    }

    /// Down at once, up slowly.
    fn paced(&mut self, now: Timestamp, room: f64) -> f64 {
        let paced = self.ceiling.map_or(room, |(then, before)| {
            let seconds = now.since(then).as_secs_f64();
            room.min(before + (before * UP_PER_SECOND + 1.0) * seconds)
        });
        self.ceiling = Some((now, paced));
        paced
    }
}

/// Calls for which there is room up to `target` bytes.
fn room(look: Look, target: f64, per_call: f64) -> f64 {
    look.held + (target - look.working_set) / per_call
}

impl Policy for MemoryCeilingPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let readings = seen.fresh_totals(STALE_AFTER).and_then(|totals| {
            let ratio = seen.fresh(Signal::MemoryWorkingSetRatio, STALE_AFTER)?;
            Ok((totals, ratio, seen.fresh(Signal::MemoryLimitBytes, STALE_AFTER)?))
        });
        let (totals, ratio, limit) = match readings {
            Ok(readings) => readings,
            Err(unknown) => return unknown,
        };
        let working_set = ratio * limit;
        self.look(seen.now, totals, working_set);
        let per_call = self.call_size.cautious(seen.now);
        let room = per_call.and_then(|per_call| Some((self.room(limit, per_call)?, per_call)));
        let Some((room, per_call)) = room else {
            return Proposal::new(Want::Anything, Action::Hold, GuardReason::CallSizeUnknown);
        };
        let calls = self.paced(seen.now, room);
        if calls >= seen.knob.max {
            return Proposal::new(Want::Anything, Action::Hold, Reason::Calm);
        }
        let available = self.spec.fill * limit - working_set;
        let reason = GuardReason::MemoryCeiling { calls, available, per_call };
        Proposal::new(Want::AtMost(calls), Action::Decrease, reason)
    }

    fn is_safety(&self) -> bool {
        true
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::MemoryCeiling(spec) = controller else { return false };
        self.spec = spec.clone();
        true
    }
}
