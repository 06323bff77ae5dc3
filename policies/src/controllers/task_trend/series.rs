//! A robust trend: minutes to hours of a number in sixty points.
//!
//! Each point is the median of its share of the window, so that a spike is no point. The slope is Theil and Sen's, the median of
//! the slopes between all pairs: three points in ten may be nonsense without moving it much, while a least-squares line
//! follows a single one. Sixty points have 1,770 pairs, looked at once per point.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// Points in the window.
const POINTS: usize = 60;
/// Samples behind a point.
const PER_POINT: u32 = 6;
/// Points that say where it is now.
const NEWEST: usize = 5;
/// Parts of the window that are compared with each other.
const PARTS: usize = 6;
/// Of the steps between parts, this many must go up.
const RISING: usize = 4;
/// And by this share of the mean step.
const MATTERS: f64 = 0.2;

/// A number that grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    /// Where it is.
    pub(super) now: f64,
    /// How much more each second; above 0.
    pub(super) per_second: f64,
}

/// The newest part of a number's history.
#[derive(Debug)]
pub(super) struct Series {
    spacing: Duration,
    bucket: Vec<f64>,
    bucket_since: Option<Timestamp>,
    sampled_at: Option<Timestamp>,
    /// Seconds and value.
    points: VecDeque<(f64, f64)>,
}

impl Series {
    pub(super) fn new(window: Duration) -> Self {
        let spacing = window / u32::try_from(POINTS).expect("a small number");
        let (bucket, points) = (Vec::new(), VecDeque::with_capacity(POINTS));
        Self { spacing, bucket, bucket_since: None, sampled_at: None, points }
    }

    /// Takes in a reading; true when that completes a point.
    pub(super) fn push(&mut self, now: Timestamp, value: f64) -> bool {
        if self.sampled_at.is_some_and(|last| now.since(last) < self.spacing / PER_POINT) {
            return false;
        }
        self.sampled_at = Some(now);
        let since = *self.bucket_since.get_or_insert(now);
        let complete = now.since(since) >= self.spacing;
        if complete {
            // After a gap what was known before says little about how it goes on.
            if now.since(since) > self.spacing * PER_POINT {
                self.points.clear();
            }
            self.bucket.sort_by(f64::total_cmp);
            if self.points.len() == POINTS {
                self.points.pop_front();
            }
            self.points.push_back((since.as_secs_f64(), self.bucket[self.bucket.len() / 2]));
            self.bucket.clear();
            self.bucket_since = Some(now);
        }
        self.bucket.push(value);
        complete
    }

    /// Where it is and how fast it grows, if it does so all the time; `None` when it does not, or the window is not full yet.
    ///
    /// Where the newest third grows more slowly, it counts, and less the more it does: what flattens is on its way to a level,
    /// not to a limit.
    pub(super) fn growth(&self) -> Option<Growth> {
        if self.points.len() < POINTS || !self.is_steady() {
            return None;
        }
        let (whole, newest) = (slope(self.points.iter())?, slope(self.points.iter().skip(POINTS * 2 / 3))?);
        let per_second = if newest < whole { newest * (newest / whole).max(0.0) } else { whole };
        // A spike is not where it is. The middle of the newest points is half of their length ago.
        let level = median(self.points.iter().rev().take(NEWEST))?;
        let now = level + per_second * self.spacing.as_secs_f64() * NEWEST as f64 / 2.0;
        (per_second > 0.0).then_some(Growth { now, per_second })
    }

    /// Whether it went up in nearly every part of the window, and down in none: a step goes up once, a wave comes down.
    fn is_steady(&self) -> bool {
        let size = POINTS / PARTS;
        let level = |part| median(self.points.iter().skip(part * size).take(size)).unwrap_or_default();
        let levels: [f64; PARTS] = std::array::from_fn(level);
        let mean_step = (levels[PARTS - 1] - levels[0]) / (PARTS - 1) as f64;
        let steps = levels.windows(2).map(|pair| pair[1] - pair[0]);
        let rising = steps.clone().filter(|step| *step > MATTERS * mean_step).count();
        let falls = steps.clone().any(|step| step < -mean_step);
        mean_step > 0.0 && rising >= RISING && !falls
    }
}

/// The median of the values of points.
fn median<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> Option<f64> {
    let mut values: Vec<_> = points.map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The median of the slopes between all pairs.
fn slope<'a>(points: impl Iterator<Item = &'a (f64, f64)> + Clone) -> Option<f64> {
    let mut slopes = Vec::new();
    for (index, (at, value)) in points.clone().enumerate() {
        let later = points.clone().skip(index + 1).filter(|(later, _)| later > at);
        slopes.extend(later.map(|(later, then)| (then - value) / (later - at)));
    }
    let middle = slopes.len() / 2;
    if slopes.is_empty() {
        return None;
    }
    Some(*slopes.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn growth(value: impl Fn(f64) -> f64) -> Option<f64> {
        let mut series = Series::new(WINDOW);
        for second in 0..=620u32 {
            let at = f64::from(second);
            series.push(Timestamp::ZERO + Duration::from_secs_f64(at), value(at));
        }
        series.growth().map(|growth| growth.per_second)
    }

    #[test]
    fn a_third_of_nonsense_does_not_move_the_slope() {
        let clean = growth(|at| 5.0 * at).expect("grows");
        assert!((clean - 5.0).abs() < 1e-6, "{clean}");
        let spiky = |at: f64| 5.0 * at + if at as u64 % 40 < 12 { 1e6 } else { 0.0 };
        let found = growth(spiky).expect("grows");
        assert!((found - 5.0).abs() < 1.0, "{found}");
    }

    #[test]
    fn what_does_not_grow_all_the_time_has_no_growth() {
        type Shape = fn(f64) -> f64;
        let shapes: [(&str, Shape); 6] = [
            ("flat", |_| 7.0),
            ("falling", |at| -at),
            ("a step", |at| if at > 300.0 { 1000.0 } else { 10.0 }),
            ("two steps", |at| (at / 210.0).floor() * 500.0),
            ("a wave that ends high", |at| at + 500.0 * (at * std::f64::consts::TAU / 400.0).sin()),
            ("not a number", |_| f64::NAN),
        ];
        for (name, shape) in shapes {
            assert_eq!(growth(shape), None, "{name}");
        }
        let flattening = growth(|at| 1000.0 * (1.0 - (-at / 120.0).exp()));
        assert!(flattening.is_none_or(|slope| slope < 0.2), "{flattening:?}, 1.7 on the whole");
    }

    #[test]
    fn a_gap_starts_it_over_and_it_stays_bounded() {
        let mut series = Series::new(WINDOW);
        let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
        for second in 0..5000 {
            series.push(at(second), second as f64);
        }
        assert!(series.growth().is_some() && series.points.len() == POINTS);
        assert!(series.bucket.len() <= 2 * PER_POINT as usize, "{}", series.bucket.len());
        series.push(at(6000), 6000.0);
        assert_eq!(series.growth(), None);
    }
}
