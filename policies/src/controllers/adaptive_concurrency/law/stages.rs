//! From stage to stage: when an overload begins, how long a burst may last, when it is over.

use super::{Law, OVERLOAD, ROOM, ROOM_BUSY, ROOM_LEAST, ROOM_PEAKS, Stage};
use crate::controllers::adaptive_concurrency::sample::Sample;
use crate::reason::ConcurrencyReason;

/// An overload is over after so many seconds, and calls, without a rejection ...
const UNREJECTED: f64 = 0.3;
const UNREJECTED_CALLS: f64 = 30.0;
/// ... or so many seconds without saturation.
const UNSATURATED: f64 = 0.4;

impl Law {
    pub(super) fn leave_overload(&mut self, load: f64) {
        if self.is_dropping() {
            return;
        }
        let (seconds, asked) = self.unrejected;
        let unrejected = seconds >= UNREJECTED && (asked >= UNREJECTED_CALLS || seconds >= 1.5);
        if self.stage != Stage::Normal && (load < 1.0 || unrejected || self.unsaturated >= UNSATURATED) {
            self.stage = Stage::Normal;
        }
    }

    pub(super) fn normal(&mut self, sample: &Sample, load: f64, saturated: bool) {
        if self.floor.latency().is_none() {
            // Nothing is known yet but what its owner has chosen.
            self.reason = ConcurrencyReason::NoBaseline;
            return;
        }
        if saturated && (load > OVERLOAD || self.is_dropping()) {
            self.stage = Stage::Filled;
            self.filled_at = self.now;
            return self.filled();
        }
        let budget = self.budget();
        let fine = sample.latency() < 0.5 * budget || self.waits_little(sample.little());
        if sample.is_bound() && sample.answered > 0.0 && fine {
            let floor = self.floor.latency().unwrap_or(sample.little());
            let gradient = sample.little() / floor;
            return self.set(1.5 * self.limit + 1.0, ConcurrencyReason::Headroom { gradient });
        }
        if saturated { self.aim_at_cap() } else { self.make_room(sample, budget) }
    }

    /// Without overload the limit only has to keep a flood out.
    fn make_room(&mut self, sample: &Sample, budget: f64) {
        let known = self.capacity().max(self.belief.pace());
        let usual = (ROOM_PEAKS * self.peak).max(ROOM_BUSY * known * self.floor.latency().unwrap_or(0.0));
        let goal = (ROOM * known * budget + 8.0).min(usual.max(ROOM_LEAST));
        if goal < 0.9 * self.limit {
            let peak = sample.peak as u64;
            self.set(goal.max(0.95 * self.limit), ConcurrencyReason::AppLimited { peak });
        } else if goal > 1.1 * self.limit {
            self.set(goal, self.allowed());
        }
    }

    pub(super) fn filled(&mut self) {
        let burst = self.patience.burst(self.floor.latency());
        if self.now - self.filled_at >= burst || self.is_dropping() {
            self.stage = Stage::Overload;
        } else {
            self.aim_at_cap();
        }
    }

    fn aim_at_cap(&mut self) {
        if (self.cap() / self.limit - 1.0).abs() > 0.1 {
            self.set(self.cap(), self.allowed());
        }
    }
}
