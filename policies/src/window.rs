//! What happened between two reports of the same limiter.
//!
//! Everything is a difference of wrapping totals, so a lost report only makes a window longer. Mean in-flight comes from
//! the exact integral of calls over time; sampling it per tick was seen to make the estimator believe in shifts of the
//! latency floor that never happened.

use crate::totals::{PRIORITIES, SQUARE_UNIT_NANOS, Totals};

/// Counts and means of one window. Times are seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Its length on the SDK's clock.
    pub seconds: f64,
    /// Successes.
    pub completed: u64,
    /// Calls that ended in overload.
    pub dropped: u64,
    /// Calls that ended in another failure.
    pub failed: u64,
    /// Calls rejected, all priorities.
    pub rejected: u64,
    /// Mean latency of successes; `None` without any.
    pub mean_latency: Option<f64>,
    /// Squared coefficient of variation of the latency of successes.
    pub cv2: f64,
    /// Releases of any kind per second.
    pub throughput: f64,
    /// Exact mean of calls in flight.
    pub mean_in_flight: f64,
    /// Whether the SDK was stalled in it: it proves nothing then.
    pub stalled: bool,
}

impl Window {
    /// The window from `earlier` to `later`; `None` when no time passed between them.
    pub fn between(earlier: &Totals, later: &Totals) -> Option<Self> {
        let nanos = later.at_nanos.checked_sub(earlier.at_nanos).filter(|nanos| *nanos > 0)?;
        let seconds = nanos as f64 / 1e9;
        let count = |pick: fn(&Totals) -> u64| pick(later).wrapping_sub(pick(earlier));
        let released = later.released().wrapping_sub(earlier.released());
        let completed = count(|t| t.completed);
        let mean_latency =
            (completed > 0).then(|| count(|t| t.success_latency_sum) as f64 / completed as f64 / 1e9);
        Some(Self {
            seconds,
            completed,
            dropped: count(|t| t.dropped),
            failed: count(|t| t.failed),
            rejected: rejected(earlier, later),
            mean_latency,
            cv2: mean_latency.map_or(0.0, |mean| cv2(count(|t| t.success_latency_sq_sum), completed, mean)),
            throughput: released as f64 / seconds,
            mean_in_flight: mean_in_flight(earlier, later, nanos),
            stalled: count(|t| t.stall_nanos) > 0,
        })
    }

    /// Share of releases that ended in overload.
    pub fn drop_ratio(&self) -> f64 {
        self.dropped as f64 / self.completed.saturating_add(self.dropped).max(1) as f64
    }

    /// How far the window is from steady state: |ln(X R / I)|, 0 by Little's law when arrivals and departures balance.
    pub fn imbalance(&self) -> Option<f64> {
        let balance = self.throughput * self.mean_latency? / self.mean_in_flight;
        (balance.is_finite() && balance > 0.0).then(|| balance.ln().abs())
    }
}

fn rejected(earlier: &Totals, later: &Totals) -> u64 {
    let by_priority = (0..PRIORITIES).map(|p| later.rejected[p].wrapping_sub(earlier.rejected[p]));
    by_priority.fold(0, u64::saturating_add)
}

fn cv2(square_sum: u64, completed: u64, mean: f64) -> f64 {
    let unit = SQUARE_UNIT_NANOS as f64 / 1e9;
    let mean_square = square_sum as f64 / completed as f64 * unit * unit;
    (mean_square / (mean * mean) - 1.0).max(0.0)
}

/// integral(t1..t2) of in-flight = I(t1)(t2-t1) + (t2 dA - dSA) - (t2 dN - dSC), divided by the length.
fn mean_in_flight(earlier: &Totals, later: &Totals, nanos: u64) -> f64 {
    let t2 = later.at_nanos;
    let area = |count: u64, time_sum: u64| t2.wrapping_mul(count).wrapping_sub(time_sum).cast_signed() as f64;
    let admitted = later.admitted.wrapping_sub(earlier.admitted);
    let released = later.released().wrapping_sub(earlier.released());
    let came = area(admitted, later.admit_time_sum.wrapping_sub(earlier.admit_time_sum));
    let went = area(released, later.release_time_sum.wrapping_sub(earlier.release_time_sum));
    let stood = earlier.in_flight() as f64 * nanos as f64;
    ((stood + came - went) / nanos as f64).max(0.0)
}

#[cfg(test)]
mod tests;
