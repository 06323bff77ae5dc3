//! The law: from samples to a limit.
//!
//! It is in one of three stages. **Normal**: the limit is as high as could be answered in time, so that bursts wait instead
//! of being rejected. **Filled**: more is offered than is done; the limit stays there for as long as a burst may last.
//! **Overload**: the limit is at the knee, a little more than what keeps the service busy, and trials ([`super::track`]) find
//! out whether a little more or less does better. Every cut that matters is verified ([`super::cut`]).

mod cuts;
mod decide;
mod learn;
mod stages;

use super::arm::Arm;
use super::capacity::Capacity;
use super::curve::Curve;
use super::cut::Cut;
use super::drops::DropCeiling;
use super::floor::Floor;
use super::parameters::AdaptiveConcurrency;
use super::patience::Patience;
use super::sample::Sample;
use super::track::Track;
use crate::reason::ConcurrencyReason;

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
    pub(super) reason: ConcurrencyReason,
    pub(super) track: Track,
    pub(super) cut: Option<Cut>,
    pub(super) belief: super::belief::Belief,
    pub(super) believing: bool,
    pub(super) up_at: f64,
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
            reason: ConcurrencyReason::NoBaseline,
            track: Track::default(),
            cut: None,
            belief: super::belief::Belief::new(),
            up_at: 0.0,
            believing: std::env::var_os("OLD").is_none(),
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

    pub(super) fn can(&self) -> f64 {
        if self.believing && super::belief::envf("CAN", 1.0) > 0.5 { self.belief.capacity().unwrap_or(self.capacity.known()) } else { self.capacity.known() }
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
        (self.can() * self.budget()).max(2.0).min(self.ceiling())
    }

    pub(super) fn ceiling(&self) -> f64 {
        self.curve.ceiling().min(self.drops.ceiling())
    }

    /// A little more than what keeps the service busy, by Little's law.
    pub(super) fn knee(&self) -> f64 {
        knee(self.capacity.known(), self.floor.latency().unwrap_or(0.0)).min(self.cap())
    }

    /// Puts a limit in force, and starts over with looking at it.
    pub(super) fn set(&mut self, limit: f64, reason: ConcurrencyReason) {
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
        self.hold_here(Arm::default());
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
        self.leave_overload(load);
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
            Stage::Overload if self.believing => {}
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
            self.hold_here(Arm::default());
        }
        false
    }

    /// Offered over capacity; 0 while the latter is not known.
    fn load(&self) -> f64 {
        let capacity = self.can();
        if capacity > 0.0 { self.offered.unwrap_or(0.0) / capacity } else { 0.0 }
    }

    /// Whether calls hardly wait.
    pub(super) fn waits_little(&self, little: f64) -> bool {
        self.floor.latency().is_some_and(|floor| little < 1.2 * floor)
    }

    pub(super) fn headroom(&self, little: f64) -> ConcurrencyReason {
        ConcurrencyReason::Headroom { gradient: little / self.floor.latency().unwrap_or(little) }
    }

    pub(super) fn allowed(&self) -> ConcurrencyReason {
        ConcurrencyReason::InTime { per_second: self.expected(), seconds: self.budget() }
    }

    pub(super) fn at_knee(&self) -> ConcurrencyReason {
        let floor_seconds = self.floor.latency().unwrap_or(0.0);
        ConcurrencyReason::Knee { per_second: self.capacity.known(), floor_seconds }
    }
}

fn knee(capacity: f64, floor: f64) -> f64 {
    let busy = capacity * floor;
    (KNEE * busy + KNEE_SPREAD * busy.sqrt()).max(2.0)
}
