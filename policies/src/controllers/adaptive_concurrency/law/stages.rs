//! From stage to stage: when an overload begins, how long a burst may last, when it is over.

use super::{Law, OVERLOAD, ROOM, ROOM_BUSY, ROOM_LEAST, ROOM_PEAKS, Stage};
use crate::controllers::adaptive_concurrency::sample::Sample;
use crate::reason::ConcurrencyReason;

/// An overload is over after so many seconds, and calls, without a rejection ...
const UNREJECTED: f64 = 0.3;
const UNREJECTED_CALLS: f64 = 30.0;
/// ... or so many seconds without saturation.
const UNSATURATED: f64 = 0.4;
/// Fewer calls in flight are no queue that could be too long.
const FEW: f64 = 4.0;

impl Law {
    pub(super) fn leave_overload(&mut self, load: f64, sample: &Sample) {
        if self.stage == Stage::Normal || self.is_dropping() {
            return;
        }
        let (seconds, asked) = self.unrejected;
        let unrejected = seconds >= UNREJECTED && (asked >= UNREJECTED_CALLS || seconds >= 1.5);
        let over = load < 1.0 || unrejected || self.unsaturated >= UNSATURATED;
        if over && !self.is_crowded(sample) {
            self.stage = Stage::Normal;
        }
    }

    pub(super) fn normal(&mut self, sample: &Sample, load: f64, saturated: bool) {
        let Some(floor) = self.latency_floor() else {
            // Nothing is known yet but what its owner has chosen.
            self.reason = ConcurrencyReason::NoBaseline;
            return;
        };
        if saturated && (load > OVERLOAD || self.is_dropping() || self.is_crowded(sample)) {
            self.stage = Stage::Filled;
            self.filled_at = self.now;
            return self.filled(sample);
        }
        let fine = sample.latency() < 0.5 * self.budget() || self.waits_little(sample.little());
        let (goal, reason) = if sample.is_bound() && sample.answered > 0.0 && fine {
            (1.5 * self.limit + 1.0, ConcurrencyReason::Headroom { gradient: sample.little() / floor })
        } else if saturated {
            (self.cap(), self.allowed())
        } else {
            self.room(sample, floor)
        };
        self.aim(goal, sample, reason);
    }

    /// Without overload the limit only has to keep a flood out.
    fn room(&self, sample: &Sample, floor: f64) -> (f64, ConcurrencyReason) {
        let known = self.capacity().max(self.belief.pace());
        let usual = (ROOM_PEAKS * self.peak).max(ROOM_BUSY * known * floor);
        let goal = (ROOM / self.fullness() * known * self.budget() + 8.0).min(usual.max(ROOM_LEAST));
        if goal < 0.9 * self.limit {
            return (goal.max(0.95 * self.limit), ConcurrencyReason::AppLimited { peak: sample.peak as u64 });
        }
        (goal, self.allowed())
    }

    pub(super) fn filled(&mut self, sample: &Sample) {
        let burst = self.patience.burst(self.latency_floor());
        if self.now - self.filled_at >= burst || self.is_dropping() {
            self.stage = Stage::Overload;
        } else {
            self.aim(self.cap(), sample, self.allowed());
        }
    }

    /// Moves to a goal, as far as that is safe; not for a trifle.
    fn aim(&mut self, goal: f64, sample: &Sample, reason: ConcurrencyReason) {
        let (crowded, higher) = (sample.in_flight() > FEW, goal > 1.1 * self.limit);
        // Only a queue can be unsafe, and a higher limit.
        let safe = if crowded || higher { self.safe() } else { f64::INFINITY };
        if crowded && safe < goal.min(0.8 * self.limit) {
            self.set(safe, self.allowed());
        } else if goal < 0.96 * self.limit {
            self.set(goal, reason);
        } else if goal.min(safe) > 1.1 * self.limit {
            self.raise(goal.min(safe), sample, crowded, reason);
        }
    }

    /// Without a deadline nothing says how much is safe: calls at the last limit answer before the next, where many wait.
    fn raise(&mut self, goal: f64, sample: &Sample, crowded: bool, reason: ConcurrencyReason) {
        if self.patience.deadline().is_some() || !crowded {
            return self.set(goal, reason);
        }
        if let Some(limit) = self.next_step(goal, sample) {
            self.set(limit, reason);
        }
    }
}
