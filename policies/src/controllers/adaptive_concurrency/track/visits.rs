//! Visits: to which limit, for how long, and what they prove.

use super::{GAIN, HOLD, HOLD_MOST, LATE, LONGEST_WITHOUT, PROVED, Visit, WORTH};
use crate::controllers::adaptive_concurrency::arm::Arm;
use crate::controllers::adaptive_concurrency::law::Law;
use crate::reason::ConcurrencyReason;

impl Law {
    pub(super) fn maybe_visit(&mut self) {
        if self.track.counted < 3 {
            return;
        }
        let (base, hold) = (self.track.base, self.track.hold);
        let little = base.little();
        let starved = self.waits_little(little) && self.floor_counts(&base);
        let late = !starved && self.wants_less(&base);
        // First, so that nothing below can keep it from happening.
        let overdue = self.now - self.track.above_at > LONGEST_WITHOUT.max(20.0 * little);
        if overdue && self.patience.excess(base.late) <= LATE {
            return self.visit_above(starved);
        }
        if self.test_floor() {
            return;
        }
        if self.may_cut() && self.bounded(self.cap()) < 0.75 * self.limit {
            return self.aim(self.knee(), self.allowed());
        }
        let above = !late && (starved || !self.track.below_next);
        let cheap = self.patience.excess(base.late) < 0.01 && little < 0.5 * self.budget();
        let wait = match () {
            () if late || starved => 0.6 * hold,
            () if cheap && above => hold,
            () => 2.0 * hold,
        };
        if f64::from(self.track.counted) < wait {
            return;
        }
        if above { self.visit_above(starved) } else { self.visit_below(late) }
    }

    /// What is taken for the floor may be a queue: then calls that wait less are no sign of room.
    pub(super) fn floor_counts(&self, arm: &Arm) -> bool {
        self.floor.is_certain() || arm.throughput < 0.9 * self.capacity.known()
    }

    /// More answers are late than without overload, or nobody knows yet how long a call takes that does not wait.
    fn wants_less(&self, arm: &Arm) -> bool {
        self.patience.excess(arm.late) > LATE || !self.floor.is_certain()
    }

    fn visit_above(&mut self, far: bool) {
        self.track.below_next = true;
        self.track.above_at = self.now;
        let factor = if far { (4.0 * self.track.noise()).exp().clamp(1.25, 2.0) } else { 1.2 };
        let step = if self.limit < 8.0 { 2.0 } else { 1.0 };
        let most = (1.5 * self.cap()).max(self.limit + step);
        self.visit(Visit::Above, (factor * self.limit).max(self.limit + step).min(most));
    }

    fn visit_below(&mut self, late: bool) {
        self.track.below_next = false;
        let factor = if late { 0.7 } else { (-2.0 * self.track.noise()).exp().clamp(0.6, 0.8) };
        self.visit(Visit::Below, (factor * self.limit).min(self.limit - 1.0));
    }

    fn visit(&mut self, visit: Visit, to: f64) {
        let to = self.bounded(to).floor();
        let moves = if visit == Visit::Above { to > self.limit } else { to < self.limit.floor() };
        if !moves {
            self.track.counted = 0;
            return;
        }
        let above = visit == Visit::Above;
        self.set(to, ConcurrencyReason::Trial { above, per_second: self.track.base.goodput });
        self.track.visit = Some((visit, Arm::default()));
    }

    pub(super) fn judge_above(&mut self, arm: &Arm) {
        let base = self.track.base;
        let error = arm.error(&base, self.track.variance);
        let more = (arm.in_flight.max(1e-9) / base.in_flight.max(1e-9)).ln();
        let gain = (arm.goodput.max(1e-9) / base.goodput.max(1e-9)).ln();
        let follows = (arm.throughput.max(1e-9) / base.throughput.max(1e-9)).ln();
        if gain + 1.5 * error < -0.1 {
            self.go_back(arm);
        } else if more > 0.1
            && arm.samples >= 2.0
            && gain > 0.0
            && follows > 0.5 * more
            && follows - 1.5 * error > 0.3 * more
        {
            // Throughput follows the limit: calls simply take this long.
            self.floor.is_now(arm.little());
            self.capacity.is_at_least(arm.throughput);
            self.stay(arm, true);
        } else if arm.is_telling() && gain - 0.8 * error > GAIN * more {
            self.stay(arm, true);
        } else if (arm.is_telling() && gain - GAIN * more < 0.5 * error) || arm.samples >= 8.0 {
            self.go_back(arm);
        }
    }

    pub(super) fn judge_below(&mut self, arm: &Arm) {
        let base = self.track.base;
        let error = arm.error(&base, self.track.variance);
        let loss = 1.0 - arm.goodput / base.goodput.max(1e-9);
        let late = self.wants_less(&base);
        let fine = if late {
            loss < 0.5 * error
        } else {
            (error < 0.05 || loss < -0.5 * error) && loss + 0.7 * error < WORTH
        };
        if arm.samples >= 3.0 && fine {
            let again = late && self.wants_less(arm);
            self.stay(arm, again);
        } else if loss - 2.0 * error > WORTH
            || (arm.samples >= 3.0 && loss - error > WORTH)
            || arm.samples >= 8.0
        {
            if arm.samples >= 2.0 && arm.throughput < 0.85 * base.throughput {
                // Fewer calls than keep the service busy: none of them waited.
                self.floor.is_at_most(arm.little());
            }
            self.go_back(arm);
        }
    }

    /// The limit that was visited is better.
    fn stay(&mut self, arm: &Arm, again: bool) {
        let above = self.track.is_above();
        if above {
            self.curve.allow(self.limit);
            self.drops.allow(self.limit);
        } else {
            self.track.proved_until = self.now + PROVED;
        }
        let per_second = arm.goodput;
        self.reason =
            ConcurrencyReason::TrialKept { above, per_second, before_per_second: self.track.base.goodput };
        self.hold_here(*arm);
        self.track.hold = HOLD;
        self.track.below_next = !above;
        self.track.counted = if again { 4 } else { 0 };
    }

    fn go_back(&mut self, arm: &Arm) {
        let above = self.track.is_above();
        let before = self.track.base.goodput;
        let reason =
            ConcurrencyReason::TrialDropped { above, per_second: arm.goodput, before_per_second: before };
        self.track.visit = None;
        self.track.base.fade();
        self.track.hold = (1.4 * self.track.hold).min(HOLD_MOST);
        self.set(self.track.limit, reason);
    }
}
