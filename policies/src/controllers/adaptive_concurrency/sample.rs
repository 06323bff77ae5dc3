//! What happened between two reports.
//!
//! However short: a sample with few calls is not pooled with others until it says something, it just says little.

use crate::totals::Totals;
use crate::window::Window;

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

    /// Calls that ended and were not dropped: what a service refuses, it has not done.
    pub(super) fn served(&self) -> f64 {
        self.ended - self.dropped
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

    /// What happened from one report to another, and whether the process stood still; `None` when its clock went back.
    pub(super) fn between(earlier: &Totals, later: &Totals) -> Option<(Self, bool)> {
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
}
