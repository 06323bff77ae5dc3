//! Rate limits: token buckets that take a new rate and burst while calls go on.
//!
//! governor decides ([`terms`]), its clock runs at the rate ([`pace`]), and one word says what was spent ([`word`]). So a push
//! replaces the terms as a whole and touches no bucket.
//!
//! # What a swap does
//! At the moment of a swap the level of a bucket becomes `min(level, new burst)`. It gives nothing back: neither a larger
//! burst nor a higher rate fills a bucket, only time does. It takes away what does not fit into a smaller burst, so less than
//! one burst, and all of it only when the rate becomes zero. Therefore, through any sequence of swaps:
//!
//! ```text
//! admitted in [a, b]  <=  level(a) + integral of the rate from a to b + 1/256
//! admitted to a caller who always asks  >=  integral of the rate - 1
//! ```
//!
//! The new rate runs from 100 us after the push on; until then the old one does.

mod builder;
#[cfg(all(test, setpoint_loom))]
mod loom_tests;
mod meter;
mod pace;
mod tally;
mod terms;
#[cfg(test)]
mod tests;
mod word;

use std::time::Duration;

use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Inner};
use crate::declare::Declaration;
use crate::outcome::Outcome;
use crate::priority::Priority;
use crate::rejected::Rejected;
use crate::slot::Slot;
pub use builder::RateBuilder;
pub(crate) use builder::declaration;
pub(crate) use meter::Meter;
pub(crate) use terms::Store;
use word::Word;

/// A rate limit, knob `rate.NAME`, for calls that come in or go out. Copies are the same one, which lives as long as the
/// process.
#[derive(Debug, Clone, Copy)]
pub struct Rate(&'static Meter<&'static Word>);

impl Rate {
    /// Takes a token for one call. It never waits or locks, and allocates nothing but a few bytes at a thread's first call.
    ///
    /// # Errors
    /// [`Rejected`] with [`crate::RejectReason::RateLimit`]: the bucket is empty. `retry_after` is when a token will be
    /// there, to the nanosecond, if nobody else takes it and the rate stays as it is; at most 5 s. Whoever makes many calls
    /// again should spread them.
    #[inline]
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        self.try_acquire_many(1)
    }

    /// Takes so many tokens (0 counts as 1) for a call that is as heavy as several, all or none. One that is heavier than the
    /// burst takes a full bucket: it passes now and then, rather than never.
    ///
    /// # Errors
    /// As for [`Rate::try_acquire`].
    #[inline]
    pub fn try_acquire_many(&self, tokens: u32) -> Result<(), Rejected> {
        let Some(terms) = self.0.terms() else { return Ok(()) };
        self.0.answer(terms.take(&(), tokens))
    }

    /// The same for a call of that priority: exempt ones pass always and take nothing. A rate knows no other difference; one
    /// for each class does (`rate.batch` beside `rate.interactive`).
    ///
    /// # Errors
    /// As for [`Rate::try_acquire`].
    pub fn try_acquire_as(&self, priority: Priority, tokens: u32) -> Result<(), Rejected> {
        if priority == Priority::Exempt { Ok(()) } else { self.try_acquire_many(tokens) }
    }

    /// Tells how a call ended, and how long its callee wants to be left alone, if it said so (`retry-after`). This is what
    /// `adaptive_rate` learns from. A service that tells nothing is judged by the limiter of the same name, if there is one.
    pub fn record(&self, outcome: Outcome, retry_after: Option<Duration>) {
        self.0.tally.record(self.0.clock.now(), outcome, retry_after);
    }

    /// The rate in force, calls per second.
    pub fn per_second(&self) -> f64 {
        self.0.per_second()
    }

    /// Holds the rate at a value (within the bounds) with the declared burst, whatever is pushed, until [`Rate::unpin`].
    /// Returns the rate now in force; what is not a number changes nothing.
    pub fn pin(&self, per_second: f64) -> f64 {
        self.0.pin(per_second)
    }

    /// Gives the rate back to what is pushed.
    pub fn unpin(&self) {
        self.0.unpin();
    }

    fn leak(inner: &Inner, knob: Declaration, burst: Option<f64>) -> Self {
        let word = Box::leak(Box::new(Word::full()));
        Self(Box::leak(Box::new(Meter::new(inner, knob, burst, &*word))))
    }

    /// A rate limit outside of the registry that admits everything.
    pub(crate) fn open(inner: &Inner) -> Self {
        let rate = Self::leak(inner, declaration("unregistered"), None);
        rate.enforce(false);
        rate
    }
}

impl Actuator for Rate {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        self.0.put(value);
    }

    fn totals(&self, at_nanos: u64, stall_nanos: u64) -> Option<Totals> {
        self.0.tally.totals(at_nanos, stall_nanos, self.0.per_second())
    }
}
