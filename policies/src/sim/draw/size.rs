//! How big a drawn service is, and what its calls need when it is not overloaded.

use fastrand::Rng;

use crate::sim::distribution::Distribution;
use crate::sim::scenario::Discipline;

/// Draws of the work from which its spread is taken.
const SAMPLE: usize = 2000;

/// A drawn service.
#[derive(Debug, Clone)]
pub struct Size {
    /// Workers or cores.
    pub workers: f64,
    /// Mean work of a call, seconds.
    pub mean: f64,
    /// How the work is shared.
    pub discipline: Discipline,
    /// Work of a call.
    pub work: Distribution,
}

impl Size {
    /// Calls per second at most; at the peak where there is one.
    pub fn capacity(&self) -> f64 {
        match self.peak() {
            Some(n) => n / self.slowdown(n) / self.mean,
            None => self.workers / self.mean,
        }
    }

    /// The highest load that a sensible operator would run it at: with few workers there is less to share.
    pub fn highest_load(&self) -> f64 {
        (1.0 - 0.4 / self.workers.sqrt()).min(0.95)
    }

    /// A deadline that 99 % of the calls meet at this load, with calls in batches of this mean size: what 99 % need when
    /// alone, and three mean waits (Sakasegawa's approximation).
    pub fn comfortable(&self, load: f64, batch: f64, mut rng: Rng) -> f64 {
        let mut alone: Vec<f64> = (0..SAMPLE).map(|_| self.work.draw(&mut rng)).collect();
        alone.sort_unstable_by(f64::total_cmp);
        let long = alone[SAMPLE * 99 / 100];
        let mean = alone.iter().sum::<f64>() / SAMPLE as f64;
        let square = alone.iter().map(|work| work * work).sum::<f64>() / SAMPLE as f64;
        // Squared coefficients of variation of arrivals and of work.
        let spread = (2.0 * batch - 1.0 + square / (mean * mean) - 1.0) / 2.0;
        let exponent = (2.0 * (self.workers + 1.0)).sqrt() - 1.0;
        let queue = load.powf(exponent) / (self.workers * (1.0 - load));
        let batches = 2.0 * (batch - 1.0) / self.workers;
        match self.discipline {
            // The queue slows the long calls down, whatever their spread.
            Discipline::ProcessorSharing => 1.1 * long * (1.0 + queue * batch + batches),
            Discipline::Fifo => 1.1 * (long + 3.0 * mean * queue * spread + mean * batches),
            Discipline::Usl { .. } => {
                1.1 * long * self.peak().map_or(1.0, |n| self.slowdown(n)) * (1.0 + batches)
            }
        }
    }

    /// Where the scalability law has its peak, calls.
    fn peak(&self) -> Option<f64> {
        let Discipline::Usl { sigma, kappa } = self.discipline else { return None };
        Some(((1.0 - sigma) / kappa).sqrt())
    }

    fn slowdown(&self, n: f64) -> f64 {
        let Discipline::Usl { sigma, kappa } = self.discipline else { return 1.0 };
        1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0)
    }
}
