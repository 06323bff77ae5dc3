//! The right to one call.

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
pub struct Permit(Option<Call>);

#[derive(Debug)]
struct Call {
    /// `None`: only a breaker watches this call.
    limiter: Option<&'static limiter::Core>,
    breaker: &'static breaker::Core,
    pass: Pass,
    place: Place,
}

impl Permit {
    /// A permit that nobody counts.
    pub(crate) const fn exempt() -> Self {
        Self(None)
    }

    #[inline]
    pub(crate) const fn new(
        limiter: Option<&'static limiter::Core>,
        breaker: &'static breaker::Core,
        pass: Pass,
        place: Place,
    ) -> Self {
        Self(Some(Call { limiter, breaker, pass, place }))
    }

    /// Ends the call. Never blocks, never allocates.
    #[inline]
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(call) = self.0.take() {
            call.end(outcome);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.end(Outcome::of_unfinished());
        }
    }
}

impl Call {
    #[inline]
    fn end(self, outcome: Outcome) {
        let at = self.limiter.and_then(|limiter| limiter.release(self.place, outcome));
        self.breaker.settle(self.pass, outcome, at);
    }
}
