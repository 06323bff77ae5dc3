//! Concurrency limiters: how many calls may be in flight at once, and what became of them.
//!
//! On the request path there are three things: the limit (read), the places that are taken (one compare-and-swap, or none
//! where the limit is large: `places`), and the counters (a shard per thread). Everything else is worked out by the session's
//! thread from the counters.
//!
//! The words that a permit points to live as long as the process: handles are plain copies and a permit holds a plain
//! reference, where counting references would cost as much as the admission itself. Their number is bounded.

mod builder;
mod counters;
mod gauge;
mod histogram;
mod limits;
mod path;
mod places;
mod pulse;
mod seat;
mod shard;
mod slices;
mod waiters;

use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;
use std::time::Duration;

use setpoint_policies::knob::Knob;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;
use setpoint_proto::message::Why;

use crate::actuator::{Actuator, Inner};
use crate::breaker::{self, Breaker};
use crate::clock::{Clock, nanos};
use crate::declare::Declaration;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{Advice, RejectReason, Rejected};
use crate::slot::Slot;
use crate::sync::{AtomicU64, Ordering, locked};
use builder::{Asked, declaration};
use places::Places;
use pulse::Sampling;
use slices::Slices;
use waiters::Waiters;

pub use builder::LimiterBuilder;
pub(crate) use path::Place;

/// A concurrency limiter, knob `limit.NAME`. Copies are the same limiter, which lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct Limiter(&'static Core);

/// What a limiter consists of. The parts that are written on the request path have cache lines of their own.
#[derive(Debug)]
pub(crate) struct Core {
    places: Places,
    waiters: Waiters,
    breaker: &'static breaker::Core,
    clock: Clock,
    sampling: Sampling,
    slot: Slot,
    slices: Mutex<Slices>,
    /// What rejected callers are told, as [`Advice::words`]. A mix of an older and a newer one is as good.
    advice: [AtomicU64; 2],
}

/// The advice to rejected callers while no call has ended yet.
const FIRST_ADVICE: Duration = Duration::from_millis(100);

impl Limiter {
    /// Admits a call or rejects it at once. It never waits, locks or allocates.
    ///
    /// Two readings of the clock and about as much again, 1.4 times them in all where the limit is large; a rejection costs
    /// less than one reading. See [the table](crate#what-does-it-cost).
    ///
    /// # Errors
    /// [`Rejected`]: the limit is reached, or the breaker of the same name is not closed.
    #[inline(always)]
    pub fn try_acquire(&self, priority: Priority) -> Result<Permit, Rejected> {
        self.try_acquire_many(priority, 1)
    }

    /// The same for a call that is as heavy as several: it takes so many places (0 counts as 1) until it ends, and is counted
    /// as one call. One that is heavier than the limit takes all of it: it runs alone, rather than never.
    ///
    /// # Errors
    /// [`Rejected`]: there are not enough places, or the breaker of the same name is not closed.
    #[inline(always)]
    pub fn try_acquire_many(&self, priority: Priority, places: u32) -> Result<Permit, Rejected> {
        let core = self.0;
        let Some(class) = priority.class() else {
            return Ok(Permit::exempt());
        };
        let pass = match core.breaker.admit() {
            Ok(pass) => pass,
            Err(retry_after) => {
                core.shut(class);
                return Err(core.breaker.rejected(retry_after));
            }
        };
        match core.admit(class, places.max(1)) {
            Some(place) => Ok(Permit::new(Some(core), core.breaker, pass, place)),
            None => Err(Rejected {
                limit: core.slot.knob().name.as_str(),
                reason: RejectReason::ConcurrencyLimit,
                retry_after: core.full(class, pass),
            }),
        }
    }

    /// The limit in force. What is admitted is this rounded down, but at least 1 call unless the limit is below 1.
    pub fn limit(&self) -> f64 {
        self.0.places.limits().limit()
    }

    /// Places that calls in flight take now: one each, but for those of [`Limiter::try_acquire_many`].
    pub fn in_flight(&self) -> u64 {
        self.0.places.in_flight()
    }

    /// How many successes took how long, since the start: the shortest latency of each bucket and the count.
    pub fn latency_counts(&self) -> Vec<(Duration, u64)> {
        (0..).map(histogram::floor).zip(self.0.places.reader().histogram()).collect()
    }

    /// The breaker that this limiter asks.
    pub fn breaker(&self) -> Breaker {
        Breaker::of(self.0.breaker)
    }

    /// Holds the limit at a value (within the bounds), whatever is pushed, until [`Limiter::unpin`]. Returns the limit now
    /// in force; what is not a number changes nothing.
    pub fn pin(&self, limit: f64) -> f64 {
        if let Err(problem) = self.0.slot.pin(Some(Value::Concurrency(limit)), |value| self.0.put(value)) {
            tracing::error!(knob = %self.0.slot.knob().name, problem, "pin refused");
        }
        self.limit()
    }

    /// Gives the limit back to what is pushed.
    pub fn unpin(&self) {
        // To let go is never refused.
        let _ = self.0.slot.pin(None, |value| self.0.put(value));
    }

    /// A limiter that lives for ever, like the handles and permits that point to it.
    fn leak(inner: &Inner, knob: Knob, breaker: Breaker, asked: &Asked) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Box::leak(Box::new(Core {
            places: Places::new(cores, knob.baseline, asked.shares),
            waiters: Waiters::default(),
            breaker: breaker.core(),
            clock: inner.clock.clone(),
            sampling: Sampling::new(asked.clock_every, knob.deadline.map_or(u64::MAX, nanos)),
            slot: Slot::new(knob),
            slices: Mutex::default(),
            advice: Advice::every(nanos(FIRST_ADVICE)).words().map(AtomicU64::new),
        })))
    }

    /// A limiter outside of the registry that admits everything.
    pub(crate) fn open(inner: &Inner) -> Self {
        let breaker = Breaker::leak(inner, Declaration::breaker("unregistered").checked());
        let knob = declaration("unregistered").checked();
        let limiter = Self::leak(inner, knob, breaker, &Asked::default());
        breaker.enforce(false);
        limiter.enforce(false);
        limiter
    }
}

impl Actuator for Limiter {
    fn knob(&self) -> Arc<Knob> {
        self.0.slot.knob().clone()
    }

    fn apply(&self, value: &Value, _why: &Why) -> Result<Value, String> {
        self.0.slot.push(value, |value| self.0.put(value))?;
        Ok(self.in_force())
    }

    fn in_force(&self) -> Value {
        Value::Concurrency(self.limit())
    }

    fn pinned(&self) -> Option<Value> {
        self.0.slot.pinned()
    }

    fn enforce(&self, on: bool) {
        self.0.slot.enforce(on, |value| self.0.put(value));
    }

    fn totals(&self, at_nanos: u64, stall_nanos: u64) -> Option<Totals> {
        let core = self.0;
        let (released, admitted) = core.places.reader().snapshot();
        Some(Totals {
            at_nanos,
            stall_nanos,
            arrived: admitted.rejected.iter().fold(admitted.admitted, |sum, n| sum.wrapping_add(*n)),
            admitted: admitted.admitted,
            completed: released.completed,
            dropped: released.dropped,
            failed: released.failed,
            cancelled: released.cancelled,
            rejected: admitted.rejected,
            late: released.late,
            admit_time_sum: admitted.admit_time_sum,
            release_time_sum: released.release_time_sum,
            latency_sum: released.latency_sum,
            success_latency_sum: released.success_latency_sum,
            success_latency_sq_sum: released.success_latency_sq_sum,
            in_flight_peak: core.places.take_peak(),
            consecutive_failures: core.breaker.failures_in_a_row(),
            limit_in_force: core.places.limits().limit(),
            limited: core.places.gauge().take_limited(),
            slices: locked(&core.slices).newest(),
        })
    }

    fn close_slice(&self, at_nanos: u64) {
        self.0.sampling.close_slice();
        self.0.places.close_slice();
        let released = self.0.places.reader().released();
        if let Some(place_every) = locked(&self.0.slices).close(at_nanos, released) {
            let advice = Advice::every(nanos(place_every)).words();
            self.0.advice.iter().zip(advice).for_each(|(word, new)| word.store(new, Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests;
