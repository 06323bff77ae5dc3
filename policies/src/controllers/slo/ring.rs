//! Exact sums over the newest minutes and hours.
//!
//! One slot a minute, six hours of them: two numbers for each, whatever the traffic. A window is the sum of its slots and of
//! the minute that is not over yet, so it is right to the call and up to a minute long.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// Length of a slot.
const SLOT: Duration = Duration::from_secs(60);
/// Slots kept: six hours.
const KEPT: usize = 360;

/// Calls, and those of them that missed the objective.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) calls: u64,
    pub(super) missed: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.missed = self.missed.saturating_add(other.missed);
    }

    /// Share of calls that missed; 0 without any.
    pub(super) fn ratio(self) -> f64 {
        self.missed as f64 / self.calls.max(1) as f64
    }
}

/// The newest six hours.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Minutes that are over, newest last.
    slots: VecDeque<Sum>,
    current: Sum,
    began: Option<Timestamp>,
}

impl Ring {
    /// Moves on to this instant.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let began = *self.began.get_or_insert(now);
        let passed = now.since(began).as_nanos() / SLOT.as_nanos();
        // Of a gap longer than the ring nothing but emptiness would be left.
        for _ in 0..passed.min(KEPT as u128 + 1) {
            if self.slots.len() == KEPT {
                self.slots.pop_front();
            }
            self.slots.push_back(std::mem::take(&mut self.current));
        }
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.began = Some(began + SLOT.saturating_mul(passed));
    }

    /// Counts calls that ended since the last count.
    pub(super) fn count(&mut self, sum: Sum) {
        self.current.add(sum);
    }

    /// The sums of the newest `minutes`; `None` while less is known.
    pub(super) fn newest(&self, minutes: usize) -> Option<Sum> {
        (self.slots.len() >= minutes).then(|| self.known(minutes))
    }

    /// The sums of the newest `minutes`, or of what is known of them.
    pub(super) fn known(&self, minutes: usize) -> Sum {
        let mut sum = self.current;
        self.slots.iter().rev().take(minutes).for_each(|slot| sum.add(*slot));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    proptest! {
        /// A window has every call of its minutes and none that is more than a minute older.
        #[test]
        fn sums_are_exact(
            waits in prop::collection::vec((0u64..400, 0u64..1000, 0u64..1000), 1..300),
            minutes in 1usize..360,
        ) {
            let (mut ring, mut now, mut seen) = (Ring::default(), 0, Vec::new());
            ring.advance(at(0));
            for (wait, calls, missed) in waits {
                now += wait;
                ring.advance(at(now));
                ring.count(Sum { calls, missed });
                seen.push((now, calls, missed));
            }
            let since = (now / 60).saturating_sub(minutes as u64) * 60;
            let (calls, missed) = seen.iter().filter(|(at, ..)| *at >= since)
                .fold((0, 0), |sum, (_, calls, missed)| (sum.0 + calls, sum.1 + missed));
            prop_assert_eq!(ring.known(minutes), Sum { calls, missed });
            prop_assert_eq!(ring.newest(minutes).is_some(), now / 60 >= minutes as u64);
            prop_assert!(ring.slots.len() <= KEPT);
        }
    }

    #[test]
    fn a_long_gap_leaves_nothing_and_costs_no_time() {
        let mut ring = Ring::default();
        ring.advance(at(0));
        ring.count(Sum { calls: 5, missed: 5 });
        ring.advance(Timestamp::from_nanos(u64::MAX));
        assert_eq!(ring.known(KEPT), Sum::default());
    }
}
