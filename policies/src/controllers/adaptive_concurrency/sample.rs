//! Turns a stream of totals into samples that a decision can rest on.
//!
//! A sample is what happened between two reports, or several: below [`CALLS`] ends of calls its numbers would be chance,
//! so quiet services are looked at in longer stretches: half a second, or as long as
//! a call takes. A sample in which the limit changed says
//! nothing about either limit, so pooling starts again there.

use std::sync::Arc;

use crate::totals::Totals;
use crate::window::Window;

/// Ends of calls that a sample should hold ...
const CALLS: f64 = 20.0;
/// ... unless that takes longer than this, seconds, or than a call takes; of which this counts at most.
const LONG: f64 = 0.5;
const LONGEST: f64 = 5.0;

/// What happened in a stretch of time. Rates are calls per second, times seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) seconds: f64,
    pub(super) arrived: f64,
    pub(super) rejected: f64,
    /// Calls that ended in whatever way.
    pub(super) ended: f64,
    /// Successes, late ones too.
    pub(super) answered: f64,
    pub(super) late: f64,
    pub(super) dropped: f64,
    /// Calls that ended for a reason that is not ours: neither late nor dropped.
    pub(super) good: f64,
    pub(super) latency_sum: f64,
    /// Integral of calls in flight.
    pub(super) area: f64,
    /// Calls in flight at its end.
    pub(super) in_flight_now: f64,
    /// Their mean age.
    pub(super) age: f64,
    /// Most calls in flight.
    pub(super) peak: f64,
    /// The limit, where it was the same from start to end.
    pub(super) limit: Option<f64>,
}

impl Sample {
    pub(super) fn throughput(&self) -> f64 {
        self.ended / self.seconds
    }

    pub(super) fn goodput(&self) -> f64 {
        self.good / self.seconds
    }

    pub(super) fn offered(&self) -> f64 {
        self.arrived / self.seconds
    }

    pub(super) fn in_flight(&self) -> f64 {
        self.area / self.seconds
    }

    /// Mean latency of successes; 0 without one.
    pub(super) fn latency(&self) -> f64 {
        if self.answered > 0.0 { self.latency_sum / self.answered } else { 0.0 }
    }

    /// Latency by Little's law: what a call that starts now has to expect. Infinite while nothing ends.
    pub(super) fn little(&self) -> f64 {
        if self.ended > 0.0 { self.area / self.ended } else { f64::INFINITY }
    }

    /// Share of the successes that came too late.
    pub(super) fn late_ratio(&self) -> f64 {
        self.late / self.answered.max(1.0)
    }

    pub(super) fn drop_ratio(&self) -> f64 {
        self.dropped / self.ended.max(1.0)
    }

    /// Some call was rejected: the limit was in use.
    pub(super) fn is_bound(&self) -> bool {
        self.rejected > 0.0
    }

    fn between(earlier: &Totals, later: &Totals) -> Option<(Self, bool)> {
        let window = Window::between(earlier, later)?;
        let count = |pick: fn(&Totals) -> u64| pick(later).wrapping_sub(pick(earlier)) as f64;
        let in_flight_now = later.in_flight() as f64;
        let (late, answered) = (count(|t| t.late), window.completed as f64);
        let same = earlier.limit_in_force == later.limit_in_force;
        // What the limiter's own reflex holds is nobody's limit to learn from.
        let held = earlier.reflex.is_some() || later.reflex.is_some();
        let sample = Self {
            seconds: window.seconds,
            arrived: count(|t| t.arrived),
            rejected: window.rejected as f64,
            ended: window.throughput * window.seconds,
            answered,
            late,
            dropped: window.dropped as f64,
            good: answered - late.min(answered) + window.failed as f64,
            latency_sum: window.mean_latency.unwrap_or(0.0) * answered,
            area: window.mean_in_flight * window.seconds,
            in_flight_now,
            age: if in_flight_now > 0.0 {
                later.in_flight_age_sum().as_secs_f64() / in_flight_now
            } else {
                0.0
            },
            peak: later.in_flight_peak as f64,
            limit: (same && !held).then_some(later.limit_in_force),
        };
        Some((sample, window.stalled))
    }

    fn joined(self, later: Self) -> Self {
        Self {
            seconds: self.seconds + later.seconds,
            arrived: self.arrived + later.arrived,
            rejected: self.rejected + later.rejected,
            ended: self.ended + later.ended,
            answered: self.answered + later.answered,
            late: self.late + later.late,
            dropped: self.dropped + later.dropped,
            good: self.good + later.good,
            latency_sum: self.latency_sum + later.latency_sum,
            area: self.area + later.area,
            peak: self.peak.max(later.peak),
            ..later
        }
    }
}

/// What came of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Observed {
    /// The report is known already.
    Nothing,
    /// Not enough calls yet.
    Pooling {
        /// So far.
        calls: u64,
    },
    /// The process stood still: proves nothing.
    Stalled,
    /// A sample is complete; the time since the last one may be longer than it is.
    Complete(Sample, f64),
}

/// Pools reports into samples.
#[derive(Debug, Default)]
pub(super) struct Meter {
    newest: Option<Arc<Totals>>,
    pub(super) raw: Option<Sample>,
    pool: Option<Sample>,
    /// Seconds that went by without being part of a sample.
    skipped: f64,
}

impl Meter {
    /// Takes a report; `expected` is how many calls are known to end per second, `latency` how long they take.
    pub(super) fn observe(&mut self, totals: &Arc<Totals>, expected: f64, latency: f64) -> Observed {
        let Some(earlier) = self.newest.replace(Arc::clone(totals)) else { return Observed::Nothing };
        if earlier.at_nanos == totals.at_nanos {
            return Observed::Nothing;
        }
        let Some((sample, stalled)) = Sample::between(&earlier, totals) else {
            // The clock went back: another life, or a machine that was restored.
            self.pool = None;
            return Observed::Nothing;
        };
        if !stalled { self.raw = Some(sample); }
        if stalled {
            self.skipped += sample.seconds + self.pool.take().map_or(0.0, |pool| pool.seconds);
            return Observed::Stalled;
        }
        let pooled = match self.pool.take() {
            Some(pool) if sample.limit.is_some() && pool.limit != sample.limit => {
                self.skipped += pool.seconds;
                sample
            }
            Some(pool) => pool.joined(sample),
            None => sample,
        };
        let enough = (CALLS / expected.max(pooled.throughput()).max(1e-9)).min(latency.clamp(LONG, LONGEST));
        if pooled.seconds < 0.999 * enough {
            self.pool = Some(pooled);
            return Observed::Pooling { calls: pooled.ended as u64 };
        }
        Observed::Complete(pooled, pooled.seconds + std::mem::take(&mut self.skipped))
    }
}
