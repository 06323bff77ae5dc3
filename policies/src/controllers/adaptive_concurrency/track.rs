//! In overload: is a little more, or a little less, better?
//!
//! The limit stays where it is and now and then visits a higher or a lower one for a few samples. What counts is goodput:
//! answers in time. More has to be clearly better, less must not be worse; whatever the estimates say, a limit that rejects
//! calls visits a higher one every few seconds, so no mistake can last.

mod visits;

use super::arm::Arm;
use super::law::{Law, Stage};
use super::sample::Sample;
use crate::reason::ConcurrencyReason;

/// A loss of goodput that lower latency is worth.
const WORTH: f64 = 0.025;
/// Gain that a higher limit has to show, per unit of ln(limit).
const GAIN: f64 = 0.08;
/// Goodput that is so different is different conditions.
const DIFFERENT: f64 = 0.15;
/// Late answers above the usual that show a limit to be too high.
const LATE: f64 = 0.04;
/// Samples between two visits; grows while they find nothing.
const HOLD: f64 = 5.0;
const HOLD_MOST: f64 = 12.0;
/// Mean calls in flight, as a share of the limit, below which calls are rejected in bursts only.
const IN_BURSTS: f64 = 0.65;
/// How long a lower limit that did as well is not doubted, seconds.
const PROVED: f64 = 10.0;
/// A limit that rejects visits a higher one at least this often, seconds.
const LONGEST_WITHOUT: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Above,
    Below,
}

#[derive(Debug)]
pub(super) struct Track {
    limit: f64,
    base: Arm,
    visit: Option<(Visit, Arm)>,
    /// Relative variance of the goodput of a sample.
    variance: f64,
    before: Option<f64>,
    different: i32,
    /// Samples at this limit, and how many of them are still to be skipped.
    samples: u32,
    counted: u32,
    skip: u32,
    hold: f64,
    below_next: bool,
    above_at: f64,
    grow_at: f64,
    /// A trial has shown that this limit is enough; that holds for a while.
    proved_until: f64,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            limit: 0.0,
            base: Arm::default(),
            visit: None,
            variance: 0.01,
            before: None,
            different: 0,
            samples: 0,
            counted: 0,
            skip: 0,
            hold: HOLD,
            below_next: false,
            above_at: 0.0,
            grow_at: 0.0,
            proved_until: 0.0,
        }
    }
}

impl Track {
    /// Relative standard deviation of a sample.
    pub(super) fn noise(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Below the limit that is held, to see what that does.
    pub(super) const fn is_below(&self) -> bool {
        matches!(self.visit, Some((Visit::Below, _)))
    }

    /// Above it.
    const fn is_above(&self) -> bool {
        matches!(self.visit, Some((Visit::Above, _)))
    }

    /// An overload begins: what noise to expect.
    pub(super) fn expect(&mut self, capacity: f64) {
        self.variance = 1.5 / (0.1 * capacity).max(20.0);
        self.hold = HOLD;
    }

    /// Holds this limit from now on.
    pub(super) const fn begin(&mut self, limit: f64, base: Arm) {
        self.limit = limit;
        self.base = base;
        self.visit = None;
        self.different = 0;
        self.below_next = false;
    }

    /// The limit has changed: samples of before do not count.
    pub(super) const fn restart(&mut self) {
        (self.samples, self.counted, self.skip) = (0, 0, u32::MAX);
        self.before = None;
    }

    /// Whether a sample counts: calls admitted under another limit have ended.
    fn counts(&mut self, sample: &Sample) -> bool {
        self.samples = self.samples.saturating_add(1);
        if self.skip == u32::MAX {
            self.skip = (1.0 + sample.little().min(1.0) / sample.seconds).min(9.0).ceil() as u32;
        }
        let counts = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        counts
    }

    fn learn_noise(&mut self, sample: &Sample, capacity: f64) {
        if let Some(before) = self.before.replace(sample.goodput()) {
            let jump = (sample.goodput() - before) / capacity.max(1e-9);
            // A jump of conditions is no noise: it counts for three standard deviations at most.
            let square = (jump * jump).min(2.0 * 9.0 * self.variance);
            self.variance += 0.1 * (0.5 * square - self.variance);
        }
        self.variance = self.variance.max(0.02 / (capacity * sample.seconds).max(1.0));
    }

    /// Whether conditions have changed since this limit was looked at first: several samples that are off to one side.
    fn is_different(&mut self, sample: &Sample) -> Difference {
        let arm = self.visit.map_or(self.base, |(_, arm)| arm);
        if arm.samples < 1.0 || arm.goodput <= 0.0 {
            return Difference::None;
        }
        let off = (sample.goodput().max(1e-3) / arm.goodput).ln();
        let threshold = DIFFERENT.max(3.0 * (self.variance * (1.0 + 1.0 / arm.samples)).sqrt());
        if off.abs() <= threshold {
            self.different = 0;
            return Difference::None;
        }
        let side = if off > 0.0 { 1 } else { -1 };
        self.different = if self.different.signum() == side { self.different + side } else { side };
        let sure = self.different.abs() >= 3 || (self.different.abs() >= 2 && off.abs() > 1.5 * threshold);
        if sure { Difference::Sure } else { Difference::Perhaps }
    }
}

#[derive(PartialEq, Eq)]
enum Difference {
    None,
    Perhaps,
    Sure,
}

impl Law {
    /// One sample at the limit that is held, or visited.
    pub(super) fn track(&mut self, sample: &Sample) {
        if self.track.limit.floor() != self.limit.floor() && self.track.visit.is_none() {
            self.hold_here(Arm::default());
        }
        let counts = self.track.counts(sample);
        if self.track.visit.is_none() && self.grow(sample) {
            return;
        }
        if !counts {
            return;
        }
        let capacity = self.capacity.known();
        self.track.learn_noise(sample, capacity);
        match self.track.is_different(sample) {
            Difference::Sure => return self.start_over(sample),
            Difference::Perhaps => return,
            Difference::None => {}
        }
        self.track.counted += 1;
        match &mut self.track.visit {
            None => {
                self.track.base.add(sample);
                self.maybe_visit();
            }
            Some((visit, arm)) => {
                arm.add(sample);
                match (*visit, *arm) {
                    (Visit::Above, arm) => self.judge_above(&arm),
                    (Visit::Below, arm) => self.judge_below(&arm),
                }
            }
        }
    }

    /// Holds the present limit from now on.
    pub(super) fn hold_here(&mut self, base: Arm) {
        self.track.begin(self.limit, base);
    }

    /// Calls are rejected although none waits, or only in bursts: far below the knee, so there is nothing to try out.
    fn grow(&mut self, sample: &Sample) -> bool {
        if !sample.is_bound() || self.now < self.track.grow_at {
            return false;
        }
        let lately = Arm::of(&self.recent);
        let pooled = self.track.samples >= 3 && self.recent.len() == super::law::RECENT;
        let enough = self.recent.iter().map(|sample| sample.ended).sum::<f64>() >= 30.0;
        let proved = self.now < self.track.proved_until;
        // The noisier the service, the lower latency has to be.
        let sure = lately.little() * (1.0 + self.track.noise());
        let free = pooled && enough && !proved && self.waits_little(sure) && self.floor_counts(&lately);
        let clearly = self.floor.latency().is_some_and(|floor| sure < 0.95 * floor);
        let bursts =
            pooled && lately.in_flight < IN_BURSTS * self.limit && self.patience.excess(lately.late) < 0.03;
        if !(free || bursts) {
            return false;
        }
        self.track.grow_at = self.now + self.floor.latency().unwrap_or(0.0) / 3.0;
        let factor = match () {
            () if free && clearly => 2.0,
            () if free => 1.5,
            () => 1.25,
        };
        let to = (factor * self.limit + 1.0).min(1.2 * self.cap());
        if to <= self.limit + 0.5 {
            return false;
        }
        self.track.above_at = self.now;
        self.set(to, self.headroom(sample.little()));
        self.hold_here(Arm::default());
        true
    }

    /// Conditions have changed: from the knee again, as far as it can be known.
    fn start_over(&mut self, sample: &Sample) {
        let before = self.track.visit.map_or(self.track.base, |(_, arm)| arm).goodput;
        let reason =
            ConcurrencyReason::GoodputChanged { from_per_second: before, to_per_second: sample.goodput() };
        self.capacity.is_now(self.capacity.lately());
        self.forget_rest();
        self.hold_here(Arm::default());
        self.stage = Stage::Overload;
        self.aim(self.knee(), reason);
    }
}
