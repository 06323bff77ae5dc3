//! How many tasks a process has in calm times.
//!
//! The median of the calm past: a burst of a minute does not move it, and what is suspicious (see [`Baseline::learn`]'s caller)
//! is never shown to it. A mean would be dragged up by the leak that it is to expose.

use std::collections::VecDeque;

/// Ten minutes at the default pace.
const KEPT: usize = 120;
/// A minute at the default pace: fewer samples are no baseline.
const ENOUGH: usize = 12;

/// The newest calm samples, and their median.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    samples: VecDeque<f64>,
    median: f64,
}

impl Baseline {
    /// The usual number of tasks, once enough is known.
    pub(super) fn usual(&self) -> Option<f64> {
        (self.samples.len() >= ENOUGH).then_some(self.median)
    }

    /// Samples so far.
    pub(super) fn samples(&self) -> usize {
        self.samples.len()
    }

    /// Takes in a calm sample.
    pub(super) fn learn(&mut self, tasks: f64) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(tasks);
        let mut sorted: Vec<_> = self.samples.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        self.median = sorted[sorted.len() / 2];
    }

    /// Takes this number for the usual one from now on.
    pub(super) fn accept(&mut self, tasks: f64) {
        self.samples = std::iter::repeat_n(tasks, ENOUGH).collect();
        self.median = tasks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_newest_samples_counts_once_there_are_enough() {
        let mut baseline = Baseline::default();
        for sample in 0..ENOUGH {
            assert_eq!(baseline.usual(), None);
            baseline.learn(if sample % 5 == 0 { 9000.0 } else { 100.0 });
        }
        assert_eq!(baseline.usual(), Some(100.0), "bursts do not count");
        for _ in 0..KEPT {
            baseline.learn(200.0);
        }
        assert_eq!((baseline.usual(), baseline.samples()), (Some(200.0), KEPT));
        baseline.accept(700.0);
        assert_eq!(baseline.usual(), Some(700.0));
    }
}
