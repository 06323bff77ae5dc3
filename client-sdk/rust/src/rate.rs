//! Rate limits: token buckets, for calls that leave the service.
//!
//! A pushed rate replaces the bucket as a whole; callers that are just taking a token finish on the old one. The new
//! bucket holds as many tokens as the old one did, at most its own burst: a swap gives nothing away, and takes away only
//! what does not fit any more. (A caller that took from the old bucket at the very moment of the swap is not seen by the
//! new one: at most one call for each thread.)

mod bucket;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use setpoint_policies::knob::{Kind, Knob};
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Entry, Inner};
use crate::clock::{Clock, nanos};
use crate::declare::Declaration;
use crate::rejected::{Advice, RejectReason, Rejected};
use crate::slot::Slot;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use bucket::Bucket;

/// A rate limit, knob `rate.NAME`. Copies are the same one, which lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct Rate(&'static Core);

#[derive(Debug)]
struct Core {
    slot: Slot,
    /// `None`: a rate of zero.
    bucket: ArcSwapOption<Bucket>,
    unlimited: AtomicBool,
    refusals: AtomicU64,
    clock: Clock,
}

/// What a caller is told at a rate of zero.
const NOT_SOON: Duration = Duration::from_secs(5);

impl Rate {
    /// Takes a token for one call. It never waits.
    ///
    /// # Errors
    /// [`Rejected`] with [`RejectReason::RateLimit`]: the bucket is empty.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        let core = self.0;
        if core.unlimited.load(Ordering::Relaxed) {
            return Ok(());
        }
        let bucket = core.bucket.load();
        let taken = bucket.as_ref().map_or(Err(NOT_SOON), |bucket| bucket.take());
        taken.map_err(|wait| Rejected {
            limit: core.slot.knob().name.as_str(),
            reason: RejectReason::RateLimit,
            retry_after: Advice::every(nanos(wait)).draw(core.refusals.fetch_add(1, Ordering::Relaxed)),
        })
    }

    /// The rate in force, calls per second.
    pub fn per_second(&self) -> f64 {
        self.0.slot.value().scalar()
    }

    /// Holds the rate at a value (within the bounds) with a burst of one second, whatever is pushed, until
    /// [`Rate::unpin`]. Returns the rate now in force; what is not a number changes nothing.
    pub fn pin(&self, per_second: f64) -> f64 {
        let pinned = Some(Value::Rate { per_second, burst: None });
        if let Err(problem) = self.0.slot.pin(pinned, |value| self.0.put(value)) {
            tracing::error!(knob = %self.0.slot.knob().name, problem, "pin refused");
        }
        self.per_second()
    }

    /// Gives the rate back to what is pushed.
    pub fn unpin(&self) {
        // To let go is never refused.
        let _ = self.0.slot.pin(None, |value| self.0.put(value));
    }

    fn leak(inner: &Inner, knob: Knob) -> Self {
        let core = Core {
            slot: Slot::new(knob),
            bucket: ArcSwapOption::empty(),
            unlimited: AtomicBool::new(false),
            refusals: AtomicU64::new(inner.seed),
            clock: inner.clock.clone(),
        };
        core.fill(core.slot.value(), f64::INFINITY);
        Self(Box::leak(Box::new(core)))
    }

    /// A rate outside of the registry that admits everything.
    pub(crate) fn open(inner: &Inner) -> Self {
        let rate = Self::leak(inner, declaration("unregistered").checked());
        rate.enforce(false);
        rate
    }
}

impl Core {
    fn put(&self, value: Option<Value>) {
        if let Some(value) = value {
            let tokens = self.bucket.load().as_ref().map_or(0.0, |bucket| bucket.tokens());
            self.fill(value, tokens);
        }
        self.unlimited.store(value.is_none(), Ordering::Relaxed);
    }

    fn fill(&self, value: Value, tokens: f64) {
        if let Value::Rate { per_second, burst } = value {
            let bucket = Bucket::holding(tokens, per_second, burst, &self.clock);
            self.bucket.store(bucket.map(Arc::new));
        }
    }
}

impl Actuator for Rate {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        self.0.put(value);
    }
}

fn declaration(name: &str) -> Declaration {
    let mut knob = Declaration::new("rate", name, Kind::RateLimit, (1.0, 1_000_000.0), 1000.0);
    "req".clone_into(&mut knob.unit);
    knob
}

/// Declares a rate limit. See [`crate::Setpoint::rate`].
#[must_use = "nothing happens before `register`"]
pub struct RateBuilder<'a> {
    inner: &'a Inner,
    knob: Declaration,
}

impl<'a> RateBuilder<'a> {
    pub(crate) fn new(inner: &'a Inner, name: &str) -> Self {
        Self { inner, knob: declaration(name) }
    }

    /// Hard bounds, in calls per second, which no push can leave. Default 1 to 1,000,000. A lowest rate of 0 allows all
    /// calls to be rejected. Above 5 million the steps of a nanosecond between two calls begin to show.
    pub fn bounds(mut self, lowest: f64, highest: f64) -> Self {
        self.knob.bounds = (lowest, highest);
        self
    }

    /// The rate in force without a sidecar, in calls per second, with a burst of one second. Default 1000.
    pub fn baseline(mut self, per_second: f64) -> Self {
        self.knob.baseline = Some(per_second);
        self
    }

    /// The largest relative increase by one push (0.5 is half as much again; 0, the default, any), and the shortest time
    /// between two. A decrease is never held back.
    pub fn pace(mut self, max_change_ratio: f64, min_dwell: Duration) -> Self {
        (self.knob.max_change_ratio, self.knob.min_dwell) = (max_change_ratio, min_dwell);
        self
    }

    /// Registers the rate limit, or finds the one of that name as it was registered first.
    pub fn register(self) -> Rate {
        let Self { inner, knob } = self;
        let name = knob.name().clone();
        match inner.registry.register(&name, || Entry::Rate(Rate::leak(inner, knob.checked()))) {
            Some(Entry::Rate(rate)) => rate,
            _ => inner.open(&name).rate,
        }
    }
}

#[cfg(test)]
mod tests;
