//! What the service may be: a probability for each latency floor and capacity.
//!
//! A limiter sees two numbers, calls in flight and calls that end. Rising latency at the same limit may be a queue (fewer
//! calls would do) or slower calls (more are needed), and no single sample tells which. Instead of deciding early, the law
//! keeps a probability for every hypothesis ([`model`]), and each report makes those likelier that had expected what came. A
//! change of the limit, for whatever reason, is then an experiment that costs nothing extra; what has been learned stays until it
//! is contradicted; and a service that changes is noticed after as many calls as that takes, not after a fixed time.
//!
//! Bayes' rule with a hidden state that may jump ([`prior`]): a filter as in Adams and MacKay 2007 (Bayesian online change
//! point detection), on a grid of logarithms. The likelihood is that of a Poisson count, flattened by how much wider counts
//! vary than Poisson ones (batches, heavy tails) and by the model's own error.

use super::sample::Sample;

mod model;
mod prior;
mod spread;

use model::{Hypothesis, exp};
use prior::Prior;
use spread::Spread;

/// Latency floors, a factor sqrt(2) apart.
const FLOORS: usize = 14;
const FLOOR_STEP: f32 = 0.346_573_6;
/// Capacities, a factor 2^(1/3) apart.
const CAPACITIES: usize = 22;
const CAPACITY_STEP: f32 = 0.231_049_06;
/// Ways to decline when crowded.
const SHAPES: usize = model::SHAPES.len();
const CELLS: usize = FLOORS * CAPACITIES * SHAPES;

/// Relative error of the model in one report.
const MODEL_ERROR: f32 = 0.1;
/// A single report makes no hypothesis less likely than by this factor (ln): it may be the report that is odd.
const MOST_EVIDENCE: f32 = 8.0;
/// Calls follow a change of the limit within about this share of the latency floor.
const LAG: f64 = 0.8;
/// Hypotheses below this share of the likeliest are not weighed.
const NEGLIGIBLE: f32 = 0.003;
/// Probability of what was not on the grid, as a share of its edge.
const UNSEEN: f32 = 0.1;
/// Probability at the edge of the grid that makes it move.
const EDGE: f32 = 0.2;
/// Share of a new report in how full the limit usually is.
const FULL_GAIN: f64 = 0.05;

/// Where the grid begins, in steps of the two axes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Origin {
    floor: i32,
    capacity: i32,
}

impl Origin {
    fn floor(self, at: usize) -> f32 {
        (self.floor + at as i32) as f32 * FLOOR_STEP
    }

    fn capacity(self, at: usize) -> f32 {
        (self.capacity + at as i32) as f32 * CAPACITY_STEP
    }
}

/// Probabilities of all hypotheses.
#[derive(Debug)]
pub(super) struct Belief {
    /// By floor, capacity and shape.
    weights: Box<[f32; CELLS]>,
    origin: Origin,
    prior: Option<Box<Prior>>,
    /// Calls in flight as they were about one latency floor ago, for each floor.
    lagging: [f64; FLOORS],
    spread: Spread,
    /// Highest throughput of late, calls per second, and of the last minutes.
    pace: f64,
    best: f64,
    /// ln of the mean capacity and latency floor.
    capacity: f32,
    floor: f32,
    /// Calls in flight over the limit while it rejects.
    full: f64,
}

impl Default for Belief {
    fn default() -> Self {
        Self {
            weights: Box::new([1.0 / CELLS as f32; CELLS]),
            origin: Origin::default(),
            prior: None,
            lagging: [0.0; FLOORS],
            spread: Spread::default(),
            pace: 0.0,
            best: 0.0,
            capacity: 0.0,
            floor: 0.0,
            full: 1.0,
        }
    }
}

/// A hypothesis that is likely enough to count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Likely {
    pub(super) probability: f64,
    hypothesis: Hypothesis,
}

impl Likely {
    /// Latency floor, seconds.
    pub(super) fn floor(&self) -> f64 {
        f64::from(exp(self.hypothesis.floor))
    }

    /// Calls that would end per second with `calls` in flight.
    pub(super) fn throughput(&self, calls: f64) -> f64 {
        f64::from(exp(self.hypothesis.throughput(calls.max(1e-6).ln() as f32)))
    }
}

impl Belief {
    /// Mean capacity, calls per second; `None` while nothing is known.
    pub(super) fn capacity(&self) -> Option<f64> {
        self.prior.as_ref().map(|_| f64::from(exp(self.capacity)))
    }

    /// Mean latency floor, seconds; `None` while nothing is known.
    pub(super) fn floor(&self) -> Option<f64> {
        self.prior.as_ref().map(|_| f64::from(exp(self.floor)))
    }

    /// Highest throughput of late, calls per second.
    pub(super) const fn pace(&self) -> f64 {
        self.pace
    }

    /// Mean calls in flight over the limit while it rejects: below 1 when calls come in bursts.
    pub(super) const fn fullness(&self) -> f64 {
        self.full
    }

    /// What is likely, and how; probabilities add up to nearly 1.
    pub(super) fn likely(&self) -> Vec<Likely> {
        let most = self.weights.iter().copied().fold(0.0, f32::max);
        let cells = self.weights.iter().enumerate().filter(|(_, weight)| **weight > NEGLIGIBLE * most);
        cells
            .map(|(at, weight)| Likely { probability: f64::from(*weight), hypothesis: self.hypothesis(at) })
            .collect()
    }

    fn hypothesis(&self, cell: usize) -> Hypothesis {
        let (pair, shape) = (cell / SHAPES, cell % SHAPES);
        Hypothesis {
            floor: self.origin.floor(pair / CAPACITIES),
            capacity: self.origin.capacity(pair % CAPACITIES),
            shape,
        }
    }

    /// Takes a report; `floor`: the latency floor as seen without overload, and whether that is certain.
    pub(super) fn see(&mut self, sample: &Sample, floor: Option<f64>, certain: bool) {
        let served = sample.served();
        self.note_pace(sample.seconds, served / sample.seconds);
        if let Some(limit) = sample.limit.filter(|_| sample.is_bound()) {
            self.full += FULL_GAIN * ((sample.in_flight() / limit).clamp(0.1, 1.0) - self.full);
        } else {
            self.full += 0.2 * FULL_GAIN * (1.0 - self.full);
        }
        if let Some(floor) = floor.filter(|floor| *floor > 0.0 && self.pace > 0.0) {
            self.aim_grid(floor, certain);
            self.weigh(sample, served);
        }
    }

    /// The highest throughput over several reports.
    fn note_pace(&mut self, seconds: f64, throughput: f64) {
        let smooth = self.spread.mean_rate(seconds, throughput);
        self.pace = (self.pace * (-seconds / 10.0).exp()).max(smooth);
        self.best = (self.best * (-seconds / 120.0).exp()).max(self.pace);
    }

    /// Puts the grid around what was seen; what is known moves along.
    fn aim_grid(&mut self, floor: f64, certain: bool) {
        let (floor, pace, best) = (floor.ln() as f32, self.pace.ln() as f32, self.best.ln() as f32);
        let below = if certain { 1 } else { 6 };
        let known = (floor / FLOOR_STEP).round() as i32 - below;
        let wanted = Origin {
            floor: self.follow_edge(known),
            capacity: (pace / CAPACITY_STEP).round() as i32 - CAPACITIES as i32 / 2,
        };
        let first = self.prior.is_none();
        let near = |from: i32, to: i32, slack: i32| if (to - from).abs() > slack { to } else { from };
        let origin = Origin {
            floor: near(self.origin.floor, wanted.floor, 1),
            capacity: near(self.origin.capacity, wanted.capacity, 2),
        };
        if first {
            self.origin = wanted;
        } else if origin != self.origin {
            self.shift(origin);
        }
        let prior = self.prior.get_or_insert_with(Box::default);
        prior.aim(self.origin, floor, certain, best);
        if first {
            prior.fill(&mut self.weights);
        }
    }

    /// Calls may take longer than anything on the grid: it follows, and comes back.
    fn follow_edge(&self, known: i32) -> i32 {
        let above = self.origin.floor - known;
        let row =
            |at: usize| self.weights[at * CAPACITIES * SHAPES..][..CAPACITIES * SHAPES].iter().sum::<f32>();
        match () {
            () if self.prior.is_none() => known,
            () if row(FLOORS - 1) + row(FLOORS - 2) > EDGE => self.origin.floor + FLOORS as i32 / 2,
            () if above > 2 && row(0) + row(1) > EDGE => known.max(self.origin.floor - FLOORS as i32 / 2),
            () if above > 2 => self.origin.floor,
            () => known,
        }
    }

    /// Moves the grid; beyond its old edges a small share of the edge is taken.
    fn shift(&mut self, to: Origin) {
        let (old, lagging) = (self.weights.clone(), self.lagging);
        let by = |at: usize, moved: i32, len: usize| (at as i32 + moved).clamp(0, len as i32 - 1) as usize;
        let (floors, capacities) = (to.floor - self.origin.floor, to.capacity - self.origin.capacity);
        for floor in 0..FLOORS {
            let from = by(floor, floors, FLOORS);
            self.lagging[floor] = lagging[from];
            for capacity in 0..CAPACITIES {
                let beside = by(capacity, capacities, CAPACITIES);
                let known =
                    from as i32 == floor as i32 + floors && beside as i32 == capacity as i32 + capacities;
                let (pair, share) = (from * CAPACITIES + beside, if known { 1.0 } else { UNSEEN });
                for shape in 0..SHAPES {
                    self.weights[(floor * CAPACITIES + capacity) * SHAPES + shape] =
                        share * old[pair * SHAPES + shape];
                }
            }
        }
        self.origin = to;
        self.normalise();
    }

    /// Bayes' rule.
    fn weigh(&mut self, sample: &Sample, served: f64) {
        let seconds = sample.seconds;
        for (at, lagging) in self.lagging.iter_mut().enumerate() {
            let lag = LAG * f64::from(exp(self.origin.floor(at)));
            *lagging += (sample.in_flight() - *lagging) * (1.0 - (-seconds / lag).exp());
        }
        self.spread.see(served);
        if let Some(prior) = &mut self.prior {
            prior.mix(&mut self.weights, seconds as f32);
        }
        let (served, seconds) = (served as f32, seconds.ln() as f32);
        let certainty = 1.0 / (self.spread.over_poisson() + served * MODEL_ERROR * MODEL_ERROR);
        let mut evidence = [0.0_f32; CELLS];
        for floor in 0..FLOORS {
            let calls = self.lagging[floor].max(1e-6).ln() as f32;
            let range = floor * CAPACITIES * SHAPES..(floor + 1) * CAPACITIES * SHAPES;
            for (cell, evidence) in range.clone().zip(&mut evidence[range]) {
                let expected = (self.hypothesis(cell).throughput(calls) + seconds).max(-9.0);
                *evidence = certainty * (served * expected - exp(expected));
            }
        }
        let weighty = self.weights.iter().zip(&evidence).filter(|(weight, _)| **weight > 1e-9);
        let most = weighty.map(|(_, evidence)| *evidence).fold(f32::NEG_INFINITY, f32::max);
        for (weight, evidence) in self.weights.iter_mut().zip(&evidence) {
            *weight *= exp((evidence - most).clamp(-MOST_EVIDENCE, 3.0));
        }
        self.normalise();
    }

    fn normalise(&mut self) {
        let sum: f32 = self.weights.iter().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            // Nothing that was thought possible explains this: think again.
            if let Some(prior) = &self.prior {
                prior.fill(&mut self.weights);
            }
            return;
        }
        self.weights.iter_mut().for_each(|weight| *weight /= sum);
        (self.capacity, self.floor) = (0.0, 0.0);
        for (pair, weights) in self.weights.chunks_exact(SHAPES).enumerate() {
            let weight: f32 = weights.iter().sum();
            self.capacity += weight * self.origin.capacity(pair % CAPACITIES);
            self.floor += weight * self.origin.floor(pair / CAPACITIES);
        }
    }
}

#[cfg(test)]
mod tests;
