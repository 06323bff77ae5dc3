//! Concurrency limiters: how many calls may be in flight at once, and what became of them.
//!
//! On the request path there are three things: the limit (read), the places that are taken (one compare-and-swap, or none
//! where the limit is large: `places`), and the counters (a shard per thread). Everything else is worked out by the session's
//! thread from the counters.
//!
//! The words that a permit points to live as long as the process: handles are plain copies and a permit holds a plain
//! reference, where counting references would cost as much as the admission itself. Their number is bounded.

mod acquire;
mod actuator;
mod builder;
mod counters;
mod deadline;
mod gauge;
mod histogram;
mod limits;
mod path;
mod places;
mod pulse;
mod queue;
mod seat;
mod shard;
mod steering;
mod thresholds;
mod turnover;

use std::sync::Mutex;
use std::thread::available_parallelism;
use std::time::Duration;

use setpoint_policies::knob::Knob;
pub use setpoint_policies::reflex::Cause as ReflexCause;
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Inner};
use crate::breaker::{self, Breaker};
use crate::clock::{Clock, nanos};
use crate::declare::Declaration;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{Advice, RejectReason, Rejected};
use crate::slot::Slot;
use crate::sync::{AtomicU64, locked};
use builder::{Asked, declaration};
use deadline::Hopeless;
use places::Places;
use pulse::Sampling;
use queue::Queue;
use steering::Steering;
use turnover::Turnover;

pub use acquire::Acquire;
pub use builder::LimiterBuilder;
pub(crate) use path::Place;

/// A concurrency limiter, knob `limit.NAME`. Copies are the same limiter, which lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct Limiter(&'static Core);

/// What a limiter consists of. The parts that are written on the request path have cache lines of their own.
#[derive(Debug)]
pub(crate) struct Core {
    places: Places,
    /// Where callers wait, if they may.
    queue: Option<Queue<&'static Self>>,
    hopeless: Hopeless,
    breaker: &'static breaker::Core,
    clock: Clock,
    sampling: Sampling,
    slot: Slot,
    steering: Mutex<Steering>,
    turnover: Mutex<Turnover>,
    /// What rejected callers are told, as [`Advice::words`]. A mix of an older and a newer one is as good.
    advice: [AtomicU64; 2],
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
            Err(retry_after) => {
                core.shut(class);
                return Err(core.breaker.rejected(retry_after));
            }
        };
        match core.admit(class, places.max(1)) {
            Some(place) => Ok(Permit::new(Some(core), core.breaker, pass, place)),
            None => Err(core.rejected(RejectReason::ConcurrencyLimit, core.full(class, pass))),
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
            hopeless: Hopeless::refused(asked.refuse_hopeless),
            breaker: breaker.core(),
            clock: inner.clock.clone(),
            sampling: Sampling::new(asked.clock_every, knob.deadline),
            steering: Mutex::new(Steering::new(knob.baseline, asked.shares)),
            slot: Slot::new(knob),
            turnover: Mutex::default(),
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

#[cfg(test)]
mod tests;
