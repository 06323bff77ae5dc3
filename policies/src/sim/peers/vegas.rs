//! Netflix Vegas: the limit holds an estimated queue between two thresholds.
//!
//! Source: Netflix `concurrency-limits` 0.5.4 (main of 2026-01), `VegasLimit`, `Log10RootIntFunction`. With
//! `g = max(1, floor(log10(limit)))`, per sample:
//!
//! ```text
//! every jitter * 30 * limit samples (jitter uniform in 0.5..1, drawn anew): noload = latency; nothing else
//! latency < noload: noload = latency; nothing else
//! queue = ceil(limit (1 - noload / latency))
//! dropped:                limit - g
//! 2 in_flight < limit:    no change
//! queue <= g:             limit + 6 g
//! queue < 3 g:            limit + g
//! queue > 6 g:            limit - g
//! ```
//!
//! Defaults: initial limit 20, between 1 and 1000, no smoothing. `vegas` is what a limiter gets that names no law: a
//! sample per call. `vegas-1s` is the same law behind a 1 s window of mean latencies.

use super::HIGHEST;
use super::netflix::{Limit, Sample, log10_root};

const INITIAL: f64 = 20.0;
const PROBE_MULTIPLIER: f64 = 30.0;

/// The law.
#[derive(Debug)]
pub(super) struct Vegas {
    limit: f64,
    no_load: Option<f64>,
    probe_count: u32,
    probe_jitter: Option<f64>,
}

impl Default for Vegas {
    fn default() -> Self {
        Self { limit: INITIAL, no_load: None, probe_count: 0, probe_jitter: None }
    }
}

impl Vegas {
    fn probes(&mut self, chance: f64) -> bool {
        let draw = 0.5 + 0.5 * chance;
        let jitter = *self.probe_jitter.get_or_insert(draw);
        self.probe_count += 1;
        if jitter * PROBE_MULTIPLIER * self.limit > f64::from(self.probe_count) {
            return false;
        }
        self.probe_jitter = Some(draw);
        self.probe_count = 0;
        true
    }

    fn step(&self, no_load: f64, sample: &Sample) -> f64 {
        let g = log10_root(self.limit.trunc());
        if sample.dropped {
            return -g;
        }
        if f64::from(sample.in_flight) * 2.0 < self.limit {
            return 0.0;
        }
        match (self.limit * (1.0 - no_load / sample.seconds)).ceil() {
            queue if queue <= g => 6.0 * g,
            queue if queue < 3.0 * g => g,
            queue if queue > 6.0 * g => -g,
            _ => 0.0,
        }
    }
}

impl Limit for Vegas {
    fn update(&mut self, sample: &Sample) {
        let probes = self.probes(sample.chance);
        match self.no_load {
            Some(no_load) if !probes && sample.seconds >= no_load => {
                self.limit = (self.limit + self.step(no_load, sample)).clamp(1.0, HIGHEST);
            }
            _ => self.no_load = Some(sample.seconds),
        }
    }

    fn limit(&self) -> u32 {
        self.limit as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::law::{End, Law};
    use crate::sim::peers::netflix::Limiter;
    use crate::sim::peers::trace::{arrival, ended};

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = Limiter::new(Vegas::default());
        let mut feed = |latency, in_flight, end| {
            law.ended(&ended(0, latency, in_flight, end));
            law.limit()
        };
        // the first sample only sets noload = 10
        assert_eq!(feed(10, 20, End::InTime), 20.0);
        // queue = ceil(20 (1 - 10/10)) = 0 <= 1: + 6
        assert_eq!(feed(10, 20, End::InTime), 26.0);
        // 2 x 12 < 26: held
        assert_eq!(feed(10, 12, End::InTime), 26.0);
        // queue = ceil(26 (1 - 10/11)) = ceil(2.36) = 3, neither < 3 nor > 6: held
        assert_eq!(feed(11, 26, End::InTime), 26.0);
        // queue = ceil(26 (1 - 10/13)) = ceil(6.0) = 6: held; 14 ms: ceil(7.43) = 8 > 6: - 1
        assert_eq!(feed(13, 26, End::InTime), 26.0);
        assert_eq!(feed(14, 26, End::InTime), 25.0);
        // a drop takes 1 whatever the queue, even far from the limit
        assert_eq!(feed(10, 1, End::Late), 24.0);
        // a shorter latency only moves noload to 9
        assert_eq!(feed(9, 24, End::InTime), 24.0);
        // queue = ceil(24 (1 - 9/10)) = ceil(2.4) = 3: held (with noload = 10 it would have grown)
        assert_eq!(feed(10, 24, End::InTime), 24.0);
    }

    /// With a draw of 0.5 the jitter is 0.75: at a limit of 20 the 450th sample is a probe.
    #[test]
    fn a_probe_takes_any_latency_for_the_one_without_load() {
        let mut law = Limiter::new(Vegas::default());
        law.admit(&arrival(0, 0));
        law.ended(&ended(0, 10, 1, End::InTime));
        (0..448).for_each(|_| law.ended(&ended(0, 40, 1, End::InTime)));
        assert_eq!(law.limit(), 20.0);
        law.ended(&ended(0, 40, 20, End::InTime));
        assert_eq!(law.limit(), 20.0, "the 450th only probes");
        law.ended(&ended(0, 40, 20, End::InTime));
        assert_eq!(law.limit(), 26.0, "40 ms is the new latency without load");
    }
}
