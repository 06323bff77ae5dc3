//! What a report proves: Bayes' rule over the whole grid.
//!
//! This is most of what a step of the law costs, some four microseconds: loops over rows of fixed length and arithmetic only, so
//! that the compiler does several cells at once.

use super::{CAPACITIES, FLOORS, Grid, SHAPES};
use crate::controllers::adaptive_concurrency::belief::model::{self, exp, higher, lower};

/// A hypothesis stands for the capacities around it as well, as far as this (ln; the middle between two is at 0.116), so a count is
/// compared with the nearest of those it may expect. Otherwise a capacity that lies between two of them would be explained by longer calls instead, which fit
/// a little better at each higher limit, and the limit would climb without end.
const BLUR: f32 = 0.07;

impl Grid {
    /// Bayes' rule; `calls`: ln of calls in flight, for each floor. A report of `served` calls in `seconds` (ln), of which
    /// one proves as much as `certainty` says (0 to 1). Nothing becomes less likely than by `most` (ln).
    pub(in super::super) fn weigh(
        &mut self,
        calls: &[f32; FLOORS],
        served: f32,
        seconds: f32,
        certainty: f32,
        most: f32,
    ) {
        let mut evidence = [[[0.0_f32; CAPACITIES]; FLOORS]; SHAPES];
        let mut best = [-1e30_f32; CAPACITIES];
        let observed = higher(served, 1e-4).ln();
        for floor in 0..FLOORS {
            let rows = self.expected(floor, calls[floor]);
            for ((row, plane), weights) in rows.iter().zip(&mut evidence).zip(self.weights.iter()) {
                for capacity in 0..CAPACITIES {
                    let exactly = row[capacity] + seconds;
                    let nearest = exactly + lower(higher(observed - exactly, -BLUR), BLUR);
                    let expected = higher(nearest, -9.0);
                    let found = certainty * (served * expected - exp(expected));
                    plane[floor][capacity] = found;
                    let counts = if weights[floor][capacity] > 1e-9 { found } else { -1e30 };
                    best[capacity] = higher(counts, best[capacity]);
                }
            }
        }
        let best = best.into_iter().fold(f32::NEG_INFINITY, f32::max);
        for (weight, evidence) in self
            .weights
            .as_flattened_mut()
            .as_flattened_mut()
            .iter_mut()
            .zip(evidence.as_flattened().as_flattened())
        {
            *weight *= exp((evidence - best).clamp(-most, 3.0));
        }
    }

    /// ln of the calls per second that each shape and capacity expects at a floor: `Hypothesis::throughput` of all, with one
    /// corner for all shapes. Once they decline they are below the others, and not before.
    #[inline]
    pub(in super::super) fn expected(&self, floor: usize, calls: f32) -> [[f32; CAPACITIES]; SHAPES] {
        let mut rows = [[0.0; CAPACITIES]; SHAPES];
        let [free, crowded @ ..] = &mut rows;
        let above = calls - self.origin.floor(floor);
        for (at, free) in free.iter_mut().enumerate() {
            let capacity = self.origin.capacity(at);
            *free = capacity - model::corner(above - capacity, self.powers[floor][at]);
        }
        for ((row, (from, decline)), knees) in crowded.iter_mut().zip(&model::SHAPES[1..]).zip(&self.knees) {
            for (at, expected) in row.iter_mut().enumerate() {
                let capacity = self.origin.capacity(at);
                let declined = capacity - knees[floor][at] - decline * (above - capacity - from);
                *expected = lower(free[at], declined);
            }
        }
        rows
    }
}
