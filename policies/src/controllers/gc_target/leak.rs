//! Whether the live heap grows whatever the load, and how long that can go on.
//!
//! ```text
//! own   = live - bytes per call x calls in flight             what the calls in flight do not explain
//! slope = median of the slopes between any two of up to 30 points, a second apart (Theil-Sen)
//! left  = (largest sustainable live heap - live) / slope
//! ```
//!
//! A cache that fills looks like a leak until it is full, and no test can tell them apart before. So nothing is said until
//! the live heap is near its end anyway (ratio over 0.9), where a cache that goes on filling is as deadly. The median of
//! slopes does not see bursts, and where the calls in flight change much, nothing is said either: the bytes of a call are
//! an estimate.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

const POINT_EVERY: Duration = Duration::from_secs(1);
const MOST_POINTS: usize = 30;
const LEAST_POINTS: usize = 8;
/// Calls in flight may vary by this share of their mean, and by a handful.
const FLAT_SHARE: f64 = 0.25;
const FLAT_CALLS: f64 = 8.0;

#[derive(Debug, Clone, Copy)]
struct Point {
    at: Timestamp,
    own: f64,
    in_flight: f64,
}

/// The newest seconds of a live heap.
#[derive(Debug, Default)]
pub(super) struct Leak {
    points: VecDeque<Point>,
}

impl Leak {
    /// Takes the live heap less what the calls in flight explain, bytes; points less than a second apart are left out.
    pub(super) fn update(&mut self, at: Timestamp, own: f64, in_flight: f64) {
        if self.points.back().is_some_and(|last| at.since(last.at) < POINT_EVERY) {
            return;
        }
        if self.points.len() == MOST_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(Point { at, own, in_flight });
    }

    /// Growth in bytes per second that the load does not explain; `None`: not known, or none.
    pub(super) fn slope(&self) -> Option<f64> {
        if self.points.len() < LEAST_POINTS || !self.load_is_flat() {
            return None;
        }
        let pairs = self.points.iter().enumerate().flat_map(|(i, a)| {
            self.points.range(i + 1..).map(move |b| (b.own - a.own) / b.at.since(a.at).as_secs_f64())
        });
        let mut slopes: Vec<f64> = pairs.collect();
        let middle = slopes.len() / 2;
        let (_, median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
        (*median > 0.0).then_some(*median)
    }

    fn load_is_flat(&self) -> bool {
        let calls = || self.points.iter().map(|point| point.in_flight);
        let (least, most) = calls().fold((f64::MAX, 0.0), |(low, high), n| (n.min(low), n.max(high)));
        let mean = calls().sum::<f64>() / self.points.len().max(1) as f64;
        most - least <= (2.0 * FLAT_SHARE * mean).max(FLAT_CALLS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(live: impl Fn(u64) -> f64, in_flight: impl Fn(u64) -> f64) -> Option<f64> {
        let mut leak = Leak::default();
        for tick in 0..300 {
            leak.update(Timestamp::from_millis(100 * tick), live(tick), in_flight(tick));
        }
        leak.slope()
    }

    #[test]
    fn a_leak_is_seen_and_a_sawtooth_or_a_burst_is_not() {
        let leaking = slope(|tick| 100.0 + 0.4 * tick as f64, |_| 50.0).expect("a leak");
        assert!((leaking - 4.0).abs() < 0.01, "{leaking}");
        assert_eq!(slope(|_| 100.0, |_| 50.0), None);
        let sawtooth = slope(|tick| 100.0 + (tick % 50) as f64, |_| 50.0);
        assert!(sawtooth.is_none_or(|slope| slope < 1.0), "{sawtooth:?}");
        assert_eq!(slope(|tick| 100.0 - tick as f64, |_| 50.0), None, "it shrinks");
    }

    #[test]
    fn while_the_load_changes_nothing_is_said() {
        assert_eq!(slope(|tick| 100.0 + tick as f64, |tick| tick as f64), None);
    }

    #[test]
    fn a_few_points_are_not_enough() {
        let mut leak = Leak::default();
        for second in 0..7 {
            leak.update(Timestamp::from_millis(1000 * second), second as f64, 1.0);
        }
        assert_eq!(leak.slope(), None);
    }
}
