//! The newest slices of 50 ms, for the standing-queue test: a queue that never empties shows in the smallest of them.
//!
//! Slices are differences of the counters that are there anyway, taken by the session's thread.

use std::collections::VecDeque;
use std::time::Duration;

use setpoint_policies::totals::{Slice, Totals};

/// Slices kept: 400 ms.
const KEPT: usize = 8;

/// The counters at the end of the last slice.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    completed: u64,
    released: u64,
    success_latency_sum: u64,
}

impl Before {
    fn of(totals: &Totals) -> Self {
        Self {
            completed: totals.completed,
            released: totals.released(),
            success_latency_sum: totals.success_latency_sum,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Slices {
    newest: VecDeque<Slice>,
    before: Before,
    last_release_nanos: u64,
}

impl Slices {
    /// Ends a slice. Returns how often a place became free in it, as a period; `None` while that cannot be said.
    ///
    /// A slice without a success is left out: there is no latency in it, and zero would be a very good one.
    pub fn close(&mut self, now: &Totals) -> Option<Duration> {
        let at_nanos = now.at_nanos;
        let completed = now.completed.wrapping_sub(self.before.completed);
        let latency_sum = now.success_latency_sum.wrapping_sub(self.before.success_latency_sum);
        let freed = now.released().wrapping_sub(self.before.released);
        self.before = Before::of(now);
        if completed > 0 {
            if self.newest.len() == KEPT {
                self.newest.pop_front();
            }
            self.newest.push_back(Slice {
                end_nanos: at_nanos,
                completed: u32::try_from(completed).unwrap_or(u32::MAX),
                mean_seconds: latency_sum as f64 / completed as f64 / 1e9,
            });
        }
        if freed == 0 {
            return None;
        }
        let since = at_nanos.saturating_sub(self.last_release_nanos);
        self.last_release_nanos = at_nanos;
        Some(Duration::from_nanos(since / freed))
    }

    /// The slices kept, oldest first.
    pub fn newest(&self) -> Vec<Slice> {
        self.newest.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_differences_and_the_oldest_goes_first() {
        let mut slices = Slices::default();
        let mut seen = Totals { completed: u64::MAX - 3, success_latency_sum: u64::MAX, ..Totals::default() };
        slices.before = Before::of(&seen);
        let nanos = |n: u64| n * 50_000_000;
        for n in 1..=10 {
            seen.completed = seen.completed.wrapping_add(n);
            seen.success_latency_sum = seen.success_latency_sum.wrapping_add(n * n * 1_000_000);
            seen.at_nanos = nanos(n);
            assert_eq!(slices.close(&seen), Some(Duration::from_nanos(nanos(1) / n)));
        }
        let newest = slices.newest();
        assert_eq!(newest.iter().map(|s| s.completed).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 10]);
        for slice in newest {
            let n = f64::from(slice.completed);
            assert!((slice.mean_seconds - n / 1000.0).abs() < 1e-12, "across the wrap: {slice:?}");
            assert_eq!(slice.end_nanos, nanos(u64::from(slice.completed)));
        }
    }

    #[test]
    fn an_empty_slice_is_no_sample_and_a_place_that_was_long_in_coming_counts_long() {
        let mut slices = Slices::default();
        let one = |at_nanos| Totals { at_nanos, failed: 1, ..Totals::default() };
        assert_eq!(slices.close(&Totals { at_nanos: 50_000_000, ..Totals::default() }), None);
        assert_eq!(slices.close(&one(3_000_000_000)), Some(Duration::from_secs(3)));
        assert_eq!(slices.close(&one(3_050_000_000)), None);
        assert!(slices.newest().is_empty(), "a failure has no latency to learn from");
    }
}
