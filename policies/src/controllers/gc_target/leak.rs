//! Whether the live heap grows whatever the load, and how fast.
//!
//! ```text
//! own   = live - bytes per call x calls in flight             what the calls in flight do not explain
//! slope = median of the slopes between any two of up to 60 points, two seconds apart (Theil-Sen)
//! ```
//!
//! It counts only where it is no accident: three standard deviations of the Mann-Kendall test, and 4 % of the live heap
//! over the window. Neither sees bursts. Where what the calls explain changes by more than half of the growth, nothing is
//! said: the bytes of a call are an estimate. A cache that fills looks like a leak until it is full, and no test can tell them apart before; so what
//! follows from a slope waits until the heap is at its end anyway (see [`super::drain`]).

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

const POINT_EVERY: Duration = Duration::from_secs(2);
const MOST_POINTS: usize = 60;
const LEAST_POINTS: usize = 8;
const DEVIATIONS: f64 = 3.0;
const LEAST_GROWTH: f64 = 0.04;
/// What the calls explain may vary by this share of the growth.
const FLAT: f64 = 0.5;

#[derive(Debug, Clone, Copy)]
struct Point {
    at: Timestamp,
    own: f64,
    explained: f64,
}

/// The newest minutes of a live heap.
#[derive(Debug, Default)]
pub(super) struct Leak {
    points: VecDeque<Point>,
    slope: Option<f64>,
}

impl Leak {
    /// Takes a live heap and what the calls in flight explain of it, bytes; points that are too near are left out.
    pub(super) fn update(&mut self, at: Timestamp, live: f64, explained: f64) {
        if self.points.back().is_some_and(|last| at.since(last.at) < POINT_EVERY) {
            return;
        }
        if self.points.len() == MOST_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(Point { at, own: live - explained, explained });
        let grown = |slope: f64| slope * self.seconds();
        self.slope = self.growth().filter(|slope| {
            grown(*slope) > LEAST_GROWTH * live && self.explained_spread() <= FLAT * grown(*slope)
        });
    }

    /// Growth in bytes per second that the load does not explain; `None`: not known, or none.
    pub(super) const fn slope(&self) -> Option<f64> {
        self.slope
    }

    fn seconds(&self) -> f64 {
        let ends = self.points.back().zip(self.points.front());
        ends.map_or(0.0, |(last, first)| last.at.since(first.at).as_secs_f64())
    }

    fn growth(&self) -> Option<f64> {
        if self.points.len() < LEAST_POINTS {
            return None;
        }
        let pairs = self.points.iter().enumerate().flat_map(|(i, a)| {
            self.points.range(i + 1..).map(move |b| (b.own - a.own) / b.at.since(a.at).as_secs_f64())
        });
        let mut slopes: Vec<f64> = pairs.collect();
        let score: f64 = slopes.iter().map(|slope| slope.signum()).sum();
        let n = self.points.len() as f64;
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let middle = slopes.len() / 2;
        let (_, median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
        (score > DEVIATIONS * deviation).then_some(*median)
    }

    fn explained_spread(&self) -> f64 {
        let explained = self.points.iter().map(|point| point.explained);
        let (least, most) =
            explained.fold((f64::MAX, f64::MIN), |(low, high), bytes| (bytes.min(low), bytes.max(high)));
        most - least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(live: impl Fn(f64) -> f64, explained: impl Fn(f64) -> f64) -> Option<f64> {
        let mut leak = Leak::default();
        for tick in 0..600_u32 {
            let seconds = 0.1 * f64::from(tick);
            leak.update(Timestamp::from_millis(100 * u64::from(tick)), live(seconds), explained(seconds));
        }
        leak.slope()
    }

    #[test]
    fn w4_a_leak_is_seen_and_what_comes_and_goes_is_not() {
        let leaking = slope(|at| 100.0 + 4.0 * at, |_| 50.0).expect("a leak");
        assert!((leaking - 4.0).abs() < 0.01, "{leaking}");
        assert_eq!(slope(|_| 100.0, |_| 50.0), None);
        assert_eq!(slope(|at| 100.0 + 10.0 * (at % 7.0), |_| 50.0), None, "a sawtooth");
        assert_eq!(slope(|at| 100.0 + if at % 4.0 < 1.0 { 80.0 } else { 0.0 }, |_| 50.0), None, "bursts");
        assert_eq!(slope(|at| 500.0 - at, |_| 50.0), None, "it shrinks");
        assert_eq!(slope(|at| 100.0 + 0.05 * at, |_| 50.0), None, "3 % in a minute");
    }

    #[test]
    fn growth_that_calls_may_explain_is_no_leak() {
        assert_eq!(slope(|at| 100.0 + 10.0 * at, |at| 10.0 * at), None, "they explain all of it");
        assert_eq!(slope(|at| 100.0 + 10.0 * at, |at| 4.0 * at), None, "and a part, as far as can be told");
        assert!(slope(|at| 100.0 + 10.0 * at, |at| at).is_some());
    }

    #[test]
    fn a_few_points_are_not_enough() {
        let mut leak = Leak::default();
        for second in 0..14_u32 {
            leak.update(Timestamp::from_millis(1000 * u64::from(second)), f64::from(second), 0.0);
        }
        assert_eq!(leak.slope(), None);
    }
}
