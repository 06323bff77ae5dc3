//! How traffic comes back after a recovery.
//!
//! A callee that has just come up again has cold caches, empty pools and a crowd of callers who have waited. All of them at
//! once would bring it down a second time, so the share that passes grows evenly from a tenth to all. A breaker that a limiter
//! asks leaves that to the limiter, which holds its limit at this share: calls in flight are what a callee suffers from,
//! and callers who try again at once do not get more than others. Until the limiter has taken note, which it does every 50 ms,
//! and for a breaker without a limiter, the share is one of calls, evenly spread.

use super::wait::millis;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The share that passes at first.
const FIRST: f64 = 0.1;
/// No limiter has taken note of any generation.
const NOBODY: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Ramp {
    /// Of the local breaker; 0: none.
    own_ms: AtomicU64,
    /// Of the recovery that runs.
    running_ms: AtomicU64,
    limited: AtomicBool,
    /// The generation in which the limiter holds its limit at the share.
    led: AtomicU64,
    /// Calls that asked while the share was one of calls.
    tickets: AtomicU64,
}

impl Ramp {
    pub fn new(own: Duration) -> Self {
        let zero = || AtomicU64::new(0);
        let ramp = Self {
            own_ms: zero(),
            running_ms: zero(),
            limited: AtomicBool::new(false),
            led: AtomicU64::new(NOBODY),
            tickets: zero(),
        };
        ramp.set(own);
        ramp
    }

    pub fn set(&self, own: Duration) {
        self.own_ms.store(if own.is_zero() { 0 } else { millis(own) }, Ordering::Relaxed);
    }

    /// A limiter asks this breaker, and holds its limit at the share.
    pub fn limited(&self) {
        self.limited.store(true, Ordering::Relaxed);
    }

    /// The limiter holds its limit at the share in this generation.
    pub fn leads(&self, generation: u64) {
        self.led.store(generation, Ordering::Relaxed);
    }

    /// The length of the local ramp.
    pub fn own_ms(&self) -> u64 {
        self.own_ms.load(Ordering::Relaxed)
    }

    /// A recovery of that length begins.
    pub fn begin(&self, ramp_ms: u64) {
        self.running_ms.store(ramp_ms, Ordering::Relaxed);
    }

    /// The share that passes now, 0 to 1.
    pub fn share(&self, until_ms: u64, now_ms: u64) -> f64 {
        let ramp = self.running_ms.load(Ordering::Relaxed).max(1);
        let left = until_ms.saturating_sub(now_ms).min(ramp) as f64 / ramp as f64;
        FIRST + (1.0 - FIRST) * (1.0 - left)
    }

    /// Whether the next call passes in this generation.
    pub fn passes(&self, generation: u64, share: impl FnOnce() -> f64) -> bool {
        if self.limited.load(Ordering::Relaxed) && self.led.load(Ordering::Relaxed) == generation {
            return true;
        }
        let (ratio, ticket) = (share(), self.tickets.fetch_add(1, Ordering::Relaxed) as f64);
        (ticket * ratio).floor() < ((ticket + 1.0) * ratio).floor()
    }
}
