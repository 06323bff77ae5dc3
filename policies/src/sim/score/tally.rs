//! The runs of one law in one scenario, all seeds together.

use crate::sim::law::Law;
use crate::sim::plant;
use crate::sim::run::{Counts, Run, SLICE_SECONDS};
use crate::sim::scenario::Scenario;

/// What the runs of a law in a scenario add up to.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Counts of each tenth of a second, all classes and seeds together.
    pub slices: Vec<Counts>,
    /// Counts by class after the warm-up, all seeds together.
    pub classes: Vec<Counts>,
    /// Answers in time after the warm-up, by run.
    pub in_time: Vec<u32>,
    /// Latencies of answers in each tenth of a second, seconds.
    latencies: Vec<Vec<f32>>,
    /// The limit of each run in each tenth of a second.
    limits: Vec<Vec<f64>>,
    /// The same for each instance: by run, by slice, by instance.
    parts: Vec<Vec<Vec<f64>>>,
    /// Events that the plant worked through.
    pub events: u64,
}

impl Tally {
    /// Runs `scenario` once for each seed, with new laws each time.
    pub fn run(scenario: &Scenario, seeds: &[u64], laws: &dyn Fn(u64) -> Vec<Box<dyn Law>>) -> Self {
        let mut tally = Self::default();
        for seed in seeds {
            tally.add(scenario, plant::run(scenario, *seed, laws(*seed)));
        }
        tally
    }

    /// One more run.
    pub fn add(&mut self, scenario: &Scenario, run: Run) {
        let len = self.slices.len().max(run.slices.len());
        self.slices.resize(len, Counts::default());
        self.latencies.resize(len, Vec::new());
        self.classes.resize(scenario.classes.len(), Counts::default());
        let warm = index(scenario.warm_up);
        self.events += run.events;
        let mut limits = Vec::with_capacity(run.slices.len());
        let mut parts = Vec::with_capacity(run.slices.len());
        for (number, slice) in run.slices.into_iter().enumerate() {
            for (class, counts) in slice.classes.iter().enumerate() {
                self.slices[number] += *counts;
                if number >= warm {
                    self.classes[class] += *counts;
                }
            }
            self.latencies[number].extend(slice.latencies);
            limits.push(slice.limit);
            parts.push(slice.limits);
        }
        let before: u32 = self.in_time.iter().sum();
        let all: u32 = self.classes.iter().map(|class| class.in_time).sum();
        self.in_time.push(all - before);
        self.limits.push(limits);
        self.parts.push(parts);
    }

    /// Counts between two times, all seeds together.
    pub fn counts(&self, from: f64, to: f64) -> Counts {
        let mut sum = Counts::default();
        range(&self.slices, from, to).iter().for_each(|slice| sum += *slice);
        sum
    }

    /// A percentile (0 to 1) of the latencies of answers in stretches of time, seconds; `None` without an answer.
    pub fn percentile(&self, rank: f64, stretches: &[(f64, f64)]) -> Option<f64> {
        let stretch = |(from, to): &(f64, f64)| range(&self.latencies, *from, *to);
        let mut all: Vec<f32> = stretches.iter().flat_map(stretch).flatten().copied().collect();
        if all.is_empty() {
            return None;
        }
        let place = ((all.len() - 1) as f64 * rank).round() as usize;
        let (_, value, _) = all.select_nth_unstable_by(place, f32::total_cmp);
        Some(f64::from(*value))
    }

    /// Standard deviation over mean of the limit between two times, mean over the runs; 0 where there is no limit. The
    /// last slice is left out: its limit is the one at its end.
    pub fn unrest(&self, from: f64, to: f64) -> f64 {
        let to = to - SLICE_SECONDS;
        let each = self.limits.iter().map(|limits| relative_deviation(range(limits, from, to)));
        mean(each)
    }

    /// Jain's index of the limits of the instances over their shares of the calls, between two times: 1 when each has
    /// what its calls need, 1/n when one has all. `None` for one instance, or where a limit is infinite.
    pub fn fairness(&self, shares: &[f64], from: f64, to: f64) -> Option<f64> {
        if shares.len() < 2 {
            return None;
        }
        let slices = self.parts.iter().flat_map(|run| range(run, from, to));
        let each = slices.map(|limits| {
            let rates: Vec<f64> = limits.iter().zip(shares).map(|(limit, share)| limit / share).collect();
            let sum: f64 = rates.iter().sum();
            sum * sum / (rates.len() as f64 * rates.iter().map(|rate| rate * rate).sum::<f64>())
        });
        Some(mean(each)).filter(|index| index.is_finite())
    }
}

fn relative_deviation(values: &[f64]) -> f64 {
    let mean = mean(values.iter().copied());
    if !mean.is_finite() || mean <= 0.0 {
        return 0.0;
    }
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    square.sqrt() / mean
}

/// Mean; 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn index(seconds: f64) -> usize {
    (seconds / SLICE_SECONDS).round() as usize
}

fn range<T>(slices: &[T], from: f64, to: f64) -> &[T] {
    let end = index(to).min(slices.len());
    &slices[index(from).min(end)..end]
}
