//! What a limit has achieved: means over the samples at that limit, and how sure they are.

use super::sample::Sample;

/// Samples that a mean remembers.
const MEMORY: f64 = 10.0;
/// Samples that are left of it after a visit elsewhere.
const FADED: f64 = 3.0;

/// The results of one limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Arm {
    /// Samples, up to [`MEMORY`].
    pub(super) samples: f64,
    pub(super) goodput: f64,
    pub(super) throughput: f64,
    pub(super) in_flight: f64,
    pub(super) late: f64,
    ended: f64,
}

impl Arm {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut arm = Self::default();
        samples.iter().for_each(|sample| arm.add(sample));
        arm
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        if self.samples >= MEMORY {
            self.ended *= 1.0 - 1.0 / MEMORY;
            self.samples = MEMORY - 1.0;
        }
        self.samples += 1.0;
        self.ended += sample.ended;
        let mean = |mean: &mut f64, value: f64| *mean += (value - *mean) / self.samples;
        mean(&mut self.goodput, sample.goodput());
        mean(&mut self.throughput, sample.throughput());
        mean(&mut self.in_flight, sample.in_flight());
        mean(&mut self.late, sample.late_ratio());
    }

    /// Something else was looked at meanwhile: what was known of this counts for less.
    pub(super) fn fade(&mut self) {
        let kept = (FADED / self.samples.max(FADED)).min(1.0);
        (self.samples, self.ended) = (self.samples * kept, self.ended * kept);
    }

    /// Latency by Little's law.
    pub(super) fn little(&self) -> f64 {
        self.in_flight / self.throughput.max(1e-9)
    }

    /// Enough calls, or samples, for a verdict.
    pub(super) fn is_telling(&self) -> bool {
        self.samples >= 3.0 && (self.ended >= 40.0 || self.samples >= 8.0)
    }

    /// Relative standard error of the difference between two limits; `noise`: relative variance of a sample.
    pub(super) fn error(&self, other: &Self, noise: f64) -> f64 {
        let variance = |arm: &Self| (noise / arm.samples.max(0.3)).max(0.15 / arm.ended.max(1.0));
        (variance(self) + variance(other)).sqrt()
    }
}
