//! How long to wait before the next attempt to reach the sidecar.
//!
//! Attempts never end: a sidecar may come back after a week. They are spread by a jitter that differs from process to
//! process and from attempt to attempt, so that the services of a node do not all knock at once. The jitter is a hash, not
//! a random number: nothing to seed, and a test can predict it.

use std::time::Duration;

use crate::sync::jitter;

const FIRST: Duration = Duration::from_millis(100);
const FACTOR: f64 = 1.6;
const LONGEST: Duration = Duration::from_secs(3);
/// Each wait is within this share of its nominal length, to either side.
const JITTER: f64 = 0.2;
/// A drain can ask for no longer a pause than this: nobody switches tuning off for a day by accident.
const LONGEST_DRAIN: Duration = Duration::from_secs(60);

/// The waits between attempts: 100 ms, then 1.6 times the one before, up to 3 s, each within 20 %.
#[derive(Debug)]
pub(super) struct Backoff {
    seed: u64,
    /// Attempts since the last success.
    attempt: u32,
    /// Waits so far, for the jitter.
    waits: u64,
}

impl Backoff {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, attempt: 0, waits: 0 }
    }

    /// The wait after a failure.
    pub(super) fn after_failure(&mut self) -> Duration {
        let exponent = i32::try_from(self.attempt).unwrap_or(i32::MAX).min(32);
        self.attempt = self.attempt.saturating_add(1);
        let nominal = FIRST.mul_f64(FACTOR.powi(exponent)).min(LONGEST);
        nominal.mul_f64(1.0 - JITTER + 2.0 * JITTER * self.next_jitter())
    }

    /// The wait after a refusal that will not go away by itself: the longest there is.
    pub(super) fn after_denial(&mut self) -> Duration {
        LONGEST.mul_f64(1.0 - JITTER + 2.0 * JITTER * self.next_jitter())
    }

    /// The wait after a drain: no sooner than asked.
    pub(super) fn after_drain(&mut self, retry_after: Duration) -> Duration {
        retry_after.min(LONGEST_DRAIN).mul_f64(1.0 + JITTER * self.next_jitter())
    }

    /// The session works: the next failure starts from the shortest wait.
    pub(super) const fn reset(&mut self) {
        self.attempt = 0;
    }

    fn next_jitter(&mut self) -> f64 {
        self.waits = self.waits.wrapping_add(1);
        jitter(self.seed.wrapping_add(self.waits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_three_seconds_within_their_jitter() {
        let mut backoff = Backoff::new(7);
        let mut nominal = 0.1_f64;
        for _ in 0..100 {
            let wait = backoff.after_failure().as_secs_f64();
            assert!((nominal * 0.8..=nominal * 1.2).contains(&wait), "{wait} for {nominal}");
            nominal = (nominal * FACTOR).min(3.0);
        }
        backoff.reset();
        assert!(backoff.after_failure() <= Duration::from_millis(120));
    }

    #[test]
    fn two_processes_do_not_knock_in_step() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..20).map(|_| backoff.after_denial()).collect::<Vec<_>>()
        };
        assert_ne!(waits(1), waits(1 << 40));
        let first = waits(3);
        assert!(first.iter().any(|wait| *wait != first[0]), "not the same wait every time");
    }

    #[test]
    fn a_drain_is_waited_for_but_not_for_a_day() {
        let mut backoff = Backoff::new(1);
        let asked = Duration::from_secs(2);
        let wait = backoff.after_drain(asked);
        assert!(wait >= asked && wait <= asked.mul_f64(1.2), "{wait:?}");
        assert!(backoff.after_drain(Duration::from_secs(86_400)) <= Duration::from_secs(72));
    }
}
