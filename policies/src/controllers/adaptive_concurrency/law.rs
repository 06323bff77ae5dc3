//! The law: from samples to a limit.
//!
//! It is in one of three stages. **Normal**: the limit is as high as could be answered in time, so that bursts wait instead
//! of being rejected. **Filled**: more is offered than is done; the limit stays there for as long as a burst may last.
//! **Overload**: the limit is at the knee, a little more than what keeps the service busy, and trials ([`super::track`]) find
//! out whether a little more or less does better. Every cut that matters is verified ([`super::cut`]).

use super::arm::Arm;
use super::capacity::Capacity;
use super::curve::Curve;
use super::cut::{Cut, Finding, Point};
use super::drops::DropCeiling;
use super::floor::Floor;
use super::parameters::AdaptiveConcurrency;
use super::patience::Patience;
use super::sample::Sample;
use super::track::Track;
use crate::reason::Reason;

/// Overload begins where this much more is offered than can be done.
const OVERLOAD: f64 = 1.10;
/// The knee: busy calls times this ...
const KNEE: f64 = 1.25;
/// ... and so many standard deviations of them, so that workers are kept busy between arrivals.
const KNEE_SPREAD: f64 = 1.75;
/// Without overload: this many times what is usual.
const ROOM: f64 = 1.5;
const ROOM_PEAKS: f64 = 3.0;
const ROOM_BUSY: f64 = 12.0;
const ROOM_LEAST: f64 = 16.0;
/// Memory of the most calls in flight, seconds.
const PEAK_MEMORY: f64 = 30.0;
/// After a wrong cut no other one for this long, twice as long each time.
const FIRST_REST: f64 = 5.0;
const LONGEST_REST: f64 = 30.0;
/// Samples in a row at a limit that is not ours, after which it is taken for ours.
const FOREIGN: u32 = 5;
/// Samples after a stall that tell of it.
const AFTERMATH: u32 = 3;
/// Samples kept to compare with.
pub(super) const RECENT: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Normal,
    Filled,
    Overload,
}

#[derive(Debug)]
pub(super) struct Law {
    pub(super) spec: AdaptiveConcurrency,
    pub(super) patience: Patience,
    pub(super) floor: Floor,
    pub(super) capacity: Capacity,
    pub(super) curve: Curve,
    pub(super) drops: DropCeiling,
    pub(super) stage: Stage,
    pub(super) limit: f64,
    pub(super) reason: Reason,
    pub(super) track: Track,
    pub(super) cut: Option<Cut>,
    /// The newest samples, newest last; those from before an overload are not among them.
    pub(super) recent: Vec<Sample>,
    pub(super) now: f64,
    offered: Option<f64>,
    peak: f64,
    filled_at: f64,
    no_cut_until: f64,
    rest: f64,
    /// The floor that was given up for a higher one, until that is confirmed by time.
    doubt: Option<f64>,
    /// Samples in a row at another limit than the one wanted.
    foreign: u32,
    unrejected: u32,
    unsaturated: u32,
    /// Samples after a stall that are not looked at.
    aftermath: u32,
}

impl Law {
    pub(super) fn new(spec: AdaptiveConcurrency, deadline: Option<f64>, limit: f64) -> Self {
        Self {
            spec,
            patience: Patience::new(deadline),
            floor: Floor::default(),
            capacity: Capacity::default(),
            curve: Curve::new(),
            drops: DropCeiling::default(),
            stage: Stage::Normal,
            limit,
            reason: Reason::NoBaseline,
            track: Track::default(),
            cut: None,
            recent: Vec::new(),
            now: 0.0,
            offered: None,
            peak: 0.0,
            filled_at: 0.0,
            no_cut_until: 0.0,
            rest: FIRST_REST,
            doubt: None,
            foreign: 0,
            unrejected: 0,
            unsaturated: 0,
            aftermath: 0,
        }
    }

    /// Calls that end per second, as far as known: how long a sample has to be.
    pub(super) fn expected(&self) -> f64 {
        self.capacity.known().max(self.capacity.peak())
    }

    /// How long calls take, lately; 0 while none has ended.
    pub(super) fn latency(&self) -> f64 {
        self.recent.iter().rev().map(Sample::latency).find(|latency| *latency > 0.0).unwrap_or(0.0)
    }

    /// What is in force when `limit` is wanted.
    pub(super) fn bounded(&self, limit: f64) -> f64 {
        limit.clamp(self.spec.min, self.spec.max)
    }

    /// Latency that a full limit may cause, seconds.
    pub(super) fn budget(&self) -> f64 {
        let asked_for = self.spec.latency_budget.as_secs_f64();
        if self.patience.deadline().is_none() && !self.floor.is_certain() {
            // What is taken for the floor may be a queue: no more of it.
            return self.floor.latency().unwrap_or(0.0).max(asked_for);
        }
        self.patience.budget(self.floor.latency()).max(asked_for)
    }

    /// The most that could be answered in time.
    pub(super) fn cap(&self) -> f64 {
        (self.capacity.known() * self.budget()).max(2.0).min(self.ceiling())
    }

    pub(super) fn ceiling(&self) -> f64 {
        self.curve.ceiling().min(self.drops.ceiling())
    }

    /// A little more than what keeps the service busy, by Little's law.
    pub(super) fn knee(&self) -> f64 {
        knee(self.capacity.known(), self.floor.latency().unwrap_or(0.0)).min(self.cap())
    }

    /// Puts a limit in force, and starts over with looking at it.
    pub(super) fn set(&mut self, limit: f64, reason: Reason) {
        let limit = self.bounded(limit.round());
        if limit != self.limit {
            self.reason = reason;
            self.track.restart();
            self.limit = limit;
        }
    }

    /// The process stood still: what is under way tells of that, and so does what comes right after it.
    pub(super) fn stalled(&mut self) {
        self.recent.clear();
        self.cut = None;
        self.track.begin(self.limit, Arm::default());
        self.track.restart();
        self.aftermath = AFTERMATH;
    }

    /// Takes a sample, `passed` seconds after the last one.
    pub(super) fn step(&mut self, sample: &Sample, passed: f64) {
        self.now += passed;
        if self.aftermath > 0 {
            self.aftermath -= 1;
            return;
        }
        let ours = self.is_ours(sample);
        let saturated = self.learn(sample, ours);
        if self.answer_drops(sample) {
            return;
        }
        let load = self.load();
        self.leave_overload(load, saturated);
        if let Some(cut) = self.cut.take() {
            if ours {
                self.look_at_cut(cut, sample);
            } else {
                self.cut = Some(cut);
            }
            return;
        }
        match self.stage {
            Stage::Normal => self.normal(sample, load, saturated),
            Stage::Filled => self.filled(),
            Stage::Overload if ours => self.track(sample),
            Stage::Overload => {}
        }
    }

    /// Whether a sample was made at the limit that is wanted. A guard or a person may hold another one; then that one is
    /// what there is to go on from.
    fn is_ours(&mut self, sample: &Sample) -> bool {
        let Some(in_force) = sample.limit else { return false };
        if in_force.floor() == self.limit.floor() {
            self.foreign = 0;
            return true;
        }
        self.foreign += 1;
        if self.foreign >= FOREIGN && in_force >= 1.0 {
            (self.foreign, self.limit, self.cut) = (0, self.bounded(in_force), None);
            self.track.restart();
            self.track.begin(self.limit, Arm::default());
        }
        false
    }

    /// Offered over capacity; 0 while the latter is not known.
    fn load(&self) -> f64 {
        let capacity = self.capacity.known();
        if capacity > 0.0 { self.offered.unwrap_or(0.0) / capacity } else { 0.0 }
    }

    /// Learns what can be learned in any stage. Says whether the service was saturated.
    fn learn(&mut self, sample: &Sample, ours: bool) -> bool {
        let memory = (8.0 / self.capacity.known().max(1.0)).max(0.4);
        let gain = 1.0 - (-sample.seconds / memory).exp();
        let offered = *self.offered.get_or_insert(sample.offered());
        self.offered = Some(offered + (sample.offered() - offered) * gain);
        let fade = (-sample.seconds / PEAK_MEMORY).exp();
        self.peak = (self.peak * fade).max(sample.peak.min(2.0 * sample.in_flight() + 8.0));
        self.capacity.see(sample);
        let full = sample.is_bound() && sample.in_flight() > 0.5 * self.limit;
        let saturated = full || self.patience.is_exceeded(sample, self.floor.latency());
        let calm = self.stage == Stage::Normal && !saturated && !sample.is_bound();
        if calm {
            self.patience.see_calm(sample);
        }
        self.floor.see(sample, calm);
        self.curve.see(sample, self.track.noise(), ours);
        self.learn_capacity(sample, saturated);
        self.unrejected = if sample.is_bound() { 0 } else { self.unrejected.saturating_add(1) };
        self.unsaturated = if saturated { 0 } else { self.unsaturated.saturating_add(1) };
        if self.capacity.saturated() == 1 {
            self.recent.clear();
        } else if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push(*sample);
        saturated
    }

    fn learn_capacity(&mut self, sample: &Sample, saturated: bool) {
        if !saturated {
            return self.capacity.see_room(sample);
        }
        let below = self.track.is_below() && sample.throughput() < self.capacity.known();
        if self.cut.is_some() || self.stage == Stage::Filled || below {
            return self.capacity.see_upwards(sample);
        }
        self.capacity.see_saturated(sample, self.stage == Stage::Normal, self.track.noise());
        if sample.in_flight() > 0.7 * self.cap() {
            self.patience.see_full(sample);
        }
    }

    fn leave_overload(&mut self, load: f64, saturated: bool) {
        let over = load < 1.0 || self.unrejected >= 3 || (self.unsaturated >= 4 && !saturated);
        if self.stage != Stage::Normal && over {
            self.stage = Stage::Normal;
            self.cut = None;
            self.track.begin(self.limit, Arm::default());
        }
    }

    fn normal(&mut self, sample: &Sample, load: f64, saturated: bool) {
        if self.floor.latency().is_none() {
            // Nothing is known yet but what its owner has chosen.
            self.reason = Reason::NoBaseline;
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
        let known = self.expected();
        let usual = (ROOM_PEAKS * self.peak).max(ROOM_BUSY * known * self.floor.latency().unwrap_or(0.0));
        let goal = (ROOM * known * budget + 8.0).min(usual.max(ROOM_LEAST)).min(self.ceiling());
        if goal < 0.9 * self.limit {
            let peak = sample.peak as u64;
            self.set(goal.max(0.95 * self.limit), Reason::AppLimited { peak });
        } else if goal > 1.1 * self.limit {
            self.set(goal, self.allowed());
        }
    }

    fn filled(&mut self) {
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

    /// Moves towards a goal: up at once, down in a step that is verified.
    pub(super) fn aim(&mut self, goal: f64, reason: Reason) {
        let goal = self.bounded(goal);
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
        if goal < 0.87 * from.in_flight().min(self.limit.max(from.in_flight())) && from.ended >= 5.0 {
            self.cut = Some(Cut::down(from, goal));
        }
    }

    fn look_at_cut(&mut self, mut cut: Cut, sample: &Sample) {
        match cut.observe(sample, self.patience.deadline()) {
            Finding::Open => self.cut = Some(cut),
            Finding::Unused => {}
            Finding::Queue { throughput } => {
                self.rest = FIRST_REST;
                self.capacity.is_now(throughput);
                if let Some(floor) = self.doubt.take() {
                    self.floor.is_now(floor);
                }
                let goal = if self.stage == Stage::Overload { self.knee() } else { self.cap() };
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
                let goal = if self.stage == Stage::Overload { self.knee() } else { self.cap() };
                self.set(goal.min(self.limit), self.at_knee());
            }
        }
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
            Reason::FloorMoved { before_seconds: before, now_seconds: latency },
        );
        if self.limit > 1.15 * low {
            self.cut = Some(cut.back(self.limit, floor_before));
        }
    }

    /// A higher floor was believed in for a while: put it to the test again. Says whether that begins now.
    pub(super) fn test_floor(&mut self) -> bool {
        let Some(floor) = self.doubt.filter(|_| self.may_cut()) else { return false };
        let goal = self.bounded(knee(self.capacity.known(), floor));
        if goal > 0.7 * self.limit {
            return false;
        }
        self.aim(goal, Reason::Knee { per_second: self.capacity.known(), floor_seconds: floor });
        self.cut.is_some()
    }

    /// Cuts may be tried again.
    pub(super) const fn may_cut(&self) -> bool {
        self.now >= self.no_cut_until
    }

    pub(super) const fn forget_rest(&mut self) {
        self.no_cut_until = 0.0;
    }

    /// Whether calls hardly wait.
    pub(super) fn waits_little(&self, little: f64) -> bool {
        self.floor.latency().is_some_and(|floor| little < 1.2 * floor)
    }

    pub(super) fn headroom(&self, little: f64) -> Reason {
        Reason::Headroom { gradient: little / self.floor.latency().unwrap_or(little) }
    }

    pub(super) fn allowed(&self) -> Reason {
        Reason::InTime { per_second: self.expected(), seconds: self.budget() }
    }

    pub(super) fn at_knee(&self) -> Reason {
        let floor_seconds = self.floor.latency().unwrap_or(0.0);
        Reason::Knee { per_second: self.capacity.known(), floor_seconds }
    }

    fn answer_drops(&mut self, sample: &Sample) -> bool {
        let floor = self.floor.latency().unwrap_or(0.0);
        let Some(verdict) = self.drops.see(self.now, sample, self.limit, floor) else { return false };
        self.cut = None;
        self.set(verdict.limit, verdict.reason);
        self.stage = Stage::Overload;
        self.track.begin(self.limit, Arm::default());
        true
    }
}

fn knee(capacity: f64, floor: f64) -> f64 {
    let busy = capacity * floor;
    (KNEE * busy + KNEE_SPREAD * busy.sqrt()).max(2.0)
}
