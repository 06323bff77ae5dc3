//! Capacity: how many calls can end per second.
//!
//! Throughput is capacity only while more is offered than can be done, so it is learned from saturated samples; otherwise it
//! can only turn out to be higher than was thought. One bad sample is no news, two in a row that agree are.

use super::sample::Sample;

/// Memory of the highest throughput without overload, seconds.
const PEAK_MEMORY: f64 = 10.0;

#[derive(Debug, Default)]
pub(super) struct Capacity {
    known: f64,
    peak: f64,
    last_three: [f64; 3],
    /// Saturated samples in a row, and the throughput of the last one.
    saturated: u32,
    before: Option<f64>,
}

impl Capacity {
    /// Calls per second; 0 while it was never reached.
    pub(super) const fn known(&self) -> f64 {
        self.known
    }

    /// The highest throughput of late.
    pub(super) const fn peak(&self) -> f64 {
        self.peak
    }

    /// Saturated samples in a row.
    pub(super) const fn saturated(&self) -> u32 {
        self.saturated
    }

    /// An experiment has shown it.
    pub(super) const fn is_now(&mut self, throughput: f64) {
        self.known = throughput;
    }

    pub(super) const fn is_at_least(&mut self, throughput: f64) {
        self.known = self.known.max(throughput);
    }

    /// Mean throughput of the last two samples.
    pub(super) fn lately(&self) -> f64 {
        f64::midpoint(self.last_three[1], self.last_three[2])
    }

    pub(super) fn see(&mut self, sample: &Sample) {
        self.last_three.rotate_left(1);
        self.last_three[2] = sample.throughput();
        let fade = (-sample.seconds / PEAK_MEMORY).exp();
        self.peak = (self.peak * fade).max(self.last_three.iter().sum::<f64>() / 3.0);
    }

    /// Takes a sample without saturation.
    pub(super) fn see_room(&mut self, sample: &Sample) {
        (self.saturated, self.before) = (0, None);
        if self.known > 0.0 {
            let gain = 1.0 - (-sample.seconds / 0.4).exp();
            self.known += (sample.throughput() - self.known).max(0.0) * gain;
        }
    }

    /// Takes a saturated sample; `calm`: the first ones of an overload, `noise`: relative standard deviation of a sample.
    pub(super) fn see_saturated(&mut self, sample: &Sample, calm: bool, noise: f64) {
        let now = sample.throughput();
        let expected = (self.known * sample.seconds).max(0.0);
        let deviation = (self.known / sample.seconds).sqrt().max(noise * self.known);
        let agrees = |before: &f64| {
            (now - self.known).abs() > (0.2 * self.known).max(2.0 * deviation)
                && (before - self.known).abs() > (0.15 * self.known).max(1.5 * deviation)
                && (now > self.known) == (*before > self.known)
        };
        if calm && self.saturated == 0 && now < self.peak {
            self.known = self.known.max(self.peak);
        } else if self.known == 0.0 {
            self.known = now.max(self.peak);
        } else if now < 0.05 * self.known && expected >= 10.0 && self.saturated < 5 {
            // Everything stands still: a pause of the process, not its capacity.
        } else if let Some(before) = self.before.filter(agrees) {
            self.known = f64::midpoint(now, before);
        } else if now > self.known {
            self.known += (now - self.known) * (sample.seconds / 0.3).min(0.6);
        } else {
            self.known += (now - self.known) * (sample.seconds / 0.7).min(0.5);
        }
        self.note_saturated(sample);
    }

    /// Takes a saturated sample that says nothing about a lower capacity.
    pub(super) fn see_upwards(&mut self, sample: &Sample) {
        if sample.throughput() > self.known {
            self.known += (sample.throughput() - self.known) * (sample.seconds / 0.3).min(0.6);
        }
        self.note_saturated(sample);
    }

    fn note_saturated(&mut self, sample: &Sample) {
        self.saturated = self.saturated.saturating_add(1);
        self.before = Some(sample.throughput());
    }
}
