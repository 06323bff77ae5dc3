//! What the three Netflix laws share: the limiter around a limit, and the window around a law.
//!
//! Source: Netflix `concurrency-limits` 0.5.4 (main of 2026-01): `SimpleLimiter`, `AbstractLimiter`, `WindowedLimit`
//! with `AverageSampleWindow`, and the gRPC server interceptor for what counts as a drop.
//!
//! | end of the call | there | here |
//! |---|---|---|
//! | answered in time | `onSuccess`, a sample | [`End::InTime`] |
//! | deadline exceeded, caller gone | `onDropped`, a sample with the drop flag | [`End::Late`] |
//! | refused by the service for overload | `onDropped` | [`End::Dropped`] |
//! | failed for another reason | `onIgnore`, no sample | [`End::Failed`] |
//!
//! The window (1 s, at least 10 samples of 100 us or more) hands its law the mean latency, the highest number of calls
//! in flight, and whether anything was dropped. A window with fewer samples is thrown away.

use std::time::Duration;

use crate::sim::law::{Arrival, End, Ended, Law};
use crate::time::Timestamp;

/// What a law is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// When the call, or the last call of the window, ended.
    pub(super) at: Timestamp,
    /// Latency, seconds; of a window its mean.
    pub(super) seconds: f64,
    /// Calls in flight when it began, with itself; of a window the highest.
    pub(super) in_flight: u32,
    /// Timed out or refused; of a window any of its calls.
    pub(super) dropped: bool,
    /// A uniform draw from 0 to 1.
    pub(super) chance: f64,
}

/// A limit that learns from samples.
pub(super) trait Limit {
    /// Takes a sample in.
    fn update(&mut self, sample: &Sample);

    /// Calls that may be in flight.
    fn limit(&self) -> u32;
}

/// Admits while calls in flight are fewer than the limit.
#[derive(Debug)]
pub(super) struct Limiter<L> {
    law: L,
    chance: f64,
}

impl<L: Limit> Limiter<L> {
    /// Around a law.
    pub(super) fn new(law: L) -> Self {
        Self { law, chance: 0.5 }
    }
}

impl<L: Limit> Law for Limiter<L> {
    fn admit(&mut self, call: &Arrival) -> bool {
        self.chance = call.chance;
        call.in_flight < self.law.limit()
    }

    fn ended(&mut self, call: &Ended) {
        if call.end == End::Failed {
            return;
        }
        self.law.update(&Sample {
            at: call.at,
            seconds: call.latency.as_secs_f64(),
            in_flight: call.in_flight_at_start,
            dropped: matches!(call.end, End::Late | End::Dropped),
            chance: self.chance,
        });
    }

    fn limit(&self) -> f64 {
        f64::from(self.law.limit())
    }
}

const WINDOW: Duration = Duration::from_secs(1);
const SHORTEST_SECONDS: f64 = 100e-6;
const FEWEST_SAMPLES: u32 = 10;

/// Hands a law one sample a window.
#[derive(Debug)]
pub(super) struct Windowed<L> {
    law: L,
    next: Timestamp,
    sum: f64,
    count: u32,
    in_flight: u32,
    dropped: bool,
}

impl<L: Limit> Windowed<L> {
    /// Around a law.
    pub(super) fn new(law: L) -> Self {
        Self { law, next: Timestamp::ZERO, sum: 0.0, count: 0, in_flight: 0, dropped: false }
    }
}

impl<L: Limit> Limit for Windowed<L> {
    fn update(&mut self, sample: &Sample) {
        if sample.seconds < SHORTEST_SECONDS {
            return;
        }
        self.sum += sample.seconds;
        self.count += 1;
        self.in_flight = self.in_flight.max(sample.in_flight);
        self.dropped |= sample.dropped;
        if sample.at <= self.next {
            return;
        }
        self.next = sample.at + WINDOW;
        if self.count >= FEWEST_SAMPLES {
            let seconds = self.sum / f64::from(self.count);
            self.law.update(&Sample { seconds, in_flight: self.in_flight, dropped: self.dropped, ..*sample });
        }
        (self.sum, self.count, self.in_flight, self.dropped) = (0.0, 0, 0, false);
    }

    fn limit(&self) -> u32 {
        self.law.limit()
    }
}

/// `max(1, floor(log10(limit)))`, the step of Vegas.
pub(super) fn log10_root(limit: f64) -> f64 {
    limit.log10().floor().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::trace::{arrival, ended};

    #[derive(Default)]
    struct Seen(Vec<(f64, u32, bool)>);

    impl Limit for Seen {
        fn update(&mut self, sample: &Sample) {
            self.0.push((sample.seconds, sample.in_flight, sample.dropped));
        }
        fn limit(&self) -> u32 {
            7
        }
    }

    /// The first sample closes a window of one, which is too few. The next ten come within a second; the one at
    /// 1.02 s closes: latencies 10 x 20 ms and 1 x 130 ms, mean (200 + 130) / 11 = 30 ms.
    #[test]
    fn a_window_hands_on_its_mean_its_peak_and_its_drops() {
        let mut limiter = Limiter::new(Windowed::new(Seen::default()));
        limiter.ended(&ended(10, 500, 1, End::InTime));
        for n in 1..=10 {
            limiter.ended(&ended(10 + n, 20, n as u32, if n == 3 { End::Dropped } else { End::InTime }));
        }
        limiter.ended(&ended(20, 5000, 90, End::Failed));
        assert!(limiter.law.law.0.is_empty());
        limiter.ended(&ended(1020, 130, 4, End::InTime));
        let (seconds, in_flight, dropped) = limiter.law.law.0[0];
        assert!((seconds - 0.030).abs() < 1e-12);
        assert_eq!((in_flight, dropped, limiter.law.law.0.len()), (10, true, 1));
    }

    #[test]
    fn admits_below_the_limit_only() {
        let mut limiter = Limiter::new(Seen::default());
        assert!(limiter.admit(&arrival(0, 6)));
        assert!(!limiter.admit(&arrival(0, 7)));
    }

    #[test]
    fn the_step_is_at_least_one() {
        assert_eq!([0.0, 1.0, 99.0, 100.0, 1000.0].map(log10_root), [1.0, 1.0, 1.0, 2.0, 3.0]);
    }
}
