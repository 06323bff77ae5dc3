//! A run as curves: what a plot and a page draw.

use setpoint_policies::sim::run::{Run, SLICE_SECONDS};

/// Most points of a curve; more cannot be seen.
const POINTS: usize = 400;
/// Fewest points of a curve, however few calls there are.
const FEWEST: usize = 60;
/// Answers that a point rests on, on average: of fewer a steady rate looks like noise.
const ANSWERS: usize = 30;
/// A percentile of fewer seconds than these is mostly chance.
const PERCENTILE_SECONDS: f64 = 0.5;

/// One run over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Series {
    pub(super) points: Vec<Point>,
    /// What was decided: seconds, instance, text.
    pub(super) log: Vec<(f64, usize, String)>,
}

/// A short stretch of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    /// Its middle, seconds.
    pub(super) at: f64,
    /// Mean limit of all instances; `None` without one.
    pub(super) limit: Option<f64>,
    /// Mean of calls in flight.
    pub(super) in_flight: f64,
    /// 99th percentile of the latency of answers, seconds.
    pub(super) p99: Option<f64>,
    /// Answers in time per second.
    pub(super) goodput: f64,
    /// Attempts per second.
    pub(super) offered: f64,
}

impl Series {
    pub(super) fn of(run: &Run) -> Self {
        let step = step(run);
        let length = step as f64 * SLICE_SECONDS;
        let points = run.slices.chunks(step).enumerate().map(|(number, slices)| {
            let (from, count) = (number as f64 * length, slices.len() as f64);
            let to = from + count * SLICE_SECONDS;
            let counts = run.counts(from, to);
            let limit = slices.iter().map(|slice| slice.limit).sum::<f64>() / count;
            Point {
                at: (from + to) / 2.0,
                limit: limit.is_finite().then_some(limit),
                in_flight: slices.iter().map(|slice| slice.in_flight).sum::<f64>() / count,
                p99: run.percentile(0.99, (to - length.max(PERCENTILE_SECONDS)).max(0.0), to),
                goodput: f64::from(counts.in_time) / (to - from),
                offered: f64::from(counts.arrived) / (to - from),
            }
        });
        let log = run.log.iter().map(|(at, instance, text)| (at.as_secs_f64(), *instance, text.clone()));
        Self { points: points.collect(), log: log.collect() }
    }

    /// The highest of some figure.
    pub(super) fn most(&self, figure: impl Fn(&Point) -> Option<f64>) -> f64 {
        self.points.iter().filter_map(figure).fold(0.0, f64::max)
    }
}

/// Slices for a point.
fn step(run: &Run) -> usize {
    let slices = run.slices.len();
    let answers: usize = run.slices.iter().map(|slice| slice.latencies.len()).sum();
    let enough = (ANSWERS * slices).div_ceil(answers.max(1));
    enough.clamp(2, (slices / FEWEST).max(2)).max(slices.div_ceil(POINTS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use setpoint_policies::sim::run::{Counts, Slice};

    #[test]
    fn stretches_are_means_and_rates() {
        let slice = |limit, in_time| Slice {
            classes: vec![Counts { arrived: 20, in_time, ..Counts::default() }],
            limit,
            in_flight: limit / 2.0,
            latencies: vec![0.25],
            ..Slice::default()
        };
        let run =
            Run { slices: vec![slice(10.0, 10), slice(20.0, 30), slice(f64::INFINITY, 0)], ..Run::default() };
        let series = Series::of(&run);
        assert_eq!(series.points.len(), 2);
        let first = series.points[0];
        assert_eq!((first.limit, first.in_flight, first.p99), (Some(15.0), 7.5, Some(0.25)));
        assert!((first.goodput - 200.0).abs() < 1e-6 && (first.offered - 200.0).abs() < 1e-6);
        assert_eq!(series.points[1].limit, None);
        assert!((series.points[1].at - 0.25).abs() < 1e-9);
        assert_eq!(series.most(|point| point.limit), 15.0);
    }

    #[test]
    fn few_calls_make_wide_stretches() {
        let slice = |answers| Slice { latencies: vec![0.1; answers], ..Slice::default() };
        let points =
            |answers| Series::of(&Run { slices: vec![slice(answers); 600], ..Run::default() }).points.len();
        assert_eq!([points(100), points(5), points(0)], [300, 100, 60]);
    }

    #[test]
    fn a_long_run_has_no_more_points_than_can_be_seen() {
        let slice = Slice { latencies: vec![0.1; 99], ..Slice::default() };
        let run = Run { slices: vec![slice; 6001], ..Run::default() };
        assert!((300..=POINTS).contains(&Series::of(&run).points.len()));
    }
}
