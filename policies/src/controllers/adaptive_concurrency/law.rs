//! The law: from samples to a limit.
//!
//! It is in one of three stages. **Normal**: the limit is as high as could be answered in time, so that bursts wait instead
//! of being rejected. **Filled**: more is offered than is done; the limit stays there for as long as a burst may last.
//! **Overload**: the limit at which most answers in time are expected ([`decide`]).

mod decide;
mod stages;

use super::belief::Belief;
use super::drops::DropCeiling;
use super::floor::Floor;
use super::parameters::AdaptiveConcurrency;
use super::patience::Patience;
use super::sample::Sample;
use crate::reason::ConcurrencyReason;

/// Overload begins where this much more is offered than can be done.
const OVERLOAD: f64 = 1.10;
/// Without overload: this many times what is usual.
const ROOM: f64 = 1.5;
const ROOM_PEAKS: f64 = 3.0;
const ROOM_BUSY: f64 = 12.0;
const ROOM_LEAST: f64 = 16.0;
/// Memory of what is offered: as long as so many calls take, from the shortest to the usual, seconds, and never fewer calls.
const OFFERED_CALLS: f64 = 40.0;
const OFFERED_SHORTEST: f64 = 0.2;
const OFFERED_USUAL: f64 = 0.4;
const OFFERED_FEWEST: f64 = 8.0;
/// Memory of the most calls in flight, seconds.
const PEAK_MEMORY: f64 = 30.0;
/// Dropped calls of late, as a share of all, that show that there are too many.
const DROPPED: f64 = 0.10;
/// Memory of dropped calls, seconds.
const DROPPED_MEMORY: f64 = 1.0;
/// Memory of the probability that the service gets less done when crowded, seconds.
const CROWDING_MEMORY: f64 = 3.0;
/// Seconds at a limit that is not ours, after which it is taken for ours.
const FOREIGN: f64 = 1.0;
/// Samples after a stall that tell of it.
const AFTERMATH: u32 = 3;
/// Nothing is new while fewer are in flight than this share of the most of late, and so many seconds are known.
const USUAL: f64 = 0.5;
const ACQUAINTED: f64 = 10.0;
/// Late answers that are no news, as a share of all.
const FEW_LATE: f64 = 0.05;
/// Calls take longer than they did when the belief says so by this factor.
const LONGER: f64 = 2.0;

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
    pub(super) belief: Belief,
    drops: DropCeiling,
    pub(super) stage: Stage,
    pub(super) limit: f64,
    pub(super) reason: ConcurrencyReason,
    now: f64,
    offered: Option<f64>,
    /// Dropped and ended calls of late.
    dropped: (f64, f64),
    /// Most calls in flight of late.
    peak: f64,
    filled_at: f64,
    raised_at: f64,
    /// Seconds at another limit than the one wanted.
    foreign: f64,
    /// Seconds, and calls asked for, without a rejection; seconds without saturation.
    unrejected: (f64, f64),
    unsaturated: f64,
    /// Samples after a stall that are not looked at.
    aftermath: u32,
    /// Probability that the service gets less done when crowded, of late.
    crowding: f64,
}

impl Law {
    pub(super) fn new(spec: AdaptiveConcurrency, deadline: Option<f64>, limit: f64) -> Self {
        Self {
            spec,
            patience: Patience::new(deadline),
            floor: Floor::default(),
            belief: Belief::default(),
            drops: DropCeiling::default(),
            stage: Stage::Normal,
            limit,
            reason: ConcurrencyReason::NoBaseline,
            now: 0.0,
            offered: None,
            dropped: (0.0, 0.0),
            peak: 0.0,
            filled_at: 0.0,
            raised_at: 0.0,
            foreign: 0.0,
            unrejected: (0.0, 0.0),
            unsaturated: 0.0,
            aftermath: 0,
            crowding: 0.0,
        }
    }

    /// What is in force when `limit` is wanted.
    pub(super) fn bounded(&self, limit: f64) -> f64 {
        limit.clamp(self.spec.min, self.spec.max)
    }

    /// How long a call takes that does not wait: as seen without overload, or longer by now.
    pub(super) fn latency_floor(&self) -> Option<f64> {
        let seen = self.floor.latency()?;
        let believed = self.belief.floor().unwrap_or(seen);
        if !self.floor.is_certain() {
            // What was seen may have been a queue since the start.
            return Some(believed.min(seen));
        }
        Some(if believed > LONGER * seen { believed } else { seen })
    }

    fn asked_for(&self) -> f64 {
        self.spec.latency_budget.as_secs_f64()
    }

    /// Latency that a full limit may cause, seconds.
    fn budget(&self) -> f64 {
        if self.patience.deadline().is_none() && !self.floor.is_certain() {
            // What is taken for the floor may be a queue: no more of it.
            return self.latency_floor().unwrap_or(0.0).max(self.asked_for());
        }
        self.patience.budget(self.latency_floor()).max(self.asked_for())
    }

    /// Calls that can end per second, as far as known.
    fn capacity(&self) -> f64 {
        self.belief.capacity().unwrap_or(0.0)
    }

    /// The most that could be answered in time.
    fn cap(&self) -> f64 {
        (self.capacity() * self.budget()).max(2.0)
    }

    /// Puts a limit in force.
    fn set(&mut self, limit: f64, reason: ConcurrencyReason) {
        let limit = self.bounded(limit.min(self.drops.ceiling()).round());
        if limit != self.limit {
            self.reason = reason;
            self.limit = limit;
        }
    }

    /// The process stood still: what is under way tells of that, and so does what comes right after it.
    pub(super) const fn stalled(&mut self) {
        self.aftermath = AFTERMATH;
    }

    /// Whether a sample says nothing new, so that it can wait for more of its kind.
    pub(super) fn is_calm(&self, sample: &Sample) -> bool {
        let undisturbed = !sample.is_bound() && sample.dropped == 0.0 && sample.late_ratio() <= FEW_LATE;
        let usual = self.now > ACQUAINTED && sample.in_flight_now <= USUAL * self.peak;
        self.stage == Stage::Normal && usual && undisturbed && sample.limit.is_some()
    }

    /// Takes a sample.
    pub(super) fn step(&mut self, sample: &Sample) {
        self.now += sample.seconds;
        if self.aftermath > 0 {
            self.aftermath -= 1;
            return;
        }
        let ours = self.is_ours(sample);
        let saturated = self.learn(sample);
        if self.answer_drops(sample) {
            return;
        }
        let load = self.load();
        self.leave_overload(load, sample);
        match self.stage {
            Stage::Normal => self.normal(sample, load, saturated),
            Stage::Filled => self.filled(sample),
            Stage::Overload if ours => self.decide(sample),
            Stage::Overload => {}
        }
    }

    /// Whether a sample was made at the limit that is wanted. A guard or a person may hold another one; then that one is
    /// what there is to go on from.
    fn is_ours(&mut self, sample: &Sample) -> bool {
        let Some(in_force) = sample.limit else { return false };
        if in_force.floor() == self.limit.floor() {
            self.foreign = 0.0;
            return true;
        }
        self.foreign += sample.seconds;
        if self.foreign >= FOREIGN && in_force >= 1.0 {
            (self.foreign, self.limit) = (0.0, self.bounded(in_force));
        }
        false
    }

    /// Learns what can be learned in any stage. Says whether the service was saturated.
    fn learn(&mut self, sample: &Sample) -> bool {
        let gain = 1.0 - (-sample.seconds / self.memory_of_offered()).exp();
        let offered = *self.offered.get_or_insert(sample.offered());
        self.offered = Some(offered + (sample.offered() - offered) * gain);
        let fade = (-sample.seconds / PEAK_MEMORY).exp();
        self.peak = (self.peak * fade).max(sample.peak.min(2.0 * sample.in_flight() + 8.0));
        let fade = (-sample.seconds / DROPPED_MEMORY).exp();
        self.dropped = (self.dropped.0 * fade + sample.dropped, self.dropped.1 * fade + sample.ended);
        self.belief.see(sample, self.floor.latency(), self.floor.is_certain());
        let gain = 1.0 - (-sample.seconds / CROWDING_MEMORY).exp();
        self.crowding += (self.belief.crowds() - self.crowding) * gain;
        let saturated = self.is_full(sample)
            || self.is_dropping()
            || self.patience.is_exceeded(sample, self.latency_floor());
        let calm = self.stage == Stage::Normal && !saturated && !sample.is_bound();
        if calm {
            self.patience.see_calm(sample);
        } else if saturated && self.stage == Stage::Overload && sample.in_flight() > 0.7 * self.cap() {
            self.patience.see_full(sample);
        }
        self.floor.see(sample, calm);
        self.patience.see_floor(self.floor.latency());
        self.unsaturated = if saturated { 0.0 } else { self.unsaturated + sample.seconds };
        let (seconds, asked) = self.unrejected;
        self.unrejected =
            if sample.is_bound() { (0.0, 0.0) } else { (seconds + sample.seconds, asked + sample.arrived) };
        saturated
    }

    /// Seconds: shorter where many calls say soon that more are asked for than before.
    fn memory_of_offered(&self) -> f64 {
        let calls = |count: f64| count / self.capacity().max(1.0);
        calls(OFFERED_CALLS).clamp(OFFERED_SHORTEST, OFFERED_USUAL).max(calls(OFFERED_FEWEST))
    }

    /// Calls that are dropped say more than any estimate: see [`DropCeiling`].
    fn answer_drops(&mut self, sample: &Sample) -> bool {
        let floor = self.latency_floor().unwrap_or(0.0);
        let Some(verdict) = self.drops.see(self.now, sample, self.limit, floor) else { return false };
        self.set(verdict.limit, verdict.reason);
        self.stage = Stage::Overload;
        true
    }

    /// The service itself refuses calls.
    fn is_dropping(&self) -> bool {
        let many = self.dropped.0 > 3.0 && self.dropped.0 > DROPPED * self.dropped.1;
        many && !self.drops.is_futile(self.now)
    }

    fn is_full(&self, sample: &Sample) -> bool {
        sample.is_bound() && sample.in_flight() > 0.5 * self.limit
    }

    /// Offered over capacity; 0 while nothing is known.
    fn load(&self) -> f64 {
        let capacity = self.capacity();
        if capacity > 0.0 { self.offered.unwrap_or(0.0) / capacity } else { 0.0 }
    }

    /// Whether calls hardly wait.
    fn waits_little(&self, little: f64) -> bool {
        self.latency_floor().is_some_and(|floor| little < 1.2 * floor)
    }

    fn allowed(&self) -> ConcurrencyReason {
        // Before anything is believed, what was seen.
        let per_second = self.belief.capacity().unwrap_or_else(|| self.belief.pace());
        ConcurrencyReason::InTime { per_second, seconds: self.budget() }
    }
}
