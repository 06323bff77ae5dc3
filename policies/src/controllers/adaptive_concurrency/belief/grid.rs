//! The grid of hypotheses: where it lies, how it moves, what has which place on it.
//!
//! Three dimensions, shape by floor by capacity, so that the innermost loops run along capacities and the compiler does
//! several at once; that is most of what a step of the law costs.

use super::model::{self, Hypothesis};

mod evidence;

/// Latency floors, a factor sqrt(2) apart.
pub(super) const FLOORS: usize = 14;
pub(super) const FLOOR_STEP: f32 = 0.346_573_6;
/// Capacities, a factor 2^(1/3) apart.
pub(super) const CAPACITIES: usize = 24;
pub(super) const CAPACITY_STEP: f32 = 0.231_049_06;
/// Ways to decline when crowded.
pub(super) const SHAPES: usize = model::SHAPES.len();
const CELLS: usize = FLOORS * CAPACITIES * SHAPES;

/// Probability of what was not on the grid, as a share of its edge.
const UNSEEN: f32 = 0.1;

/// A value for each floor and capacity.
pub(super) type Plane = [[f32; CAPACITIES]; FLOORS];
/// A value for each hypothesis.
pub(super) type Cells = [Plane; SHAPES];

/// Where the grid begins, in steps of the two axes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) floor: i32,
    pub(super) capacity: i32,
}

impl Origin {
    /// ln of seconds.
    #[inline]
    pub(super) fn floor(self, at: usize) -> f32 {
        (self.floor + at as i32) as f32 * FLOOR_STEP
    }

    /// ln of calls per second.
    #[inline]
    pub(super) fn capacity(self, at: usize) -> f32 {
        (self.capacity + at as i32) as f32 * CAPACITY_STEP
    }
}

/// Probabilities of all hypotheses, and what follows from where these lie.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) weights: Box<Cells>,
    origin: Origin,
    /// How sharp the corner is: [`Hypothesis::power`].
    powers: Plane,
    /// The corner where each shape begins to decline.
    knees: [Plane; SHAPES - 1],
}

impl Default for Grid {
    fn default() -> Self {
        let weights = Box::new([[[1.0 / CELLS as f32; CAPACITIES]; FLOORS]; SHAPES]);
        let mut grid = Self {
            weights,
            origin: Origin::default(),
            powers: [[1.0; CAPACITIES]; FLOORS],
            knees: Default::default(),
        };
        grid.place(Origin::default());
        grid
    }
}

impl Grid {
    pub(super) const fn origin(&self) -> Origin {
        self.origin
    }

    /// Puts it elsewhere; the probabilities stay as they are.
    pub(super) fn place(&mut self, origin: Origin) {
        self.origin = origin;
        for (floor, powers) in self.powers.iter_mut().enumerate() {
            for (capacity, power) in powers.iter_mut().enumerate() {
                *power = model::power(origin.floor(floor) + origin.capacity(capacity));
                for (knees, (from, _)) in self.knees.iter_mut().zip(&model::SHAPES[1..]) {
                    knees[floor][capacity] = model::corner(*from, *power);
                }
            }
        }
    }

    /// Moves it, and `lagging` (a value for each floor) along; beyond the old edges a small share of the edge is taken.
    pub(super) fn shift(&mut self, to: Origin, lagging: &mut [f64; FLOORS]) {
        let (old, lagged) = (self.weights.clone(), *lagging);
        let by = |at: usize, moved: i32, len: usize| (at as i32 + moved).clamp(0, len as i32 - 1) as usize;
        let (floors, capacities) = (to.floor - self.origin.floor, to.capacity - self.origin.capacity);
        for floor in 0..FLOORS {
            let from = by(floor, floors, FLOORS);
            lagging[floor] = lagged[from];
            for capacity in 0..CAPACITIES {
                let beside = by(capacity, capacities, CAPACITIES);
                let known =
                    from as i32 == floor as i32 + floors && beside as i32 == capacity as i32 + capacities;
                let share = if known { 1.0 } else { UNSEEN };
                for (new, old) in self.weights.iter_mut().zip(old.iter()) {
                    new[floor][capacity] = share * old[from][beside];
                }
            }
        }
        self.place(to);
    }

    #[inline]
    pub(super) fn hypothesis(&self, shape: usize, floor: usize, capacity: usize) -> Hypothesis {
        Hypothesis {
            floor: self.origin.floor(floor),
            capacity: self.origin.capacity(capacity),
            power: self.powers[floor][capacity],
            shape,
        }
    }

    /// Probability of a floor.
    pub(super) fn of_floor(&self, floor: usize) -> f32 {
        self.weights.iter().map(|plane| plane[floor].iter().sum::<f32>()).sum()
    }

    /// Probability of all shapes that decline.
    pub(super) fn of_crowds(&self) -> f32 {
        self.weights[1..].iter().map(|plane| plane.as_flattened().iter().sum::<f32>()).sum()
    }

    /// Makes the probabilities add up to 1 and gives the mean floor and capacity (ln); `None` where nothing is left.
    pub(super) fn normalise(&mut self) -> Option<(f32, f32)> {
        // By capacity, so that several are added at once.
        let (mut sums, mut floors) = ([0.0_f32; CAPACITIES], [0.0_f32; CAPACITIES]);
        for plane in self.weights.iter() {
            for (floor, row) in plane.iter().enumerate() {
                let at = self.origin.floor(floor);
                for ((sum, floor), weight) in sums.iter_mut().zip(&mut floors).zip(row) {
                    *sum += weight;
                    *floor += at * weight;
                }
            }
        }
        let scale = 1.0 / sums.iter().sum::<f32>();
        if !(scale > 0.0 && scale.is_finite()) {
            return None;
        }
        self.weights.as_flattened_mut().as_flattened_mut().iter_mut().for_each(|weight| *weight *= scale);
        let capacity: f32 = sums.iter().enumerate().map(|(at, sum)| sum * self.origin.capacity(at)).sum();
        Some((scale * floors.iter().sum::<f32>(), scale * capacity))
    }
}
