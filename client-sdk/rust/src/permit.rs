//! The right to one call.

use std::mem::ManuallyDrop;
use std::time::Duration;

use crate::breaker::{self, Pass};
use crate::limiter::{self, Place};
use crate::outcome::Outcome;

/// The right to one call. It ends with [`Permit::finish`], or when it is dropped: then the call counts as cancelled
/// ([`Outcome::Ignore`]), or as a [`Outcome::Failure`] while its thread panics. It can be moved to another thread.
///
/// A permit is for one attempt: acquire inside a retry loop, never around it, or the latencies of several attempts are
/// taken for one.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct Permit {
    /// `None`: no limiter counts this call.
    limiter: Option<&'static limiter::Core>,
    /// `None`: nobody does.
    breaker: Option<&'static breaker::Core>,
    pass: Pass,
    place: Place,
}

impl Permit {
    /// A permit that nobody counts.
    pub(crate) const fn exempt() -> Self {
        Self { limiter: None, breaker: None, pass: Pass::NONE, place: Place::NONE }
    }

    #[inline]
    pub(crate) const fn new(
        limiter: Option<&'static limiter::Core>,
        breaker: &'static breaker::Core,
        pass: Pass,
        place: Place,
    ) -> Self {
        Self { limiter, breaker: Some(breaker), pass, place }
    }

    /// Ends the call. Never blocks, never allocates. Costs one reading of the clock and about a third as much again.
    #[inline(always)]
    pub fn finish(self, outcome: Outcome) {
        // Not to be dropped, not even by a panic further down: it has ended.
        ManuallyDrop::new(self).end(outcome);
    }

    /// The callee has asked to be left alone for so long (Retry-After, grpc-retry-pushback-ms): see
    /// [`crate::Breaker::retry_after`]. Before [`Permit::finish`].
    pub fn retry_after(&self, for_so_long: Duration) {
        if let Some(breaker) = self.breaker {
            breaker.asked(for_so_long);
        }
    }

    #[inline(always)]
    fn end(&self, outcome: Outcome) {
        let Some(breaker) = self.breaker else { return };
        let at = self.limiter.and_then(|limiter| limiter.release(&self.place, outcome));
        breaker.settle(self.pass, outcome, at);
    }
}

impl Drop for Permit {
    #[inline(never)]
    fn drop(&mut self) {
        self.end(Outcome::of_unfinished());
    }
}
