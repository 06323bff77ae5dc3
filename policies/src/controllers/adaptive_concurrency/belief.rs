//! What the service may be: a probability for each latency floor and capacity.
//!
//! A limiter sees two numbers, calls in flight and calls that end. Rising latency at the same limit may be a queue (fewer
//! calls would do) or slower calls (more are needed), and no single sample tells which. Instead of deciding early, the law
//! keeps a probability for every hypothesis ([`model`]), and each report makes those likelier that had expected what came. A
//! change of the limit, for whatever reason, is then an experiment that costs nothing extra; what has been learned stays until it
//! is contradicted; and a service that changes is noticed after as many calls as that takes, not after a fixed time.
//!
//! Bayes' rule with a hidden state that may jump ([`prior`]): a filter as in Adams and MacKay 2007 (Bayesian online change
//! point detection), on a [`grid`] of logarithms. The likelihood is that of a Poisson count, flattened by how much wider counts
//! vary than Poisson ones (batches, heavy tails) and by the model's own error.

use super::sample::Sample;

mod grid;
mod likely;
mod model;
mod prior;
mod spread;

use grid::{CAPACITIES, CAPACITY_STEP, FLOOR_STEP, FLOORS, Grid, Origin};
pub(super) use likely::{InTime, Likely};
use model::exp;
use prior::Prior;
use spread::Spread;

/// Relative error of the model in one report.
const MODEL_ERROR: f32 = 0.1;
/// A single report makes no hypothesis less likely than by this factor (ln): it may be the report that is odd.
const MOST_EVIDENCE: f32 = 8.0;
/// Calls follow a change of the limit within about this share of the latency floor.
const LAG: f64 = 0.8;
/// Probability at the edge of the grid that makes it move.
const EDGE: f32 = 0.2;
/// Share of a new report in how full the limit usually is.
const FULL_GAIN: f64 = 0.05;

/// Probabilities of all hypotheses.
#[derive(Debug)]
pub(super) struct Belief {
    grid: Grid,
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
            grid: Grid::default(),
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

impl Belief {
    /// Mean capacity, calls per second; `None` while nothing is known.
    pub(super) fn capacity(&self) -> Option<f64> {
        self.prior.as_ref().map(|_| f64::from(exp(self.capacity)))
    }

    /// Mean latency floor, seconds; `None` while nothing is known.
    pub(super) fn floor(&self) -> Option<f64> {
        self.prior.as_ref().map(|_| f64::from(exp(self.floor)))
    }

    /// Probability that the service gets less done when crowded; 0 while nothing is known.
    pub(super) fn crowds(&self) -> f64 {
        if self.prior.is_some() { f64::from(self.grid.of_crowds()) } else { 0.0 }
    }

    /// Highest throughput of late, calls per second.
    pub(super) const fn pace(&self) -> f64 {
        self.pace
    }

    /// Mean calls in flight over the limit while it rejects: below 1 when calls come in bursts.
    pub(super) const fn fullness(&self) -> f64 {
        self.full
    }

    /// What is likely, given which latencies are in time, by latency floor (seconds).
    pub(super) fn likely(&self, in_time: impl Fn(f64) -> InTime) -> Likely {
        Likely::of(&self.grid, in_time)
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
        let now = self.grid.origin();
        let origin = Origin {
            floor: near(now.floor, wanted.floor, 1),
            capacity: near(now.capacity, wanted.capacity, 2),
        };
        if first {
            self.grid.place(wanted);
        } else if origin != now {
            self.grid.shift(origin, &mut self.lagging);
            self.normalise();
        }
        let prior = self.prior.get_or_insert_with(Box::default);
        prior.aim(self.grid.origin(), floor, certain, best);
        if first {
            prior.fill(&mut self.grid.weights);
        }
    }

    /// Calls may take longer than anything on the grid: it follows, and comes back.
    fn follow_edge(&self, known: i32) -> i32 {
        let (at, half) = (self.grid.origin().floor, FLOORS as i32 / 2);
        let (above, last) = (at - known, FLOORS - 1);
        let of = |floor| self.grid.of_floor(floor);
        match () {
            () if self.prior.is_none() => known,
            () if of(last) + of(last - 1) > EDGE => at + half,
            () if above > 2 && of(0) + of(1) > EDGE => known.max(at - half),
            () if above > 2 => at,
            () => known,
        }
    }

    /// Takes what a report proves.
    fn weigh(&mut self, sample: &Sample, served: f64) {
        let seconds = sample.seconds;
        let mut calls = [0.0; FLOORS];
        for (at, lagging) in self.lagging.iter_mut().enumerate() {
            let lag = LAG * f64::from(exp(self.grid.origin().floor(at)));
            *lagging += (sample.in_flight() - *lagging) * (1.0 - (-seconds / lag).exp());
            calls[at] = lagging.max(1e-6).ln() as f32;
        }
        self.spread.see(seconds, served);
        if let Some(prior) = &mut self.prior {
            prior.mix(&mut self.grid.weights, seconds as f32);
        }
        let (served, seconds) = (served as f32, seconds.ln() as f32);
        let certainty = 1.0 / (self.spread.over_poisson() + served * MODEL_ERROR * MODEL_ERROR);
        self.grid.weigh(&calls, served, seconds, certainty, MOST_EVIDENCE);
        self.normalise();
    }

    fn normalise(&mut self) {
        if let Some((floor, capacity)) = self.grid.normalise() {
            (self.floor, self.capacity) = (floor, capacity);
        } else if let Some(prior) = &self.prior {
            // Nothing that was thought possible explains this: think again.
            prior.fill(&mut self.grid.weights);
        }
    }
}

#[cfg(test)]
mod tests;
