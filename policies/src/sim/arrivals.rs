//! When calls come: a Poisson stream (or an even one) whose rate follows the scenario.
//!
//! The rate is held constant over cells of 5 ms. An arrival is where the integral of the rate has grown by one more
//! exponential draw, so that the stream is exact for any curve of cells.

use fastrand::Rng;

use crate::sim::distribution::exponential;
use crate::sim::scenario::{Clients, Rate, Steps};

const CELL: f64 = 0.005;

/// A stream of arrivals.
#[derive(Debug)]
pub struct Arrivals {
    clients: Clients,
    end: f64,
    rng: Rng,
    at: f64,
    cell: u64,
    /// Batches per second in the present cell.
    rate: f64,
    factor: f64,
    /// When the modulation changes its state.
    switch_at: f64,
}

impl Arrivals {
    /// The stream of these clients, until `end`.
    pub fn new(clients: &Clients, end: f64, mut rng: Rng) -> Self {
        let switch_at = clients.rate.modulation.map_or(f64::INFINITY, |m| m.low * exponential(&mut rng));
        let mut arrivals =
            Self { clients: clients.clone(), end, rng, at: 0.0, cell: 0, rate: 0.0, factor: 1.0, switch_at };
        arrivals.enter(0);
        arrivals
    }

    /// The next arrival and how many calls come at once; infinity when there is none any more.
    pub fn take_next(&mut self) -> (f64, u32) {
        let mut left = if self.clients.even { 1.0 } else { exponential(&mut self.rng) };
        while self.at < self.end {
            let cell_end = (self.cell + 1) as f64 * CELL;
            let rest = (cell_end - self.at) * self.rate;
            if rest >= left {
                self.at += left / self.rate;
                return (self.at, self.batch());
            }
            left -= rest;
            self.at = cell_end;
            self.enter(self.cell + 1);
        }
        (f64::INFINITY, 0)
    }

    fn enter(&mut self, cell: u64) {
        self.cell = cell;
        let middle = (cell as f64 + 0.5) * CELL;
        while middle >= self.switch_at {
            let Some(modulation) = self.clients.rate.modulation else { break };
            let high = self.factor == 1.0;
            self.factor = if high { modulation.factor } else { 1.0 };
            let stay = if high { modulation.high } else { modulation.low };
            self.switch_at += stay * exponential(&mut self.rng);
        }
        self.rate = rate_at(&self.clients.rate, middle) * self.factor / self.clients.batch.max(1.0);
    }

    /// Geometric, at least 1.
    fn batch(&mut self) -> u32 {
        let mean = self.clients.batch;
        if mean <= 1.0 {
            return 1;
        }
        1 + (exponential(&mut self.rng) / -(1.0 - 1.0 / mean).ln()) as u32
    }
}

/// Calls per second at a time, without modulation.
fn rate_at(rate: &Rate, seconds: f64) -> f64 {
    if let Some(bursts) = rate.bursts.filter(|b| seconds >= b.from)
        && (seconds - bursts.from) % bursts.every < bursts.length
    {
        return bursts.rate;
    }
    let next = rate.points.partition_point(|(at, _)| *at <= seconds);
    let (from, value) = rate.points[next.saturating_sub(1)];
    match rate.points.get(next) {
        Some((to, goal)) if rate.linear && next > 0 => {
            value + (goal - value) * (seconds - from) / (to - from)
        }
        _ => value,
    }
}

/// Times at which a stepped value changes, after the start.
pub fn changes<T>(steps: &Steps<T>) -> impl Iterator<Item = f64> + '_ {
    steps.0.iter().map(|(at, _)| *at).filter(|at| *at > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::{Bursts, Modulation};

    fn clients(points: Vec<(f64, f64)>) -> Clients {
        let mut clients = Clients::steps(points);
        clients.rate.linear = true;
        clients
    }

    fn count(clients: &Clients, from: f64, to: f64) -> f64 {
        let mut arrivals = Arrivals::new(clients, to, Rng::with_seed(3));
        let mut sum = 0;
        loop {
            let (at, calls) = arrivals.take_next();
            if at >= to {
                return f64::from(sum);
            }
            sum += if at >= from { calls } else { 0 };
        }
    }

    #[test]
    fn as_many_calls_come_as_the_curve_says() {
        let ramp = clients(vec![(0.0, 0.0), (100.0, 1000.0)]);
        assert!((count(&ramp, 0.0, 100.0) / 50_000.0 - 1.0).abs() < 0.02);
        assert!((count(&ramp, 90.0, 100.0) / 9_500.0 - 1.0).abs() < 0.03);
        let batched = Clients { batch: 8.0, ..clients(vec![(0.0, 1000.0)]) };
        assert!((count(&batched, 0.0, 100.0) / 100_000.0 - 1.0).abs() < 0.03);
        let even = Clients { even: true, ..clients(vec![(0.0, 100.0)]) };
        assert!((count(&even, 0.0, 10.0) - 1000.0).abs() <= 1.0);
    }

    #[test]
    fn bursts_and_modulation_raise_the_rate() {
        let mut bursty = clients(vec![(0.0, 100.0)]);
        bursty.rate.bursts = Some(Bursts { from: 10.0, every: 5.0, length: 0.5, rate: 2000.0 });
        assert!((count(&bursty, 0.0, 110.0) / (100.0 * 0.9 * 100.0 + 1000.0 + 20_000.0) - 1.0).abs() < 0.03);
        let mut modulated = clients(vec![(0.0, 100.0)]);
        modulated.rate.modulation = Some(Modulation { factor: 3.0, high: 1.0, low: 3.0 });
        assert!((count(&modulated, 0.0, 2000.0) / (2000.0 * 150.0) - 1.0).abs() < 0.08);
    }
}
