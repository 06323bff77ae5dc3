//! When the next request is due.
//!
//! The schedule is pure: time is an argument (`Duration` since the start), the next due time is a result. A rate that changes
//! while a request is awaited is handled by the time-change theorem: each gap needs a fixed amount of "work" (1 for uniform
//! arrivals, exponential with mean 1 for Poisson), consumed at `rate` per second. So a change takes effect at once, keeps
//! Poisson arrivals Poisson, and a seed gives the same sequence of gaps whatever the rates.

use std::time::Duration;

use crate::rng::Rng;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// Independent users: exponential gaps.
    Poisson,
    /// A metronome.
    Uniform,
}

/// A schedule of arrivals at a rate that may change.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    rng: Rng,
    rate_per_second: f64,
    /// Work that the pending gap still needs, as of `since`.
    need: f64,
    since: Duration,
}

impl Schedule {
    /// Begins at zero. A rate that is not a positive number is a pause.
    pub fn new(arrivals: Arrivals, rate_per_second: f64, seed: u64) -> Self {
        let mut schedule =
            Self { arrivals, rng: Rng::new(seed), rate_per_second, need: 0.0, since: Duration::ZERO };
        schedule.need = schedule.gap();
        schedule
    }

    fn gap(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Poisson => self.rng.exponential(),
            Arrivals::Uniform => 1.0,
        }
    }

    /// When the pending request is due; `None` during a pause.
    pub fn due(&self) -> Option<Duration> {
        let wait_seconds = self.need / self.rate_per_second;
        let wait = Duration::try_from_secs_f64(wait_seconds).ok().filter(|_| self.rate_per_second > 0.0)?;
        self.since.checked_add(wait)
    }

    /// The pending request has been sent: the next one is pending, counted from when this one was due.
    pub fn advance(&mut self) {
        if let Some(due) = self.due() {
            self.since = due;
            self.need = self.gap();
        }
    }

    /// The rate is `rate_per_second` from `now` on; what the pending gap has consumed so far stays consumed. Requests that
    /// are due by `now` must have been taken before: of several overdue ones only the first would be left.
    pub fn change_rate(&mut self, now: Duration, rate_per_second: f64) {
        let elapsed = now.saturating_sub(self.since);
        if self.rate_per_second > 0.0 {
            self.need = (self.need - elapsed.as_secs_f64() * self.rate_per_second).max(0.0);
        }
        self.since = self.since.max(now);
        self.rate_per_second = rate_per_second;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(schedule: &mut Schedule, count: usize) -> Vec<Duration> {
        let one = |_| {
            let due = schedule.due().expect("not paused");
            schedule.advance();
            due
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn uniform_is_a_metronome() {
        let due = take(&mut Schedule::new(Arrivals::Uniform, 100.0, 0), 3);
        assert_eq!(due, [10, 20, 30].map(Duration::from_millis));
    }

    #[test]
    fn same_seed_same_schedule_and_other_seed_another() {
        let of = |seed| take(&mut Schedule::new(Arrivals::Poisson, 500.0, seed), 50);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn poisson_has_its_rate_and_its_variance() {
        let due = take(&mut Schedule::new(Arrivals::Poisson, 1000.0, 3), 20_000);
        let rate = due.len() as f64 / due.last().unwrap().as_secs_f64();
        assert!((rate / 1000.0 - 1.0).abs() < 0.03, "rate {rate}");
        let mut per_100ms = vec![0.0; 190];
        for at in &due {
            if let Some(count) = per_100ms.get_mut((at.as_secs_f64() * 10.0) as usize) {
                *count += 1.0;
            }
        }
        let mean = per_100ms.iter().sum::<f64>() / 190.0;
        let variance = per_100ms.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>() / 190.0;
        assert!((0.7..1.4).contains(&(variance / mean)), "index of dispersion {}", variance / mean);
    }

    #[test]
    fn a_change_of_rate_acts_at_once_and_keeps_what_was_waited() {
        let mut schedule = Schedule::new(Arrivals::Uniform, 1.0, 0);
        schedule.change_rate(Duration::from_millis(500), 100.0); // half of the gap is consumed
        assert_eq!(schedule.due(), Some(Duration::from_millis(505)));
    }

    #[test]
    fn zero_pauses_and_a_rate_wakes_it_without_a_burst() {
        let mut schedule = Schedule::new(Arrivals::Uniform, 10.0, 0);
        schedule.change_rate(Duration::from_millis(50), 0.0);
        assert_eq!(schedule.due(), None);
        schedule.advance(); // nothing is pending: no effect
        schedule.change_rate(Duration::from_secs(60), 10.0);
        assert_eq!(take(&mut schedule, 2), [60_050, 60_150].map(Duration::from_millis));
        for nonsense in [f64::NAN, -1.0, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
            let schedule = Schedule::new(Arrivals::Uniform, nonsense, 0);
            assert_eq!(schedule.due(), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn changing_to_the_same_rate_changes_nothing(seed: u64, at_ms in 0u64..3000, rate in 1.0f64..2000.0) {
            let plain = take(&mut Schedule::new(Arrivals::Poisson, rate, seed), 20);
            let mut split = Schedule::new(Arrivals::Poisson, rate, seed);
            let at = Duration::from_millis(at_ms);
            let mut seen = Vec::new();
            let mut changed = false;
            while seen.len() < 20 {
                let due = split.due().expect("not paused");
                if !changed && due > at {
                    split.change_rate(at, rate);
                    changed = true;
                    continue;
                }
                seen.push(due);
                split.advance();
            }
            for (a, b) in plain.iter().zip(&seen) {
                prop_assert!(a.abs_diff(*b) < Duration::from_micros(1), "{a:?} {b:?}");
            }
        }
    }
}
