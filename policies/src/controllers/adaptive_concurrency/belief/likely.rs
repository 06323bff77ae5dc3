//! What is likely, and what a limit promises then.
//!
//! A decision asks for some twenty limits what each likely hypothesis makes of them, so what does not depend on the limit is
//! worked out once, here.

use super::grid::{CAPACITIES, FLOORS, Grid, SHAPES};
use super::model::{Hypothesis, exp};

/// Hypotheses below this share of the likeliest are not weighed.
const NEGLIGIBLE: f32 = 0.003;

/// Which latencies are in time: all up to `all`, none from `none` on, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct InTime {
    pub(in super::super) all: f64,
    pub(in super::super) none: f64,
    /// What being in time is worth, 0 to 1.
    pub(in super::super) worth: f64,
}

/// The hypotheses that are likely enough to count.
#[derive(Debug, Default)]
pub(in super::super) struct Likely {
    /// Times what being in time is worth.
    probabilities: Vec<f32>,
    hypotheses: Vec<Hypothesis>,
    /// Latency from which no call is in time, and one over how much longer that is than what all survive.
    none: Vec<f32>,
    steepness: Vec<f32>,
}

impl Likely {
    /// Those of a grid; `in_time`: by latency floor, seconds.
    pub(super) fn of(grid: &Grid, in_time: impl Fn(f64) -> InTime) -> Self {
        let cells = grid.weights.as_flattened().as_flattened();
        let least = NEGLIGIBLE * cells.iter().copied().fold(0.0, f32::max);
        let mut likely = Self::default();
        for floor in 0..FLOORS {
            let InTime { all, none, worth } = in_time(f64::from(exp(grid.origin().floor(floor))));
            for shape in 0..SHAPES {
                for capacity in 0..CAPACITIES {
                    let probability = grid.weights[shape][floor][capacity];
                    if probability > least {
                        likely.probabilities.push(probability * worth as f32);
                        likely.hypotheses.push(grid.hypothesis(shape, floor, capacity));
                        likely.none.push(none as f32);
                        likely.steepness.push(1.0 / (none - all) as f32);
                    }
                }
            }
        }
        likely
    }

    /// Answers in time per second with so many calls in flight, when `offered` are asked for.
    pub(in super::super) fn goodput(&self, calls: f64, offered: f64) -> f64 {
        f64::from(self.sum(calls, |throughput| throughput.min(offered as f32)))
    }

    /// Expected calls per second with so many in flight.
    pub(in super::super) fn throughput(&self, calls: f64) -> f32 {
        let ln_calls = calls.max(1e-6).ln() as f32;
        let known = self.probabilities.iter().zip(&self.hypotheses);
        known.map(|(probability, one)| probability * exp(one.throughput(ln_calls))).sum()
    }

    /// Probability that a call is in time with so many in flight.
    pub(in super::super) fn in_time(&self, calls: f64) -> f64 {
        f64::from(self.sum(calls, |_| 1.0) / self.probabilities.iter().sum::<f32>())
    }

    fn sum(&self, calls: f64, worth: impl Fn(f32) -> f32) -> f32 {
        let (calls, ln_calls) = (calls as f32, calls.max(1e-6).ln() as f32);
        let known =
            self.probabilities.iter().zip(&self.hypotheses).zip(self.none.iter().zip(&self.steepness));
        let promised = known.map(|((probability, hypothesis), (none, steepness))| {
            let throughput = exp(hypothesis.throughput(ln_calls));
            let in_time = ((none - calls / throughput) * steepness).clamp(0.0, 1.0);
            probability * worth(throughput) * in_time
        });
        promised.sum()
    }
}

#[cfg(test)]
impl Likely {
    /// Expected latency floor, seconds.
    pub(super) fn floor(&self) -> f32 {
        let known = self.probabilities.iter().zip(&self.hypotheses);
        known.map(|(probability, one)| probability * exp(one.floor)).sum()
    }
}
