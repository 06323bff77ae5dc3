//! The limit as the request path reads it: one number for each priority, on cache lines that are only read there.

use setpoint_policies::totals::PRIORITIES;

use crate::sync::{AtomicU64, Ordering};

/// A concurrency limit and what follows from it.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Calls of each priority are admitted while fewer than this are in flight.
    caps: [AtomicU64; PRIORITIES],
    limit_bits: AtomicU64,
    /// Bits of the share of the limit that each priority may use.
    share_bits: [AtomicU64; PRIORITIES],
    /// Callers that wait for a place.
    waiting: AtomicU64,
    regime: AtomicU64,
}

/// How places are taken now; see [`super::places`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Regime(u64);

impl Regime {
    /// Each from the gauge.
    pub const EXACT: Self = Self(0);
    /// From what the thread holds spare.
    pub const SPARE: Self = Self(1);
    const HELD_OFF: u64 = 2;

    /// Neither of the two: threads are held off from their own shards until the regime is put back.
    pub const fn holding_off(self) -> Self {
        Self(self.0 | Self::HELD_OFF)
    }
}

impl Limits {
    pub fn new(limit: f64, shares: [f64; PRIORITIES]) -> Self {
        let limits = Self {
            caps: std::array::from_fn(|_| AtomicU64::new(0)),
            limit_bits: AtomicU64::new(0),
            share_bits: shares.map(|share| AtomicU64::new(share.to_bits())),
            waiting: AtomicU64::new(0),
            regime: AtomicU64::new(Regime::EXACT.0),
        };
        limits.set(limit);
        limits
    }

    /// How many calls may be in flight for another one of that class to be admitted.
    #[inline]
    pub fn cap(&self, class: usize) -> u64 {
        self.caps[class].load(Ordering::Relaxed)
    }

    /// The limit in force, as read back.
    pub fn limit(&self) -> f64 {
        f64::from_bits(self.limit_bits.load(Ordering::Relaxed))
    }

    /// Shares the limit that is put in force next in this way.
    pub fn set_shares(&self, shares: [f64; PRIORITIES]) {
        for (bits, share) in self.share_bits.iter().zip(shares) {
            bits.store(share.to_bits(), Ordering::Relaxed);
        }
    }

    /// Puts a limit in force.
    pub fn set(&self, limit: f64) {
        self.put(limit, |share| cap_of(limit, share));
    }

    /// Admits everything; the baseline is what is read back, since nothing that was pushed is in force.
    pub fn open(&self, baseline: f64) {
        self.put(baseline, |_| u64::MAX);
    }

    /// Whether everything is admitted: the kill switch is turned.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.cap(0) == u64::MAX
    }

    /// How places are taken now.
    #[inline]
    pub fn regime(&self) -> Regime {
        // Acquire: with the regime comes what was done to a thread's spare places before it.
        Regime(self.regime.load(Ordering::Acquire))
    }

    /// For whoever holds [`super::places::Places`]'s lock.
    pub fn set_regime(&self, regime: Regime) {
        self.regime.store(regime.0, Ordering::Release);
    }

    /// That of the priority with the largest share.
    pub fn largest_cap(&self) -> u64 {
        self.caps.iter().map(|cap| cap.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// Whether anybody waits for a place.
    #[inline]
    pub fn awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    /// One more caller waits.
    pub fn begin_wait(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// One caller less waits.
    pub fn end_wait(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn put(&self, limit: f64, cap_of: impl Fn(f64) -> u64) {
        self.limit_bits.store(limit.to_bits(), Ordering::Relaxed);
        for (cap, share_bits) in self.caps.iter().zip(&self.share_bits) {
            cap.store(cap_of(f64::from_bits(share_bits.load(Ordering::Relaxed))), Ordering::Relaxed);
        }
    }
}

/// Whole calls: rounded down, but one at least where the limit allows one and the priority is not shut out.
fn cap_of(limit: f64, share: f64) -> u64 {
    if limit < 1.0 || share <= 0.0 {
        return 0;
    }
    // Saturates; a limit is never negative.
    ((limit * share) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::priority::Priority;

    #[test]
    fn caps_follow_limit_and_shares() {
        for (limit, expected) in [
            (100.0, [100, 100, 100, 85, 50]),
            (64.0, [64, 64, 64, 54, 32]),
            (2.9, [2, 2, 2, 2, 1]),
            (1.0, [1, 1, 1, 1, 1]),
            (0.99, [0; 5]),
            (0.0, [0; 5]),
        ] {
            let limits = Limits::new(limit, Priority::DEFAULT_SHARES);
            assert_eq!(std::array::from_fn(|class| limits.cap(class)), expected, "{limit}");
            assert_eq!(limits.limit(), limit);
        }
    }

    #[test]
    fn switched_off_admits_everything_and_is_at_its_baseline() {
        let limits = Limits::new(10.0, [1.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!((limits.cap(0), limits.cap(1)), (10, 0), "a share of 0 shuts a priority out");
        limits.open(50.0);
        assert_eq!((limits.cap(0), limits.cap(1), limits.limit()), (u64::MAX, u64::MAX, 50.0));
    }
}
