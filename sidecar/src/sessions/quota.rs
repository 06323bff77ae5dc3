//! How many messages a session may send: far more than an SDK needs (ten reports, a beat and a few acks per second), far
//! less than would cost the others anything.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Rate, RateLimiter};

use crate::clock::Clock;
use crate::sessions::refusal::{Cause, Refusal};

/// Sustained messages per second.
pub const PER_SECOND: u32 = 50;
/// Messages at once.
pub const BURST: u32 = 100;

/// Our clock as governor wants it, so that a test can hold time still.
struct GovernorClock(Clock);

impl governor::clock::Clock for GovernorClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The message budget of one session.
pub struct Quota(RateLimiter<NotKeyed, InMemoryState, GovernorClock, NoOpMiddleware<Duration>>);

impl Quota {
    /// A full budget.
    pub fn new(clock: Clock) -> Self {
        let positive = |n| NonZeroU32::new(n).expect("a constant above zero");
        let rate = Rate::per_second(positive(PER_SECOND)).allow_burst(positive(BURST));
        Self(RateLimiter::direct_with_clock(rate, GovernorClock(clock)))
    }

    /// Takes one message out of the budget.
    ///
    /// # Errors
    /// [`Cause::Flood`] when there is none left.
    pub fn spend(&self) -> Result<(), Refusal> {
        self.0.check().map_err(|_| {
            Refusal::new(Cause::Flood, format!("more than {PER_SECOND} messages per second (burst {BURST})"))
        })
    }
}
