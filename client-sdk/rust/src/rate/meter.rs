//! What every rate consists of: who decides about it, the terms in force, and what callers have spent.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use setpoint_policies::value::Value;

use super::tally::Tally;
use super::terms::{Asked, Store, Terms};
use crate::actuator::Inner;
use crate::clock::Clock;
use crate::declare::Declaration;
use crate::rejected::{RejectReason, Rejected};
use crate::slot::Slot;
use crate::sync::{AtomicBool, Ordering};

/// A rate limit over the buckets of a store.
#[derive(Debug)]
pub struct Meter<S: Store> {
    pub slot: Slot,
    pub tally: Tally,
    pub clock: Clock,
    store: S,
    terms: ArcSwap<Terms<S>>,
    unlimited: AtomicBool,
    /// Calls; `None`: as many as come in a second of the rate.
    burst: Option<f64>,
}

impl<S: Store> Meter<S> {
    /// At the baseline, with every bucket full.
    pub fn new(inner: &Inner, knob: Declaration, burst: Option<f64>, store: S) -> Self {
        let (slot, clock) = (Slot::new(knob.checked()), inner.clock.clone());
        let asked = asked(slot.value(), burst);
        Self {
            terms: ArcSwap::from_pointee(Terms::start(store, asked, &clock)),
            unlimited: AtomicBool::new(false),
            tally: Tally::default(),
            slot,
            clock,
            store,
            burst,
        }
    }

    /// The terms in force, for a caller that has to find its bucket first.
    #[inline]
    pub fn terms(&self) -> Option<Guard<Arc<Terms<S>>>> {
        (!self.unlimited.load(Ordering::Relaxed)).then(|| self.terms.load())
    }

    /// What a caller is told.
    #[inline]
    pub fn answer(&'static self, taken: Result<(), Duration>) -> Result<(), Rejected> {
        taken.map_err(|retry_after| {
            self.tally.rejected();
            let limit = self.slot.knob().name.as_str();
            Rejected { limit, reason: RejectReason::RateLimit, retry_after }
        })
    }

    /// Puts a value in force; `None`: everything is admitted. The slot calls it, one at a time.
    pub fn put(&self, value: Option<Value>) {
        if let Some(value) = value {
            let next = self.terms.load().followed_by(self.store, asked(value, self.burst));
            self.terms.store(Arc::new(next));
        }
        self.unlimited.store(value.is_none(), Ordering::Relaxed);
    }

    /// What callers have spent.
    #[cfg(test)]
    pub fn store(&self) -> S {
        self.store
    }

    /// Calls per second in force.
    pub fn per_second(&self) -> f64 {
        self.slot.value().scalar()
    }

    /// Holds the rate at a value, until [`Meter::unpin`]. Returns the rate now in force.
    pub fn pin(&self, per_second: f64) -> f64 {
        let pinned = Some(Value::Rate { per_second, burst: None });
        if let Err(problem) = self.slot.pin(pinned, |value| self.put(value)) {
            tracing::error!(knob = %self.slot.knob().name, problem, "pin refused");
        }
        self.per_second()
    }

    /// Gives the rate back to what is pushed.
    pub fn unpin(&self) {
        // To let go is never refused.
        let _ = self.slot.pin(None, |value| self.put(value));
    }
}

fn asked(value: Value, declared: Option<f64>) -> Asked {
    let per_second = value.scalar();
    let said = if let Value::Rate { burst, .. } = value { burst } else { None };
    Asked { per_second, burst: said.or(declared).unwrap_or(per_second) }
}
