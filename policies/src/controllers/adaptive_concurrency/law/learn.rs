//! What is learned from every sample, in whatever stage.

use super::{Law, PEAK_MEMORY, RECENT, Stage};
use crate::controllers::adaptive_concurrency::sample::Sample;

impl Law {
    /// Learns what can be learned in any stage. Says whether the service was saturated.
    pub(super) fn learn(&mut self, sample: &Sample, ours: bool) -> bool {
        let memory = (8.0 / self.capacity.known().max(1.0)).max(0.4);
        let gain = 1.0 - (-sample.seconds / memory).exp();
        let offered = *self.offered.get_or_insert(sample.offered());
        self.offered = Some(offered + (sample.offered() - offered) * gain);
        let fade = (-sample.seconds / PEAK_MEMORY).exp();
        self.peak = (self.peak * fade).max(sample.peak.min(2.0 * sample.in_flight() + 8.0));
        self.capacity.see(sample);
        let full = sample.is_bound() && sample.in_flight() > 0.5 * self.limit;
        let saturated = full || self.patience.is_exceeded(sample, self.floor.latency());
        let calm = self.stage == Stage::Normal && !saturated && !sample.is_bound();
        if calm {
            self.patience.see_calm(sample);
        }
        self.floor.see(sample, calm);
        self.curve.see(sample, self.track.noise(), ours);
        self.learn_capacity(sample, saturated);
        self.unrejected = if sample.is_bound() { 0 } else { self.unrejected.saturating_add(1) };
        self.unsaturated = if saturated { 0 } else { self.unsaturated.saturating_add(1) };
        if self.capacity.saturated() == 1 {
            self.recent.clear();
        } else if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push(*sample);
        saturated
    }

    fn learn_capacity(&mut self, sample: &Sample, saturated: bool) {
        if !saturated {
            return self.capacity.see_room(sample);
        }
        let below = self.track.is_below() && sample.throughput() < self.capacity.known();
        if self.cut.is_some() || self.stage == Stage::Filled || below {
            return self.capacity.see_upwards(sample);
        }
        self.capacity.see_saturated(sample, self.stage == Stage::Normal, self.track.noise());
        if sample.in_flight() > 0.7 * self.cap() {
            self.patience.see_full(sample);
        }
    }
}
