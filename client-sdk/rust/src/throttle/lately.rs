//! How many calls were sent lately, and how many of them were accepted: counts of the last ten seconds without a lock.
//!
//! One word for each second: its number, calls sent and calls accepted. A second that is over is overwritten by the next one
//! that needs its place.

use super::SECOND;
use crate::sync::{AtomicU64, Ordering};

/// How much of the past counts, seconds.
const WINDOW: u64 = 10;
/// Bits of each count of a second.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// The counts of the last seconds; times are nanoseconds.
#[derive(Debug)]
pub(super) struct Lately([AtomicU64; WINDOW as usize]);

impl Default for Lately {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Lately {
    /// One call more.
    pub(super) fn count(&self, now: u64, accepted: bool) {
        let second = now / SECOND;
        let stamp = Second::stamp(second);
        let add = |word: u64| {
            let there = Second::unpack(word);
            let there = if there.stamp == stamp { there } else { Second { stamp, sent: 0, accepted: 0 } };
            Some(there.with(accepted).pack())
        };
        let bucket = &self.0[(second % WINDOW) as usize];
        // Always something to put: it cannot fail.
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Calls sent and calls accepted.
    pub(super) fn sums(&self, now: u64) -> (u64, u64) {
        let second = now / SECOND;
        let (mut sent, mut accepted) = (0, 0);
        for back in 0..WINDOW.min(second + 1) {
            let number = second - back;
            let there = Second::unpack(self.0[(number % WINDOW) as usize].load(Ordering::Relaxed));
            if there.stamp == Second::stamp(number) {
                sent += there.sent;
                accepted += there.accepted;
            }
        }
        (sent, accepted)
    }
}

/// The counts of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Second {
    /// Its number, as far as it fits; never 0.
    stamp: u64,
    sent: u64,
    accepted: u64,
}

impl Second {
    const fn stamp(second: u64) -> u64 {
        (second + 1) & ((1 << (64 - 2 * COUNT_BITS)) - 1)
    }

    const fn unpack(word: u64) -> Self {
        Self {
            stamp: word >> (2 * COUNT_BITS),
            sent: (word >> COUNT_BITS) & COUNT_MAX,
            accepted: word & COUNT_MAX,
        }
    }

    const fn pack(self) -> u64 {
        self.stamp << (2 * COUNT_BITS) | self.sent << COUNT_BITS | self.accepted
    }

    /// With one call more. Where the count is at its end both are halved, so that their ratio stays.
    const fn with(self, accepted: bool) -> Self {
        let full = self.sent == COUNT_MAX;
        let Self { stamp, sent, accepted: before } = self;
        let (sent, before) = if full { (sent / 2, before / 2) } else { (sent, before) };
        Self { stamp, sent: sent + 1, accepted: before + accepted as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_second_never_run_over() {
        let mut second = Second { stamp: Second::stamp(u64::MAX / SECOND), sent: 0, accepted: 0 };
        for n in 0..3 * COUNT_MAX {
            second = second.with(n % 4 == 0);
            if n % 1000 == 0 {
                assert_eq!(Second::unpack(second.pack()), second);
            }
        }
        let ratio = second.accepted as f64 / second.sent as f64;
        assert!((ratio - 0.25).abs() < 0.01, "{ratio}");
    }
}
