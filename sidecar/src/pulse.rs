//! Proof of life of the control loop (R5): written by the loop itself at the end of a tick, and by nobody else.
//!
//! Beats, `/livez` and the watchdog all read these two words, so a loop that hangs cannot look alive to any of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use setpoint_policies::time::Timestamp;

/// The number of finished ticks and the time of the last one.
#[derive(Debug, Default)]
pub struct Pulse {
    tick: AtomicU64,
    finished_nanos: AtomicU64,
}

impl Pulse {
    /// One more tick is finished. Only the control loop calls this.
    pub fn finish(&self, now: Timestamp) {
        self.finished_nanos.store(now.as_nanos(), Ordering::Relaxed);
        // Release: who sees the new count also sees a time that is at least as new.
        self.tick.fetch_add(1, Ordering::Release);
    }

    /// Finished ticks since the start.
    pub fn tick(&self) -> u64 {
        self.tick.load(Ordering::Acquire)
    }

    /// Time since the last finished tick; before the first one, since the clock's origin.
    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_nanos(self.finished_nanos.load(Ordering::Acquire)))
    }
}
