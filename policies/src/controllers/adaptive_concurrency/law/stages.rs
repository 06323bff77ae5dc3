//! From stage to stage: when an overload begins, how long a burst may last, when it is over.

use super::{Law, OVERLOAD, ROOM, ROOM_BUSY, ROOM_LEAST, ROOM_PEAKS, Stage};
use crate::controllers::adaptive_concurrency::arm::Arm;
use crate::controllers::adaptive_concurrency::cut::Point;
use crate::controllers::adaptive_concurrency::sample::Sample;
use crate::reason::ConcurrencyReason;

impl Law {
    pub(super) fn leave_overload(&mut self, load: f64) {
        let over = load < 1.0 || self.unrejected >= 3 || self.unsaturated >= 4;
        if self.stage != Stage::Normal && over {
            self.stage = Stage::Normal;
            self.cut = None;
            self.hold_here(Arm::default());
        }
    }

    pub(super) fn normal(&mut self, sample: &Sample, load: f64, saturated: bool) {
        if self.floor.latency().is_none() {
            // Nothing is known yet but what its owner has chosen.
            self.reason = ConcurrencyReason::NoBaseline;
            return;
        }
        if load > OVERLOAD && saturated {
            self.stage = Stage::Filled;
            self.filled_at = self.now;
            self.capacity.is_at_least(self.capacity.peak());
            self.track.expect(self.capacity.known());
            return self.aim(self.cap(), self.allowed());
        }
        let budget = self.budget();
        if sample.is_bound() && sample.little() < 1.2 * budget {
            self.curve.relax(sample);
        }
        let fine = sample.latency() < 0.5 * budget || self.waits_little(sample.little());
        if sample.is_bound() && self.limit < self.ceiling() && sample.answered > 0.0 && fine {
            return self.set(1.5 * self.limit + 1.0, self.headroom(sample.little()));
        }
        if saturated {
            self.aim(self.cap(), self.allowed());
        } else {
            self.make_room(sample, budget);
        }
    }

    /// Without overload the limit only has to keep a flood out.
    fn make_room(&mut self, sample: &Sample, budget: f64) {
        let known = if super::super::belief::envf("ROOMC", 0.0) > 0.5 { self.can() } else { self.expected() };
        let usual = (ROOM_PEAKS * self.peak).max(ROOM_BUSY * known * self.floor.latency().unwrap_or(0.0));
        let goal = (ROOM * known * budget + 8.0).min(usual.max(ROOM_LEAST)).min(self.ceiling());
        if goal < 0.9 * self.limit {
            let peak = sample.peak as u64;
            self.set(goal.max(0.95 * self.limit), ConcurrencyReason::AppLimited { peak });
        } else if goal > 1.1 * self.limit {
            self.set(goal, self.allowed());
        }
    }

    pub(super) fn filled(&mut self) {
        if self.now - self.filled_at < self.patience.burst(self.floor.latency()) {
            if (self.cap() / self.limit - 1.0).abs() > 0.15 {
                self.aim(self.cap(), self.allowed());
            }
            return;
        }
        self.stage = Stage::Overload;
        let now = Point::of(&self.recent).throughput();
        // After a fall the knee of before is tried first: perhaps more calls get less done.
        let fell = now < 0.85 * self.capacity.known();
        let knee_before = self.knee();
        self.capacity.is_now(now);
        let goal = if fell { knee_before } else { self.knee() };
        self.aim(goal, self.at_knee());
    }
}
