//! The times of events that were counted but not timed.
//!
//! Events that came between two readings of the clock are taken to have been equally far apart, as far as those before the
//! last reading were. So the time of each follows from its number, and the sum of the times of all that came since the last
//! reading from how many they are: nothing has to be written for one of them but that it came.

use super::super::shard::add;
use super::BUSY;
use crate::sync::{AtomicU64, Ordering};

/// Events of one kind are taken to be at most so far apart, nanoseconds: the mean of admissions, and of releases, at [`BUSY`].
pub(super) const LONGEST_STEP: u64 = 2 * 50_000_000 / BUSY;

/// Events of one kind. Written under the claim of a shard only.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct Series {
    /// When number 0 would have been.
    origin: AtomicU64,
    step: AtomicU64,
    /// The number of the first one whose time is in no sum yet.
    first: AtomicU64,
    /// When the last one was timed.
    timed_at: AtomicU64,
}

impl Series {
    /// The estimated time of one of them.
    #[inline]
    pub fn time(&self, number: u64) -> u64 {
        let [origin, step] = [&self.origin, &self.step].map(|word| word.load(Ordering::Relaxed));
        origin.wrapping_add(step.wrapping_mul(number))
    }

    /// The sum of the times that are in no sum yet, when there have been so many in all.
    #[inline]
    pub fn pending(&self, count: u64) -> u64 {
        let first = self.first.load(Ordering::Relaxed);
        let pending = count.wrapping_sub(first);
        // Where so many are pending that this wraps, no clock is ever sampled and the step is zero.
        let steps = pending.wrapping_mul(pending.wrapping_sub(1)) / 2;
        let steps = self.step.load(Ordering::Relaxed).wrapping_mul(steps);
        self.time(first).wrapping_mul(pending).wrapping_add(steps)
    }

    /// Number `count` is at that time, and what came since the last reading tells how far apart the next ones will be. Gives
    /// the sum of the times that were pending.
    #[inline]
    pub fn read(&self, count: u64, at: u64) -> u64 {
        let pending = self.pending(count);
        let events = count.wrapping_sub(self.first.load(Ordering::Relaxed)).wrapping_add(1);
        let passed = at.saturating_sub(self.timed_at.load(Ordering::Relaxed));
        let step = (passed / events.max(1)).min(LONGEST_STEP);
        self.origin.store(at.wrapping_sub(step.wrapping_mul(count)), Ordering::Relaxed);
        self.step.store(step, Ordering::Relaxed);
        self.first.store(count, Ordering::Relaxed);
        self.timed_at.store(at, Ordering::Relaxed);
        pending
    }
    /// The next one has been added up with a time of its own.
    #[inline]
    pub fn skip(&self) {
        add(&self.first, 1);
    }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests {
    use super::*;

    /// What each event is told is what the sum has for it, whenever that is looked at, and no reading changes what was.
    #[test]
    fn the_sum_of_what_is_pending_is_that_of_the_times_that_were_told() {
        let series = Series::default();
        let (mut told, mut summed, mut count) = (0_u64, 0_u64, u64::from(u32::MAX));
        summed = summed.wrapping_add(series.read(count, 1_000_000));
        let began = summed;
        for (untimed, at) in
            [(0, 1_000_500), (7, 1_004_500), (1, 1_005_500), (14, 1_005_501), (200, 9_000_000_000)]
        {
            for _ in 0..untimed {
                told = told.wrapping_add(series.time(count));
                count += 1;
                assert_eq!(summed.wrapping_add(series.pending(count)), began.wrapping_add(told));
            }
            summed = summed.wrapping_add(series.read(count, at));
            assert_eq!((series.pending(count), series.time(count)), (0, at));
            // This one is timed.
            (told, summed) = (told.wrapping_add(at), summed.wrapping_add(at));
            series.skip();
            count += 1;
            assert_eq!(series.pending(count), 0);
        }
    }

    #[test]
    fn events_are_as_far_apart_as_those_before_and_never_too_far() {
        let series = Series::default();
        series.read(0, 5_000);
        assert_eq!(series.time(1), 5_000 + 5_000, "since zero");
        series.skip();
        // Four more, and this is the fifth.
        series.read(5, 5_500);
        assert_eq!([5, 6, 7].map(|number| series.time(number)), [5_500, 5_600, 5_700]);
        series.skip();
        series.read(6, 3_600_000_000_000);
        assert_eq!(series.time(7) - series.time(6), LONGEST_STEP);
        series.skip();
        series.read(7, 0);
        assert_eq!(series.time(8), 0, "a clock that went back");
    }
}
