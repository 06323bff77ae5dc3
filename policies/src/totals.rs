//! The counters of one limiter, as the SDK reports them: wrapping totals since process start.
//!
//! Totals, not increments: a lost, repeated or reordered report changes nothing, because the reader takes the difference
//! between any two of them (see [`crate::window`]). All times are nanoseconds on the SDK's own monotonic clock, so no
//! clock has to be shared.

use std::sync::Arc;
use std::time::Duration;

use crate::probes::Probed;
use crate::reflex::Cause;

/// Number of priority classes, highest first: critical, high, normal, low, background.
pub const PRIORITIES: usize = 5;

/// The unit of [`Totals::success_latency_sq_sum`]: (64 us)^2, so that squares of seconds still fit.
pub const SQUARE_UNIT_NANOS: u64 = 64_000;

/// What one limiter has seen since its process started. Every counter wraps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// When the counters were read, on the SDK's clock.
    pub at_nanos: u64,
    /// The SDK's own stalls (timers that fired over 100 ms late), nanoseconds.
    pub stall_nanos: u64,
    /// Calls that asked for a permit.
    pub arrived: u64,
    /// Calls admitted.
    pub admitted: u64,
    /// Calls that ended in success.
    pub completed: u64,
    /// Calls that ended in overload: time-out, 429, 503, RESOURCE_EXHAUSTED.
    pub dropped: u64,
    /// Calls that ended in another failure: no input for a limit, but for a breaker.
    pub failed: u64,
    /// Calls whose caller went away, or whose result says nothing.
    pub cancelled: u64,
    /// Calls rejected, by priority.
    pub rejected: [u64; PRIORITIES],
    /// Successes that were answered after their deadline.
    pub late: u64,
    /// Sum of admission times of admitted calls, nanoseconds.
    pub admit_time_sum: u64,
    /// Sum of release times of released calls, nanoseconds.
    pub release_time_sum: u64,
    /// Sum of latencies of all releases, nanoseconds.
    pub latency_sum: u64,
    /// Sum of latencies of successes, nanoseconds.
    pub success_latency_sum: u64,
    /// Sum of squared latencies of successes, in units of (64 us)^2.
    pub success_latency_sq_sum: u64,
    /// Most calls in flight at once since the previous report.
    pub in_flight_peak: u64,
    /// Hard failures in a row, now.
    pub consecutive_failures: u64,
    /// The limit in force, as read back.
    pub limit_in_force: f64,
    /// Whether the limit was reached since the previous report.
    pub limited: bool,
    /// Times that the limiter's own reflex cut the limit.
    pub reflexes: u64,
    /// What the reflex holds the limit down for now, if it does; `limit_in_force` is then below what was asked for.
    pub reflex: Option<Cause>,
    /// Calls that waited for a place and were admitted or refused since; those whose caller went away do not count.
    pub queue_waits: u64,
    /// Sum of their waits, nanoseconds.
    pub queue_wait_sum: u64,
    /// Calls that wait for a place now.
    pub waiting: u64,
    /// Calls that took longer than each latency that a policy watches.
    pub slow: Vec<SlowCalls>,
    /// The probes of the round that the breaker of the same name is in, if it was pushed.
    pub probed: Option<Probed>,
    /// How much longer the callee has asked to be left alone (Retry-After).
    pub retry_after: Option<Duration>,
}

/// Calls that took longer than a watched latency: an exact count, where a histogram would know it to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowCalls {
    /// The watched latency.
    pub after: Duration,
    /// Calls that ended (completed, dropped or failed) later than that, since it is watched. Wraps.
    pub calls: u64,
}

/// A latency that some policy watches: calls that take longer are to be counted, as [`SlowCalls`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// Of the limiters of this resource, such as `db` of `limit.db`.
    pub resource: Arc<str>,
    /// The latency.
    pub after: Duration,
}

/// Most latencies that are watched of one limiter.
pub const MOST_WATCHED: usize = 4;

impl Totals {
    /// Calls that took longer than `after`; `None` unless the process watches just that latency.
    pub fn slow_calls(&self, after: Duration) -> Option<u64> {
        self.slow.iter().find(|slow| slow.after == after).map(|slow| slow.calls)
    }

    /// Calls released in whatever way.
    pub fn released(&self) -> u64 {
        self.completed.wrapping_add(self.dropped).wrapping_add(self.failed).wrapping_add(self.cancelled)
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> u64 {
        self.admitted.wrapping_sub(self.released())
    }

    /// Sum of the ages of the calls now in flight: hung calls show before they end, at no cost on the request path.
    pub fn in_flight_age_sum(&self) -> Duration {
        // Sum of admission times of the calls in flight = all admission times - those of released calls, which are
        // (release time - latency).
        let released_admit_sum = self.release_time_sum.wrapping_sub(self.latency_sum);
        let in_flight_admit_sum = self.admit_time_sum.wrapping_sub(released_admit_sum);
        let age = self.in_flight().wrapping_mul(self.at_nanos).wrapping_sub(in_flight_admit_sum);
        // A read between two counters of one call can be off by that call's time in either direction.
        Duration::from_nanos(u64::try_from(age.cast_signed()).unwrap_or(0))
    }
}
