//! failsafe-go's adaptive limiter: an estimated queue between two thresholds, and correlations against drifting up.
//!
//! Source: failsafe-go (master of 2026-08, after 0.9.7), `adaptivelimiter.go`, `windows.go`, `average.go`, `median.go`.
//! A window closes at the first end of a call after `clamp(2 min latency, 1 s, 30 s)` that finds 50 samples:
//!
//! ```text
//! recent    = average(5) of the median of five of the windows' p90; the first 10 weigh the same
//! baseline  = average(10) of recent; the first 10 weigh the same
//! queue     = ceil(limit (1 - baseline / recent)),  g = floor(log10(limit)), at least 1
//! over the last 50 windows: corr_x = corr(in_flight, in_flight / recent), corr_l = corr(in_flight, recent),
//!                           cv_x = deviation / mean of in_flight / recent
//! queue > 6 g                                     limit - g
//! full and corr_x < 0                             limit - g
//! full and corr_x < 0.3 and corr_l > 0.5          limit - g
//! full and cv_x < 0.2 and corr_l > 0.5            limit - g
//! queue < 3 g                                     limit + g
//! ```
//!
//! Then at most 5 times the calls in flight, step by step from above, and between 1 and the highest, 200 there and
//! [`HIGHEST`] here. Begins with 20. Calls that are cut short by a time-out are dropped: they leave no sample. Percentiles
//! are exact here, from a t-digest there. No queue, which is the default.

use std::time::Duration;

use super::HIGHEST;
use super::correlation::Correlation;
use super::netflix::log10_root;
use super::statistics::{MedianOfFive, MovingAverage, percentile};
use crate::sim::law::{Arrival, End, Ended, Law};
use crate::time::Timestamp;

const INITIAL: f64 = 20.0;
const LOWEST: f64 = 1.0;
const SHORTEST_WINDOW: f64 = 1.0;
const LONGEST_WINDOW: f64 = 30.0;
const FEWEST_SAMPLES: usize = 50;
const QUANTILE: f64 = 0.9;
const IN_FLIGHT_FACTOR: f64 = 5.0;

/// The law.
#[derive(Debug)]
pub(super) struct FailsafeGo {
    limit: f64,
    latencies: Vec<f64>,
    shortest: f64,
    in_flight: u32,
    next_update: Timestamp,
    median: MedianOfFive,
    recent: MovingAverage,
    baseline: MovingAverage,
    throughput: Correlation,
    latency: Correlation,
}

impl Default for FailsafeGo {
    fn default() -> Self {
        Self {
            limit: INITIAL,
            latencies: Vec::new(),
            shortest: f64::INFINITY,
            in_flight: 0,
            next_update: Timestamp::ZERO,
            median: MedianOfFive::default(),
            recent: MovingAverage::new(5, 10),
            baseline: MovingAverage::new(10, 10),
            throughput: Correlation::default(),
            latency: Correlation::default(),
        }
    }
}

/// What a window says about the limit.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    queue: f64,
    full: bool,
    throughput: f64,
    throughput_variation: f64,
    latency: f64,
}

impl Evidence {
    /// -1, 0 or 1.
    fn direction(&self, g: f64) -> f64 {
        let overload = self.throughput < 0.0
            || (self.throughput < 0.3 && self.latency > 0.5)
            || (self.throughput_variation < 0.2 && self.latency > 0.5);
        if self.queue > 6.0 * g || (self.full && overload) {
            -1.0
        } else if self.queue < 3.0 * g {
            1.0
        } else {
            0.0
        }
    }
}

impl FailsafeGo {
    fn close_window(&mut self, now: Timestamp, used: u32) {
        let Some(quantile) = percentile(&mut self.latencies, QUANTILE) else { return };
        let filtered = self.median.add(quantile);
        let recent = self.recent.add(filtered);
        let baseline = self.baseline.add(recent);
        let in_flight = f64::from(self.in_flight);
        let throughput = self.throughput.add(in_flight, in_flight / recent);
        let evidence = Evidence {
            queue: (self.limit * (1.0 - baseline / recent)).ceil(),
            full: f64::from(used) >= self.limit.floor(),
            throughput: throughput.coefficient,
            throughput_variation: throughput.variation,
            latency: self.latency.add(in_flight, recent).coefficient,
        };
        self.limit = next_limit(self.limit, &evidence, in_flight * IN_FLIGHT_FACTOR);
        let wait = (2.0 * self.shortest).clamp(SHORTEST_WINDOW, LONGEST_WINDOW);
        self.next_update = now + Duration::from_secs_f64(wait);
        self.latencies.clear();
        (self.shortest, self.in_flight) = (f64::INFINITY, 0);
    }
}

fn next_limit(limit: f64, evidence: &Evidence, most: f64) -> f64 {
    let g = log10_root(limit.floor());
    let next = limit + evidence.direction(g) * g;
    let capped = match next {
        next if next <= most => next,
        _ if limit > most => limit - g,
        _ => most,
    };
    capped.clamp(LOWEST, HIGHEST)
}

impl Law for FailsafeGo {
    fn admit(&mut self, call: &Arrival) -> bool {
        f64::from(call.in_flight) < self.limit.floor()
    }

    fn ended(&mut self, call: &Ended) {
        if call.end != End::Late {
            let seconds = call.latency.as_secs_f64();
            self.latencies.push(seconds);
            self.shortest = self.shortest.min(seconds);
            self.in_flight = self.in_flight.max(call.in_flight_at_start);
        }
        if call.at > self.next_update && self.latencies.len() >= FEWEST_SAMPLES {
            self.close_window(call.at, call.in_flight + 1);
        }
    }

    fn limit(&self) -> f64 {
        self.limit.floor()
    }
}

#[cfg(test)]
mod tests;
