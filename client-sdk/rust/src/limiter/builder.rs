//! Declaring a limiter.

use std::time::Duration;

use setpoint_policies::knob::Kind;
use setpoint_policies::totals::PRIORITIES;

use super::Limiter;
use crate::actuator::{Entry, Inner};
use crate::breaker::Breaker;
use crate::declare::Declaration;
use crate::priority::Priority;

/// What a builder was told beside the knob.
pub(super) struct Asked {
    pub shares: [f64; PRIORITIES],
    pub clock_every: u32,
    /// Callers that may wait.
    pub queue: usize,
    /// Refuse calls that could only end too late.
    pub refuse_hopeless: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Self { shares: Priority::DEFAULT_SHARES, clock_every: 1, queue: 0, refuse_hopeless: false }
    }
}

const LONGEST_QUEUE: u32 = 100_000;

/// A limit of 4 to 2000 calls with a baseline of 50, unless told otherwise.
pub(super) fn declaration(name: &str) -> Declaration {
    Declaration::new("limit", name, Kind::ConcurrencyLimit, (4.0, 2000.0), 50.0)
}

/// Declares a limiter. See [`crate::Setpoint::limiter`].
#[must_use = "nothing happens before `register`"]
pub struct LimiterBuilder<'a> {
    inner: &'a Inner,
    name: String,
    knob: Declaration,
    asked: Asked,
}

impl<'a> LimiterBuilder<'a> {
    pub(crate) fn new(inner: &'a Inner, name: &str) -> Self {
        Self { inner, name: name.to_owned(), knob: declaration(name), asked: Asked::default() }
    }

    /// Hard bounds, in calls, which no push can leave. Default 4 to 2000. A lowest limit below 1 allows all calls to be
    /// rejected.
    pub fn bounds(mut self, lowest: u32, highest: u32) -> Self {
        self.knob.bounds = (f64::from(lowest), f64::from(highest));
        self
    }

    /// The limit in force without a sidecar, in calls. Default 50.
    pub fn baseline(mut self, limit: u32) -> Self {
        self.knob.baseline = Some(f64::from(limit));
        self
    }

    /// The share of the limit, 0 to 1, that calls of a priority may fill. Default [`Priority::DEFAULT_SHARES`].
    pub fn share(mut self, priority: Priority, share: f64) -> Self {
        if let Some(class) = priority.class() {
            self.asked.shares[class] = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        }
        self
    }

    /// How long callers wait: a success that takes longer counts as late, and the sidecar's policies are told. Default: none
    /// is known.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.knob.deadline = Some(deadline);
        self
    }

    /// Looks at the clock for one call in so many only, drawn by lot, on threads with more than about a thousand calls per
    /// second; 8 makes a permit of a large limit cost half of one that is always timed, 16 a third. Default 1 (0 is the same): every
    /// call is timed.
    ///
    /// Calls are still counted one by one. Latencies (mean, spread, percentiles, late ones) come from the calls that are
    /// timed, each standing for those up to the next; the calls in flight, from times estimated between readings. All are
    /// right in the mean, and as certain as so many times fewer calls make them. A call that is slow by itself has a chance
    /// of one in so many to be seen in the histogram.
    pub fn sample_clocks(mut self, one_in: u32) -> Self {
        self.asked.clock_every = one_in;
        self
    }

    /// Lets so many callers of [`Limiter::acquire`] wait for a place (100,000 at most), for bursts that are shorter than a
    /// service time or two; a queue that stands is cut short by itself. Default 0: nobody waits.
    pub fn queue(mut self, waiting: u32) -> Self {
        self.asked.queue = waiting.min(LONGEST_QUEUE) as usize;
        self
    }

    /// Refuses calls of [`Limiter::try_acquire_by`] and [`Limiter::acquire_by`] that have less time left than a call takes here
    /// without a queue: they could only end too late. One in 16 of them is let through all the same, so that an estimate that
    /// is too high corrects itself. Default: off; only calls whose deadline is over are refused.
    pub fn refuse_hopeless(mut self) -> Self {
        self.asked.refuse_hopeless = true;
        self
    }

    /// The largest relative increase by one push (0.5 is half as much again; 0, the default, any), and the shortest time
    /// between two. A decrease is never held back.
    pub fn pace(mut self, max_change_ratio: f64, min_dwell: Duration) -> Self {
        (self.knob.max_change_ratio, self.knob.min_dwell) = (max_change_ratio, min_dwell);
        self
    }

    /// Registers the limiter and its breaker, or finds the limiter of that name as it was registered first.
    pub fn register(self) -> Limiter {
        let Self { inner, name, knob, asked } = self;
        let breaker = Breaker::registered(inner, &name);
        let registered_as = knob.name().clone();
        let make = || Entry::Limiter(Limiter::leak(inner, knob.checked(), breaker, &asked));
        match inner.registry.register(&registered_as, make) {
            Some(Entry::Limiter(limiter)) => {
                limiter.0.breaker.limited();
                limiter
            }
            _ => inner.open(&registered_as).limiter,
        }
    }
}
