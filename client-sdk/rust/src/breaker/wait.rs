//! How long a breaker stays open.
//!
//! The wait doubles with each trip, from the shortest to the longest, and is spread by a fifth in both directions so that
//! the instances of a service do not probe in step. It is halved, not forgotten, for each clean stretch of 10 s (or of
//! the last wait, if longer): forgetting it makes a callee that fails only under full load flap for ever.
//!
//! A callee that says when to come back is believed up to the longest wait, from when it said so.

use std::time::Duration;

use super::word::Word;
use crate::sync::{AtomicU64, Ordering, jitter};

/// The shortest clean stretch that halves the wait.
const CLEAN_MS: u64 = 10_000;

/// Written by whoever wins a transition; a reader that is a moment late gets a wait that was right a moment ago.
#[derive(Debug)]
pub(super) struct Wait {
    shortest_ms: AtomicU64,
    longest_ms: AtomicU64,
    /// How often the shortest wait is doubled next time.
    doublings: AtomicU64,
    closed_since_ms: AtomicU64,
    last_ms: AtomicU64,
    /// When the callee wants to be asked again.
    asked_until_ms: AtomicU64,
    seed: u64,
}

impl Wait {
    pub fn new(seed: u64) -> Self {
        Self {
            shortest_ms: AtomicU64::new(1),
            longest_ms: AtomicU64::new(1),
            doublings: AtomicU64::new(0),
            closed_since_ms: AtomicU64::new(0),
            last_ms: AtomicU64::new(0),
            asked_until_ms: AtomicU64::new(0),
            seed,
        }
    }

    pub fn set(&self, shortest: Duration, longest: Duration) {
        self.shortest_ms.store(millis(shortest), Ordering::Relaxed);
        self.longest_ms.store(millis(longest), Ordering::Relaxed);
    }

    /// Notes that the breaker was closed.
    pub fn closed(&self, now_ms: u64) {
        self.closed_since_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Notes that the breaker was opened.
    pub fn opened(&self, doublings: u64, wait_ms: u64) {
        self.doublings.store(doublings + 1, Ordering::Relaxed);
        self.last_ms.store(wait_ms, Ordering::Relaxed);
    }

    /// Notes what the callee said.
    pub fn asked(&self, retry_after: Duration, now_ms: u64) {
        let bounded = millis(retry_after).min(self.longest_ms.load(Ordering::Relaxed));
        self.asked_until_ms.fetch_max(now_ms + bounded, Ordering::Relaxed);
    }

    /// Doublings of the next wait when the breaker has not been well since the last.
    pub fn doublings(&self) -> u64 {
        self.doublings.load(Ordering::Relaxed)
    }

    /// Doublings of the next wait after a closed stretch, some of them forgiven.
    pub fn forgiven_doublings(&self, now_ms: u64) -> u64 {
        let clean = now_ms.saturating_sub(self.closed_since_ms.load(Ordering::Relaxed));
        self.doublings().saturating_sub(clean / CLEAN_MS.max(self.last_ms.load(Ordering::Relaxed)))
    }

    /// The next wait, of its own and for the callee's sake.
    pub fn length_ms(&self, doublings: u64, generation: u64, now_ms: u64) -> u64 {
        let asked = self.asked_until_ms.load(Ordering::Relaxed).saturating_sub(now_ms);
        self.own_ms(doublings, generation).max(asked.min(self.longest_ms.load(Ordering::Relaxed)))
    }

    fn own_ms(&self, doublings: u64, generation: u64) -> u64 {
        let longest = self.longest_ms.load(Ordering::Relaxed);
        let doubled = self.shortest_ms.load(Ordering::Relaxed).saturating_mul(1 << doublings.min(20));
        let spread = 0.8 + 0.4 * jitter(self.seed ^ generation);
        ((doubled.min(longest) as f64 * spread) as u64).clamp(1, longest)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).clamp(1, Word::LATEST_MS / 2)
}
