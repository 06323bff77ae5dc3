//! How often a place becomes free: what a caller is told to wait.
//!
//! A difference of counters that are there anyway, taken by the session's thread each 50 ms.

use std::time::Duration;

use setpoint_policies::totals::Totals;

#[derive(Debug, Default)]
pub(super) struct Turnover {
    released: u64,
    last_release_nanos: u64,
}

impl Turnover {
    /// The mean time between two places that became free since the last look; `None` while none did.
    pub fn look(&mut self, now: &Totals) -> Option<Duration> {
        let freed = now.released().wrapping_sub(self.released);
        self.released = now.released();
        if freed == 0 {
            return None;
        }
        let since = now.at_nanos.saturating_sub(self.last_release_nanos);
        self.last_release_nanos = now.at_nanos;
        Some(Duration::from_nanos(since / freed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_at_the_mean_period_also_across_the_wrap() {
        let mut turnover = Turnover { released: u64::MAX - 3, ..Turnover::default() };
        let mut seen = Totals { completed: u64::MAX - 3, ..Totals::default() };
        for n in 1..=10 {
            seen.completed = seen.completed.wrapping_add(n);
            seen.at_nanos = n * 50_000_000;
            assert_eq!(turnover.look(&seen), Some(Duration::from_nanos(50_000_000 / n)));
        }
    }

    #[test]
    fn a_place_that_was_long_in_coming_counts_long() {
        let mut turnover = Turnover::default();
        let one = |at_nanos| Totals { at_nanos, failed: 1, ..Totals::default() };
        assert_eq!(turnover.look(&Totals { at_nanos: 50_000_000, ..Totals::default() }), None);
        assert_eq!(turnover.look(&one(3_000_000_000)), Some(Duration::from_secs(3)));
        assert_eq!(turnover.look(&one(3_050_000_000)), None);
    }
}
