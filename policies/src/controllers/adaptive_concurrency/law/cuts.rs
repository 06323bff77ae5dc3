//! Moving the limit, and taking back what was wrong.

use super::{FIRST_REST, LONGEST_REST, Law, Stage, knee};
use crate::controllers::adaptive_concurrency::arm::Arm;
use crate::controllers::adaptive_concurrency::cut::{Cut, Finding, Point};
use crate::controllers::adaptive_concurrency::sample::Sample;
use crate::reason::ConcurrencyReason;

impl Law {
    /// Moves towards a goal: up at once, down in a step that is verified.
    pub(in super::super) fn aim(&mut self, goal: f64, reason: ConcurrencyReason) {
        let goal = self.bounded(goal);
        if self.believing {
            if goal > self.limit || goal < 0.95 * self.limit { self.set(goal, reason); }
            return;
        }
        if goal >= 0.87 * self.limit || goal + 1.5 > self.limit {
            if goal > self.limit || goal < 0.95 * self.limit {
                self.set(goal, reason);
            }
            return;
        }
        if self.now < self.no_cut_until {
            return;
        }
        let from = Point::of(&self.recent);
        self.set(goal, reason);
        if goal < 0.87 * from.in_flight() && from.ended >= 5.0 {
            self.cut = Some(Cut::down(from, goal));
        }
    }

    pub(super) fn look_at_cut(&mut self, mut cut: Cut, sample: &Sample) {
        match cut.observe(sample, self.patience.deadline()) {
            Finding::Open => self.cut = Some(cut),
            Finding::Unused => {}
            Finding::Queue { throughput } => {
                self.rest = FIRST_REST;
                self.capacity.is_now(throughput);
                if let Some(floor) = self.doubt.take() {
                    self.floor.is_now(floor);
                }
                let goal = self.goal();
                if goal < 0.95 * self.limit {
                    self.aim(goal, self.at_knee());
                }
            }
            Finding::Floor { before, latency, throughput } => {
                self.give_back(cut, before, latency, throughput);
            }
            Finding::NoFloor { floor, throughput } => {
                self.floor.is_now(floor);
                self.capacity.is_now(throughput);
                self.no_cut_until = 0.0;
                self.set(self.goal().min(self.limit), self.at_knee());
            }
        }
    }

    /// Where the present stage wants the limit.
    fn goal(&self) -> f64 {
        if self.stage == Stage::Overload { self.knee() } else { self.cap() }
    }

    fn give_back(&mut self, cut: Cut, before: f64, latency: f64, throughput: f64) {
        let floor_before = self.floor.latency().unwrap_or(latency);
        self.capacity.is_at_least(throughput);
        self.floor.is_now(latency);
        self.doubt = Some(self.doubt.map_or(floor_before, |older| older.min(floor_before)));
        self.no_cut_until = self.now + self.rest;
        self.rest = (2.0 * self.rest).min(LONGEST_REST);
        let busy = throughput * latency;
        let low = self.limit;
        self.set(
            1.1 * busy + busy.sqrt(),
            ConcurrencyReason::FloorMoved { before_seconds: before, now_seconds: latency },
        );
        if self.limit > 1.15 * low {
            self.cut = Some(cut.back(self.limit, floor_before));
        }
    }

    /// A higher floor was believed in for a while: put it to the test again. Says whether that begins now.
    pub(in super::super) fn test_floor(&mut self) -> bool {
        let Some(floor) = self.doubt.filter(|_| self.may_cut()) else { return false };
        let goal = self.bounded(knee(self.capacity.known(), floor));
        if goal > 0.7 * self.limit {
            return false;
        }
        self.aim(goal, ConcurrencyReason::Knee { per_second: self.capacity.known(), floor_seconds: floor });
        self.cut.is_some()
    }

    /// Cuts may be tried again.
    pub(in super::super) const fn may_cut(&self) -> bool {
        self.now >= self.no_cut_until
    }

    pub(in super::super) const fn forget_rest(&mut self) {
        self.no_cut_until = 0.0;
    }

    pub(super) fn answer_drops(&mut self, sample: &Sample) -> bool {
        if self.believing && super::super::belief::envf("DROPS", 1.0) < 0.5 { return false; }
        let floor = self.floor.latency().unwrap_or(0.0);
        let Some(verdict) = self.drops.see(self.now, sample, self.limit, floor) else { return false };
        self.cut = None;
        self.set(verdict.limit, verdict.reason);
        self.stage = Stage::Overload;
        self.hold_here(Arm::default());
        true
    }
}
