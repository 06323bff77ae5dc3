//! How many of something there may be per second: messages of a session, questions, and log lines about refused clients.
//!
//! A session may send far more than an SDK needs (ten reports, a beat and a few acks per second), and far less than would
//! cost the others anything.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Rate, RateLimiter};

use crate::clock::Clock;

/// Messages of one session per second.
pub const MESSAGES_PER_SECOND: u32 = 50;
/// Messages of one session at once.
pub const MESSAGES_BURST: u32 = 100;

/// Our clock as governor wants it, so that a test can hold time still.
struct GovernorClock(Clock);

impl governor::clock::Clock for GovernorClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A budget that fills up again.
pub struct Quota(RateLimiter<NotKeyed, InMemoryState, GovernorClock, NoOpMiddleware<Duration>>);

impl Quota {
    /// The messages of one session.
    pub fn of_messages(clock: Clock) -> Self {
        Self::new(clock, MESSAGES_PER_SECOND, MESSAGES_BURST)
    }

    /// Questions of operators, of all clients together: an answer costs about as much as a tick.
    pub fn of_questions(clock: Clock) -> Self {
        Self::new(clock, 5, 10)
    }

    /// Log lines that a client can provoke: they must not fill a disk.
    pub fn of_provoked_logs(clock: Clock) -> Self {
        Self::new(clock, 1, 20)
    }

    /// Takes one out of the budget; false when there is none left.
    pub fn spend(&self) -> bool {
        self.0.check().is_ok()
    }

    fn new(clock: Clock, per_second: u32, burst: u32) -> Self {
        let positive = |n| NonZeroU32::new(n).expect("the constants above are not zero");
        let rate = Rate::per_second(positive(per_second)).allow_burst(positive(burst));
        Self(RateLimiter::direct_with_clock(rate, GovernorClock(clock)))
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quota")
    }
}
