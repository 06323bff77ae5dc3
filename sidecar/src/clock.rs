//! The one clock of the process: monotonic, counted from its own start, so that a step of the wall clock changes nothing.
//!
//! It reads tokio's clock rather than the kernel's, because that one stands still and jumps on command in tests.

use std::time::Duration;

use setpoint_policies::time::Timestamp;
use tokio::time::Instant;

/// Time since the sidecar started. Copies share the origin, so their timestamps compare.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The time since the origin.
    pub fn now(self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    /// The time since the origin, for interfaces that do not know [`Timestamp`].
    pub fn elapsed(self) -> Duration {
        self.origin.elapsed()
    }

    /// Waits until `at`; returns at once when that has passed.
    pub async fn sleep_until(self, at: Timestamp) {
        tokio::time::sleep_until(self.origin + at.since(Timestamp::ZERO)).await;
    }
}
