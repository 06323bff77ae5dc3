//! Which limit: the one at which most answers in time are to be expected.
//!
//! Expected over everything that may be true, each in proportion to its probability. So a limit that one hypothesis wants and
//! another forbids is weighed by what it would gain and cost, and a limit that is too low for a likely enough hypothesis is
//! raised, which then shows whether that was right: nothing can hold a wrong limit for long. Of limits that promise nearly the
//! same the lowest is taken, for its latency.

use super::Law;
use crate::controllers::adaptive_concurrency::belief::Likely;
use crate::controllers::adaptive_concurrency::sample::Sample;
use crate::reason::ConcurrencyReason;

/// Goodput that lower latency is worth; more where nobody knows how long a call takes that does not wait, and its owner has not
/// asked for some latency: a lower limit shows it.
const WORTH: f64 = 0.015;
const WORTH_UNCERTAIN: f64 = 0.05;
/// Limits are compared from an eighth to four times of the present one, in these steps.
const STEP: f64 = 1.15;
const LOWEST: f64 = 8.0;
const HIGHEST: f64 = 4.0;
/// A limit that promises nearly the most is kept, unless one as much lower as this does too.
const LOWER: f64 = 0.75;
/// The limit grows at most by this factor ...
const GROWTH: f64 = 2.0;
/// ... and not again before calls have had the time to answer, at most so many seconds.
const PATIENCE: f64 = 3.0;
/// Probability with which a full limit must be answered in time without overload.
const SAFE: f64 = 0.6;
/// Limit that is always safe where no deadline is known.
const FEW_WAIT: f64 = 12.0;
/// What is left of the limit after one report, at least.
const MOST_AT_ONCE: f64 = 0.6;
/// Without overload, a service is kept from getting less done because it is crowded where that is as certain as this (pauses look
/// like it, for a moment), and only from so many calls on: then a full limit still gets this share of the most done.
const CERTAINLY: f64 = 0.95;
const CROWD: f64 = 16.0;
const UNCROWDED: f64 = 0.85;
/// A full limit promises less than this share of what a lower one does.
const CROWDED: f64 = 0.9;

/// What a limit promises.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Promise {
    limit: f64,
    /// Answers in time per second.
    goodput: f64,
}

impl Law {
    /// Sets the limit of an overload.
    pub(super) fn decide(&mut self, sample: &Sample) {
        let likely = self.likely();
        let calls = self.belief.fullness();
        let learns = !self.floor.is_certain() && self.asked_for() == 0.0;
        let worth = if learns { WORTH_UNCERTAIN } else { WORTH };
        let offered = self.offered.unwrap_or(0.0).max(0.5 * sample.offered());
        let promise = |limit: f64| Promise { limit, goodput: likely.goodput(calls * limit, offered) };
        let mut limit = (self.limit / LOWEST).max(self.spec.min.max(1.0));
        let highest = (self.limit * HIGHEST).max(16.0).min(self.spec.max).min(self.drops.ceiling() + 1.0);
        let mut promises = Vec::new();
        while limit < highest {
            promises.push(promise(limit));
            limit = (limit * STEP).max(limit + 1.0);
        }
        let most = promises.iter().map(|promise| promise.goodput).fold(0.0, f64::max);
        let Some(best) = promises.iter().find(|promise| promise.goodput >= (1.0 - worth) * most) else {
            return;
        };
        let here = promise(self.limit).goodput >= (1.0 - 1.5 * worth) * most;
        if !(here && best.limit > LOWER * self.limit) {
            self.move_to(*best, sample);
        }
    }

    /// Whether the service gets less done because the limit is full.
    pub(super) fn is_crowded(&self, sample: &Sample) -> bool {
        if !self.is_full(sample) || self.belief.capacity().is_none() {
            return false;
        }
        let likely = self.likely();
        let offered = self.offered.unwrap_or(0.0);
        is_past_best(self.limit, CROWDED, |calls| likely.goodput(calls, offered))
    }

    fn move_to(&mut self, best: Promise, sample: &Sample) {
        let mut limit = best.limit;
        if limit > self.limit {
            let Some(step) = self.next_step(limit, sample) else { return };
            limit = step;
        }
        let reason = ConcurrencyReason::MostInTime {
            per_second: best.goodput,
            capacity: self.capacity(),
            offered: self.offered.unwrap_or(0.0),
        };
        self.set(limit, reason);
    }

    /// How full the limit is when it rejects. Where calls come in bursts, most that are let in find it half full; but without a
    /// deadline nobody knows how late the last one may be.
    pub(super) fn fullness(&self) -> f64 {
        if self.patience.deadline().is_some() { self.belief.fullness() } else { 1.0 }
    }

    /// One step towards a higher limit; `None` while calls at the last one have not had the time to answer.
    pub(super) fn next_step(&mut self, goal: f64, sample: &Sample) -> Option<f64> {
        if self.now < self.raised_at + sample.little().min(PATIENCE) {
            return None;
        }
        self.raised_at = self.now;
        Some(goal.min(GROWTH * self.limit + 1.0))
    }

    fn likely(&self) -> Likely {
        self.belief.likely(|floor| self.patience.in_time(floor, self.asked_for()))
    }

    /// Without overload the limit is generous, but what it lets in must be answered in time, most probably. So a sudden
    /// loss of capacity finds a short queue. In one report it falls by a part only: one that is odd is no loss of capacity.
    pub(super) fn safe(&self) -> f64 {
        if self.belief.capacity().is_none() {
            return f64::INFINITY;
        }
        let likely = self.likely();
        // Where a single call would be too late, a lower limit helps nobody.
        let enough = SAFE * likely.in_time(1.0);
        let fullness = self.fullness();
        let mut limit = HIGHEST * self.limit;
        let crowds = self.crowding > CERTAINLY;
        let too_many = |limit: f64| {
            likely.in_time(fullness * limit) < enough
                || (crowds
                    && limit > CROWD
                    && is_past_best(fullness * limit, UNCROWDED, |calls| f64::from(likely.throughput(calls))))
        };
        while limit > MOST_AT_ONCE * self.limit && too_many(limit) {
            limit *= 0.85;
        }
        // Without a deadline nobody knows what is in time: a few calls may always wait.
        limit.max(if self.patience.deadline().is_some() { 0.0 } else { FEW_WAIT })
    }
}

/// Whether fewer calls at once would get so much more done that these get less than `share` of it.
fn is_past_best(calls: f64, share: f64, done: impl Fn(f64) -> f64) -> bool {
    let here = done(calls);
    [0.7, 0.5, 0.35, 0.25].iter().any(|fewer| here < share * done(fewer * calls))
}
