//! Netflix Gradient2: the limit follows the ratio of long-term to current latency.
//!
//! Source: Netflix `concurrency-limits` 0.5.4 (main of 2026-01), `Gradient2Limit`, `ExpAvgMeasurement`. Per sample:
//!
//! ```text
//! long      = mean of the first 10 samples, then long + 2/601 (short - long)
//! long     *= 0.95 afterwards, if long / short > 2
//! no change if in_flight < limit / 2
//! gradient  = clamp(1.5 long / short, 0.5, 1)
//! limit     = clamp(0.8 limit + 0.2 (limit gradient + 4), 20, max)
//! ```
//!
//! Defaults: initial and lowest limit 20, tolerance 1.5, smoothing 0.2, queue size 4. The highest is 200 there and
//! [`HIGHEST`] here. The project's own example wraps it in a 1 s window, and so does the scoreboard's `gradient2`;
//! `gradient2-raw` is the same law per call. Drops are no input: the law ignores the flag.

use super::HIGHEST;
use super::netflix::{Limit, Sample};

const INITIAL: f64 = 20.0;
const LOWEST: f64 = 20.0;
const SMOOTHING: f64 = 0.2;
const QUEUE: f64 = 4.0;
const TOLERANCE: f64 = 1.5;
const LONG_FACTOR: f64 = 2.0 / 601.0;
const WARM_UP: u32 = 10;

/// The law.
#[derive(Debug)]
pub(super) struct Gradient2 {
    limit: f64,
    long: f64,
    sum: f64,
    count: u32,
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self { limit: INITIAL, long: 0.0, sum: 0.0, count: 0 }
    }
}

impl Gradient2 {
    fn add_to_long(&mut self, short: f64) -> f64 {
        if self.count < WARM_UP {
            self.count += 1;
            self.sum += short;
            self.long = self.sum / f64::from(self.count);
        } else {
            self.long = self.long * (1.0 - LONG_FACTOR) + short * LONG_FACTOR;
        }
        let long = self.long;
        if long / short > 2.0 {
            self.long *= 0.95;
        }
        long
    }
}

impl Limit for Gradient2 {
    fn update(&mut self, sample: &Sample) {
        let short = sample.seconds;
        let long = self.add_to_long(short);
        if f64::from(sample.in_flight) < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * long / short).clamp(0.5, 1.0);
        let target = self.limit * gradient + QUEUE;
        self.limit = (self.limit * (1.0 - SMOOTHING) + target * SMOOTHING).clamp(LOWEST, HIGHEST);
    }

    fn limit(&self) -> u32 {
        self.limit as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::law::{End, Law};
    use crate::sim::peers::netflix::Limiter;
    use crate::sim::peers::trace::ended;

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = Gradient2::default();
        let mut feed = |milliseconds: f64, in_flight| {
            law.update(&Sample {
                at: crate::time::Timestamp::ZERO,
                seconds: milliseconds / 1000.0,
                in_flight,
                dropped: true,
                chance: 0.5,
            });
            (law.limit, law.long * 1000.0)
        };
        let near = |(limit, long): (f64, f64), (by_hand, long_by_hand): (f64, f64)| {
            assert!((limit - by_hand).abs() < 1e-9 && (long - long_by_hand).abs() < 1e-9, "{limit} {long}");
        };
        // long = 10; gradient = min(1, 15/10) = 1; 0.8 x 20 + 0.2 x (20 + 4) = 20.8
        near(feed(10.0, 20), (20.8, 10.0));
        // app limited: 10 < 10.4, only the mean moves: (10 + 10) / 2
        near(feed(10.0, 10), (20.8, 10.0));
        // 11 >= 10.4: 20.8 + 0.2 x 4
        near(feed(10.0, 11), (21.6, 10.0));
        // long = (30 + 50) / 4 = 20; gradient = 30/50 = 0.6; 0.8 x 21.6 + 0.2 x (12.96 + 4) = 17.28 + 3.392 = 20.672
        near(feed(50.0, 21), (20.672, 20.0));
        // long = (80 + 120) / 5 = 40; gradient = max(0.5, 60/120 = 0.5); 16.5376 + 0.2 x (10.336 + 4) = 19.4048 -> 20
        near(feed(120.0, 21), (20.0, 40.0));
        // long = (200 + 10) / 6 = 35; 35/10 > 2, so afterwards 35 x 0.95 = 33.25; gradient 1: 20.8
        near(feed(10.0, 21), (20.8, 33.25));
    }

    #[test]
    fn after_ten_samples_the_long_term_moves_slowly() {
        let mut limiter = Limiter::new(Gradient2::default());
        (0..10).for_each(|n| limiter.ended(&ended(n, 10, 1, End::InTime)));
        limiter.ended(&ended(11, 11, 1, End::InTime));
        // 10 + 2/601 x 1 ms = 10.003327787... ms; app limited all the time
        let mut same = Gradient2 { limit: 20.0, long: 0.010 + 0.001 * 2.0 / 601.0, sum: 0.1, count: 10 };
        let sample = Sample {
            at: crate::time::Timestamp::ZERO,
            seconds: 0.030,
            in_flight: 20,
            dropped: false,
            chance: 0.0,
        };
        same.update(&sample);
        limiter.ended(&ended(12, 30, 20, End::InTime));
        assert_eq!(limiter.limit(), f64::from(same.limit()));
        // long = 10.00333 + 2/601 x 19.99667 = 10.06987; gradient = 1.5 x 10.06987 / 30 = 0.50349
        // 0.8 x 20 + 0.2 x (20 x 0.50349 + 4) = 16 + 2.81398 = 18.8 -> 20
        assert_eq!(limiter.limit(), 20.0);
    }
}
