//! Concurrency limiters: how many calls may be in flight at once, and what became of them.
//!
//! On the request path there are three things: the limit (read), the calls in flight (one compare-and-swap), and the
//! counters (a shard per thread). Everything else is worked out by the session's thread from the counters.
//!
//! The words that a permit points to live as long as the process: handles are plain copies and a permit holds a plain
//! reference, where counting references would cost as much as the admission itself. Their number is bounded.

mod builder;
mod counters;
mod gauge;
mod histogram;
mod limits;
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
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{RejectReason, Rejected, retry_after};
use crate::slot::Slot;
use crate::sync::{AtomicU64, Ordering, Padded, locked};
use builder::{Asked, declaration};
use counters::{Counters, Release};
use gauge::Gauge;
use limits::Limits;
use slices::Slices;
use waiters::Waiters;

pub use builder::LimiterBuilder;

/// A concurrency limiter, knob `limit.NAME`. Copies are the same limiter, which lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct Limiter(&'static Core);

/// What a limiter consists of. The parts that are written on the request path have cache lines of their own.
#[derive(Debug)]
pub(crate) struct Core {
    limits: Padded<Limits>,
    gauge: Padded<Gauge>,
    counters: Counters,
    waiters: Waiters,
    breaker: &'static breaker::Core,
    clock: Clock,
    /// A success that takes longer is late, nanoseconds.
    deadline: u64,
    slot: Slot,
    slices: Mutex<Slices>,
    /// How often a place becomes free, as a period in nanoseconds.
    place_every: AtomicU64,
}

/// The advice to rejected callers while no call has ended yet.
const FIRST_ADVICE: Duration = Duration::from_millis(100);

impl Limiter {
    /// Admits a call or rejects it at once. It never waits, locks or allocates.
    ///
    /// # Errors
    /// [`Rejected`]: the limit is reached, or the breaker of the same name is not closed.
    #[inline]
    pub fn try_acquire(&self, priority: Priority) -> Result<Permit, Rejected> {
        let core = self.0;
        let Some(class) = priority.class() else {
            return Ok(Permit::exempt());
        };
        let pass = core.breaker.admit().inspect_err(|_| _ = core.counters.reject(class))?;
        if !core.gauge.try_enter(core.limits.cap(class)) {
            core.breaker.give_back(pass);
            return Err(core.full(class));
        }
        let now = core.clock.now();
        core.counters.admit(now);
        Ok(Permit::new(Some(core), core.breaker, pass, now))
    }

    /// The limit in force. What is admitted is this rounded down, but at least 1 call unless the limit is below 1.
    pub fn limit(&self) -> f64 {
        self.0.limits.limit()
    }

    /// Calls in flight now.
    pub fn in_flight(&self) -> u64 {
        self.0.gauge.in_flight()
    }

    /// How many successes took how long, since the start: the shortest latency of each bucket and the count.
    pub fn latency_counts(&self) -> Vec<(Duration, u64)> {
        (0..).map(histogram::floor).zip(self.0.counters.histogram()).collect()
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
            limits: Padded(Limits::new(knob.baseline, asked.shares)),
            gauge: Padded::default(),
            counters: Counters::new(cores),
            waiters: Waiters::default(),
            breaker: breaker.core(),
            clock: inner.clock.clone(),
            deadline: asked.deadline.map_or(u64::MAX, nanos),
            slot: Slot::new(knob),
            slices: Mutex::default(),
            place_every: AtomicU64::new(nanos(FIRST_ADVICE)),
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

impl Core {
    /// Counts the end of a call and frees its place. Returns the time.
    #[inline]
    pub fn release(&self, admitted_at: u64, outcome: Outcome) -> u64 {
        // Another core's counter can be a little behind.
        let at = self.clock.now().max(admitted_at);
        self.counters.release(Release { outcome, admitted_at, at, deadline: self.deadline });
        self.gauge.leave();
        if self.limits.awaited() {
            self.waiters.wake();
        }
        at
    }

    /// Says that one more caller waits for a place; see [`waiters`]. It must try once more before it sleeps.
    #[allow(dead_code, reason = "for the queue")]
    pub fn begin_wait(&self) {
        self.limits.begin_wait();
        self.gauge.synchronize();
    }

    /// Takes one [`Core::begin_wait`] back.
    #[allow(dead_code, reason = "for the queue")]
    pub fn end_wait(&self) {
        self.limits.end_wait();
    }

    /// Who is told when a place becomes free.
    #[allow(dead_code, reason = "for the queue")]
    pub const fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    #[cold]
    fn full(&'static self, class: usize) -> Rejected {
        let lot = self.counters.reject(class);
        Rejected {
            limit: self.slot.knob().name.as_str(),
            reason: RejectReason::ConcurrencyLimit,
            retry_after: retry_after(self.place_every.load(Ordering::Relaxed), lot),
        }
    }

    fn put(&self, value: Option<Value>) {
        match value {
            Some(value) => self.limits.set(value.scalar()),
            None => self.limits.open(self.slot.knob().baseline),
        }
        if self.limits.awaited() {
            self.waiters.wake();
        }
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
        let (released, admitted) = core.counters.snapshot();
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
            in_flight_peak: core.gauge.take_peak(),
            consecutive_failures: core.breaker.failures_in_a_row(),
            limit_in_force: core.limits.limit(),
            limited: core.gauge.take_limited(),
            slices: locked(&core.slices).newest(),
        })
    }

    fn close_slice(&self, at_nanos: u64) {
        let released = self.0.counters.released();
        if let Some(place_every) = locked(&self.0.slices).close(at_nanos, released) {
            self.0.place_every.store(nanos(place_every), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
