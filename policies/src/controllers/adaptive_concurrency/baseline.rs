//! Latency without a queue, together with the concurrency at which it was seen.
//!
//! The pair is what keeps a ramp of load from poisoning it: latency that rises while concurrency rises may be a queue of
//! our own making, so it is believed only when no more calls were in flight than when the baseline was taken.

use super::meter::Sample;

/// Fewest samples for a first baseline.
const FIRST_SAMPLES: u64 = 40;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Baseline {
    /// Mean latency without a queue, seconds.
    pub(super) latency: f64,
    /// Mean in-flight at which it was seen.
    pub(super) in_flight: f64,
}

impl Baseline {
    pub(super) fn first(sample: &Sample) -> Option<Self> {
        (sample.stationary && sample.window.completed >= FIRST_SAMPLES)
            .then_some(Self { latency: sample.latency, in_flight: sample.window.mean_in_flight })
    }

    /// The baseline after a stationary window: quickly down, slowly up and only at the same or lower concurrency.
    pub(super) fn learn(self, sample: &Sample) -> Self {
        let in_flight = sample.window.mean_in_flight;
        let gap = sample.latency - self.latency;
        if gap < 0.0 {
            Self { latency: self.latency + 0.15 * gap, ..self }
        } else if in_flight <= 1.05 * self.in_flight && sample.window.rejected == 0 {
            Self { latency: self.latency + 0.05 * gap, in_flight: self.in_flight.min(in_flight) }
        } else {
            self
        }
    }

    /// The baseline after an audit: lower if the audit measured a clearly lower one.
    pub(super) fn audited(self, sample: &Sample) -> Self {
        if sample.latency < self.latency * (1.0 - 2.0 * sample.error) {
            Self { latency: sample.latency, in_flight: sample.window.mean_in_flight }
        } else {
            self
        }
    }
}
