//! Concurrency limiters: how many calls may be in flight at once, and what became of them.
//!
//! On the request path there are three things: the limit (read), the places that are taken (one compare-and-swap, or none
//! where the limit is large: `places`), and the counters (a shard per thread). Everything else is worked out by the session's
//! thread from the counters.
//!
//! The words that a permit points to live as long as the process: handles are plain copies and a permit holds a plain
//! reference, where counting references would cost as much as the admission itself. Their number is bounded.

mod acquire;
mod builder;
mod counters;
mod gauge;
mod histogram;
mod limits;
mod places;
mod pulse;
mod queue;
mod seat;
mod shard;
mod slices;
mod steering;

use std::sync::Mutex;
use std::thread::available_parallelism;
use std::time::Duration;

use setpoint_policies::admission::{Admission, Shares};
use setpoint_policies::knob::Knob;
pub use setpoint_policies::reflex::Cause as ReflexCause;
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Inner};
use crate::breaker::{self, Breaker, Pass};
use crate::clock::{Clock, nanos};
use crate::declare::Declaration;
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{RejectReason, Rejected, retry_after};
use crate::slot::Slot;
use crate::sync::{AtomicU64, Ordering, locked};
use builder::{Asked, declaration};
use places::Places;
use pulse::Sampling;
use queue::{Queue, Seen};
use seat::Seat;
use slices::Slices;
use steering::Steering;

pub use acquire::Acquire;
pub use builder::LimiterBuilder;

/// A concurrency limiter, knob `limit.NAME`. Copies are the same limiter, which lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct Limiter(&'static Core);

/// What a limiter consists of. The parts that are written on the request path have cache lines of their own.
#[derive(Debug)]
pub(crate) struct Core {
    places: Places,
    /// Where callers wait, if they may.
    queue: Option<Queue<&'static Self>>,
    breaker: &'static breaker::Core,
    clock: Clock,
    sampling: Sampling,
    slot: Slot,
    steering: Mutex<Steering>,
    slices: Mutex<Slices>,
    /// How often a place becomes free, as a period in nanoseconds.
    place_every: AtomicU64,
}

/// What a limiter's reflex has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reflex {
    /// How often it has cut the limit since the start.
    pub cuts: u64,
    /// Why it holds the limit down now; `None`: it does not.
    pub holds: Option<ReflexCause>,
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
            Err(retry_after) => return core.shut(class, retry_after),
        };
        match core.admit(class, places.max(1)) {
            Some(place) => Ok(Permit::new(Some(core), core.breaker, pass, place)),
            None => core.full(class, pass),
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

    /// What the limiter's own reflex has done: it cuts the limit for a short while when calls in flight get far too old or
    /// end in overload, between two pushes and without a sidecar.
    pub fn reflex(&self) -> Reflex {
        let steering = locked(&self.0.steering);
        Reflex { cuts: steering.cuts(), holds: steering.cut().map(|cut| cut.cause) }
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
        let now = Timestamp::from_nanos(self.0.clock.now());
        self.0.steer(|steering| steering.owner_spoke(now));
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
            queue: (asked.queue > 0).then(|| Queue::new(asked.queue)),
            breaker: breaker.core(),
            clock: inner.clock.clone(),
            sampling: Sampling::new(asked.clock_every, knob.deadline.map_or(u64::MAX, nanos)),
            steering: Mutex::new(Steering::new(knob.baseline, asked.shares)),
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

/// What a call in flight holds of its limiter.
#[derive(Debug)]
pub(crate) struct Place {
    /// Since when, nanoseconds.
    at: u64,
    /// How many.
    places: u32,
    /// Whether the time was read from the clock.
    timed: bool,
}

impl Place {
    /// Of a call that no limiter knows of.
    pub const NONE: Self = Self { at: 0, places: 0, timed: true };
}

impl Core {
    #[inline(always)]
    fn admit(&self, class: usize, places: u32) -> Option<Place> {
        let (shard, places) = self.places.enter(Seat::mine(), class, places.into())?;
        let (at, timed) = if self.sampling.is_off() {
            (self.clock.now(), true)
        } else {
            shard.estimated_admission(&self.sampling, || self.clock.now())
        };
        shard.admit(at);
        // No more than was asked for.
        Some(Place { at, places: places as u32, timed })
    }

    /// Counts the end of a call and frees its place. Returns the time, if it was looked up.
    #[inline(always)]
    pub fn release(&'static self, place: &Place, outcome: Outcome) -> Option<u64> {
        let Place { places, at: admitted_at, timed } = *place;
        // Another core's counter can be a little behind.
        let now = timed.then(|| self.clock.now().max(admitted_at));
        let claim = self.places.claim(Seat::mine());
        let shard = &claim.0;
        match now {
            Some(at) if self.sampling.is_off() => {
                shard.release(outcome, admitted_at, at, self.sampling.deadline());
            }
            Some(at) => shard.timed_release(outcome, admitted_at, at, &self.sampling),
            None => shard.estimated_release(outcome, admitted_at, &self.sampling, || self.clock.now()),
        }
        self.places.leave(claim, places.into());
        if self.places.limits().awaited() {
            self.wake();
        }
        now
    }

    /// Admits a call if there is room, and counts nothing if not.
    fn take(&'static self, class: usize, places: u32) -> Result<Option<Permit>, Rejected> {
        let pass = match self.breaker.admit() {
            Ok(pass) => pass,
            Err(retry_after) => return self.shut(class, retry_after).map(Some),
        };
        match self.admit(class, places) {
            Some(place) => Ok(Some(Permit::new(Some(self), self.breaker, pass, place))),
            None => {
                self.breaker.give_back(pass);
                Ok(None)
            }
        }
    }

    /// A place may be free, and somebody waits.
    #[cold]
    fn wake(&'static self) {
        if let Some(queue) = &self.queue {
            queue.poke(&self);
        }
    }

    /// Counts a rejection by the limit. The whole result is made here: to be copied at once would cost as much again.
    #[cold]
    fn full(&'static self, class: usize, pass: Pass) -> Result<Permit, Rejected> {
        self.breaker.give_back(pass);
        Err(self.reject(class, RejectReason::ConcurrencyLimit))
    }

    /// Counts a rejection for want of a place.
    fn reject(&'static self, class: usize, reason: RejectReason) -> Rejected {
        let lot = self.places.reject(Seat::mine(), class);
        Rejected {
            limit: self.slot.knob().name.as_str(),
            reason,
            retry_after: retry_after(self.place_every.load(Ordering::Relaxed), lot),
        }
    }

    /// Counts a rejection by the breaker.
    #[cold]
    fn shut(&self, class: usize, retry_after: Duration) -> Result<Permit, Rejected> {
        self.places.reject(Seat::mine(), class);
        Err(self.breaker.rejected(retry_after))
    }

    fn put(&'static self, value: Option<Value>) {
        self.steer(|steering| steering.ask(value.map(|value| value.scalar())));
    }

    /// Changes what the limit is made of, and puts in force what comes out.
    fn steer<R>(&'static self, edit: impl FnOnce(&mut Steering) -> R) -> R {
        let mut steering = locked(&self.steering);
        let result = edit(&mut steering);
        let changed = steering.put_in_force(&self.places, self.slot.knob().baseline);
        drop(steering);
        if changed && self.places.limits().awaited() {
            self.wake();
        }
        result
    }

    /// Ends waits whose time is over. True while anybody waits.
    fn attend(&'static self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.attend(&self))
    }

    /// Lets the reflex look. True while it should look again soon.
    fn reflex(&'static self, totals: &Totals) -> bool {
        if self.slot.pinned().is_some() {
            return false;
        }
        let knob = self.slot.knob();
        let (before, after) = self.steer(|steering| steering.watch(totals, knob));
        if before.map(|cut| cut.cap) != after.map(|cut| cut.cap) {
            tracing::info!(
                knob = %knob.name, from = before.map(|cut| cut.cap), to = after.map(|cut| cut.cap),
                reason = after.or(before).map(|cut| cut.cause.name()), "the reflex moved its bound"
            );
        }
        after.is_some() || totals.in_flight() > 0
    }

    /// The counters alone: nothing is taken back to zero by reading them.
    fn counted(&self, at_nanos: u64, stall_nanos: u64) -> Totals {
        let (released, admitted) = self.places.reader().snapshot();
        Totals {
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
            ..Totals::default()
        }
    }
}

impl Actuator for Limiter {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        self.0.put(value);
    }

    fn admit(&self, admission: Option<Admission>) {
        let now = Timestamp::from_nanos(self.0.clock.now());
        self.0.steer(|steering| steering.admit(admission, now));
    }

    fn shares(&self) -> Option<Shares> {
        locked(&self.0.steering).pushed_shares()
    }

    fn totals(&self, at_nanos: u64, stall_nanos: u64) -> Option<Totals> {
        let core = self.0;
        let (cuts, cut) = {
            let steering = locked(&core.steering);
            (steering.cuts(), steering.cut())
        };
        let queue = core.queue.as_ref().map_or(Seen::default(), |queue| queue.seen(&core));
        Some(Totals {
            in_flight_peak: core.places.take_peak(),
            consecutive_failures: core.breaker.failures_in_a_row(),
            limit_in_force: core.places.limits().limit(),
            limited: core.places.gauge().take_limited(),
            reflexes: cuts,
            reflex: cut.map(|cut| cut.cause),
            queue_waits: queue.waits,
            queue_wait_sum: queue.wait_sum,
            waiting: queue.waiting,
            slices: locked(&core.slices).newest(),
            ..core.counted(at_nanos, stall_nanos)
        })
    }

    fn close_slice(&self, at_nanos: u64) -> bool {
        let core = self.0;
        core.sampling.close_slice();
        core.places.close_slice();
        let counted = core.counted(at_nanos, 0);
        if let Some(place_every) = locked(&core.slices).close(&counted) {
            core.place_every.store(nanos(place_every), Ordering::Relaxed);
        }
        locked(&core.steering).learn(&counted);
        core.reflex(&counted) | core.attend()
    }

    fn watch(&self, at_nanos: u64) -> bool {
        let core = self.0;
        let busy = core.places.gauge().taken() > 0 || locked(&core.steering).cut().is_some();
        (busy && core.reflex(&core.counted(at_nanos, 0))) | core.attend()
    }

    fn close(&self) {
        if let Some(queue) = &self.0.queue {
            queue.close(&self.0);
        }
    }
}

#[cfg(test)]
mod tests;
