//! What a service may turn into.
//!
//! Once in several seconds, for all that is known, the floor, the capacity or both are somewhere else. Without that a filter
//! becomes so sure that it takes minutes to change its mind. Where they may be is said by experience: the floor seen without
//! overload or longer (a slower dependency), seldom shorter; the highest throughput of the last minutes or less, seldom more. A
//! service whose calls take less than one worker needs (`C s < 1`) is unusual.

use super::grid::{CAPACITIES, Cells, FLOORS, Origin, Plane, SHAPES};
use super::model::exp;

/// Jumps per second ...
const HAZARD: f32 = 0.12;
/// ... of the capacity, of the floor, of both, of the shape.
const JUMPS: [f32; 4] = [0.3, 0.1, 0.5, 0.1];
/// Steps to a neighbour per second.
const DRIFT: f32 = 0.05;
/// Powers by which hypotheses lose probability: longer and shorter floors, more and less capacity.
const LONGER: f32 = 0.5;
const SHORTER: f32 = 5.0;
const SHORTER_UNCERTAIN: f32 = 1.0;
const MORE: f32 = 0.5;
const LESS: f32 = 0.2;
/// A floor and a capacity that would need less than a whole worker.
const LESS_THAN_ONE: f32 = 0.05;
/// Services that get less done when crowded.
const CROWDS: f32 = 0.05;

const SHAPE: [f32; SHAPES] = [1.0 - 2.0 * CROWDS, CROWDS, CROWDS];

/// Probabilities of what comes after a jump.
#[derive(Debug)]
pub(super) struct Prior {
    both: Plane,
    /// One over the sum of each row (one floor) and each column (one capacity).
    rows: [f32; FLOORS],
    columns: [f32; CAPACITIES],
    aimed: Option<(Origin, f32, bool, f32)>,
}

impl Default for Prior {
    fn default() -> Self {
        Self {
            both: [[0.0; CAPACITIES]; FLOORS],
            rows: [0.0; FLOORS],
            columns: [0.0; CAPACITIES],
            aimed: None,
        }
    }
}

impl Prior {
    /// Centres on a floor (ln seconds) and a capacity (ln calls per second).
    pub(super) fn aim(&mut self, origin: Origin, floor: f32, certain: bool, capacity: f32) {
        let close = |(at, near, sure, best): (Origin, f32, bool, f32)| {
            at == origin && sure == certain && (near - floor).abs() < 0.02 && (best - capacity).abs() < 0.02
        };
        if self.aimed.is_some_and(close) {
            return;
        }
        self.aimed = Some((origin, floor, certain, capacity));
        let shorter = if certain { SHORTER } else { SHORTER_UNCERTAIN };
        for row in 0..FLOORS {
            let longer = origin.floor(row) - floor;
            let of_floor = if longer < 0.0 { shorter * longer } else { -LONGER * longer };
            for column in 0..CAPACITIES {
                let more = origin.capacity(column) - capacity;
                let of_capacity = if more < 0.0 { LESS * more } else { -MORE * more };
                let small = origin.floor(row) + origin.capacity(column) < -0.22;
                let weight = exp(of_floor + of_capacity) * if small { LESS_THAN_ONE } else { 1.0 };
                self.both[row][column] = weight;
            }
        }
        self.normalise();
    }

    fn normalise(&mut self) {
        let sum: f32 = self.both.as_flattened().iter().sum();
        self.both.as_flattened_mut().iter_mut().for_each(|weight| *weight /= sum);
        self.columns = [0.0; CAPACITIES];
        for (row, weights) in self.both.iter().enumerate() {
            self.rows[row] = 1.0 / weights.iter().sum::<f32>();
            self.columns.iter_mut().zip(weights).for_each(|(column, weight)| *column += weight);
        }
        self.columns.iter_mut().for_each(|column| *column = 1.0 / *column);
    }

    /// Nothing is known yet but what is usual.
    pub(super) fn fill(&self, weights: &mut Cells) {
        for (plane, usual) in weights.iter_mut().zip(SHAPE) {
            *plane = self.both.map(|row| row.map(|weight| usual * weight));
        }
    }

    /// What may have happened in so many seconds.
    pub(super) fn mix(&self, weights: &mut Cells, seconds: f32) {
        let jump = 1.0 - exp(-HAZARD * seconds);
        let step = (1.0 - jump) * (1.0 - exp(-DRIFT * seconds));
        let shapeless = shapeless(weights);
        for (plane, usual) in weights.iter_mut().zip(SHAPE) {
            self.jump(plane, &shapeless, usual, jump, step);
        }
    }

    /// For one shape; `shapeless`: sums over all of them, `usual`: how usual this one is.
    fn jump(&self, plane: &mut Plane, shapeless: &Plane, usual: f32, jump: f32, step: f32) {
        let [of_capacity, of_floor, of_both, of_shape] = JUMPS;
        let old = *plane;
        let mut columns = [0.0; CAPACITIES];
        for row in &old {
            columns.iter_mut().zip(row).for_each(|(column, weight)| *column += weight);
        }
        let all = of_both * columns.iter().sum::<f32>();
        columns.iter_mut().zip(&self.columns).for_each(|(column, scale)| *column *= of_floor * scale);
        for (row, new) in plane.iter_mut().enumerate() {
            let (above, here, below) =
                (&old[row.saturating_sub(1)], &old[row], &old[(row + 1).min(FLOORS - 1)]);
            let of_row = of_capacity * here.iter().sum::<f32>() * self.rows[row];
            let sides = sides(here);
            for column in 0..CAPACITIES {
                let elsewhere = self.both[row][column] * (of_row + columns[column] + all)
                    + of_shape * shapeless[row][column] * usual;
                let beside = above[column] + below[column] + sides[column];
                new[column] = (1.0 - jump - step) * here[column] + 0.25 * step * beside + jump * elsewhere;
            }
        }
    }
}

/// Both neighbours of each in a row; beyond an edge is the edge itself.
fn sides(row: &[f32; CAPACITIES]) -> [f32; CAPACITIES] {
    let mut sides = *row;
    sides[1..].copy_from_slice(&row[..CAPACITIES - 1]);
    sides.iter_mut().zip(&row[1..]).for_each(|(side, right)| *side += right);
    sides[CAPACITIES - 1] += row[CAPACITIES - 1];
    sides
}

fn shapeless(weights: &Cells) -> Plane {
    let mut sums = [[0.0; CAPACITIES]; FLOORS];
    for plane in weights {
        sums.as_flattened_mut().iter_mut().zip(plane.as_flattened()).for_each(|(sum, weight)| *sum += weight);
    }
    sums
}
