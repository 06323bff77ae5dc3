//! Uber's Cinnamon: a PI controller rejects by priority, an auto-tuner sets the limit.
//!
//! Source: Uber engineering blog, 2023-11 and -12: "Cinnamon: Using Century Old Tech to Build a Mean Load Shedder", "PID
//! Controller for Cinnamon", "Cinnamon Auto-Tuner: Adaptive Concurrency in the Wild". There is no public code;
//! the left column is what the posts and summaries of them say, the right one is ours, chosen so that the parts are stable.
//!
//! | part | published | reconstructed here |
//! |---|---|---|
//! | levels | priority (tier) times 128 cohorts of callers; the lowest are shed first | cohort drawn per call |
//! | rejector | PI on calls in, calls out and free slots; from ratio to level by the levels of the last 1000 calls | every 500 ms, gains, and division by the calls that asked (below) |
//! | overload | ends when the queue has emptied | no call found the limit reached for 500 ms |
//! | queue | by priority, before the limit | none: a call that finds the limit reached is rejected |
//! | auto-tuner | TCP Vegas on smoothed p90; target latency is set anew at times; throughput by Little's law; negative covariance with calls in flight over 50 intervals lowers the limit | constants of Netflix Vegas; intervals and smoothing of failsafe-go, which follows it; target set in each of the first 10 intervals, then every 50 |
//! | bounds | cores to ten times the calls in flight | begins with 20; highest [`HIGHEST`] |
//!
//! ```text
//! in   = calls that passed the rejector, out = calls that started, free = limit - in_flight     (of 500 ms)
//! p    = (in - out - free) / asked,    integral = clamp(integral + 0.5 p, 0, 1 / 1.4)
//! rejected share = clamp(0.1 p + 1.4 integral, 0, 1)
//!
//! queue = limit (1 - target / latency),  g = floor(log10(limit)), at least 1        (every 1 s with 50 samples)
//! covariance < 0 or queue > 6 g:  limit - g
//! queue < 3 g:                    limit + g
//! ```

use std::time::Duration;

use super::HIGHEST;
use super::correlation::Correlation;
use super::netflix::log10_root;
use super::statistics::{MedianOfFive, MovingAverage, percentile};
use crate::sim::law::{Arrival, Ended, Host, Law};
use crate::time::Timestamp;

mod levels;

use levels::Levels;

const PERIOD: Duration = Duration::from_millis(500);
const PROPORTIONAL: f64 = 0.1;
const INTEGRAL: f64 = 1.4;
const INITIAL: f64 = 20.0;
const INTERVAL: Duration = Duration::from_secs(1);
const FEWEST_SAMPLES: usize = 50;
const QUANTILE: f64 = 0.9;
const IN_FLIGHT_FACTOR: f64 = 10.0;
const TARGET_WARM_UP: u32 = 10;
const TARGET_INTERVALS: u32 = 50;

/// The law.
#[derive(Debug)]
pub(super) struct Cinnamon {
    rejector: Rejector,
    tuner: Tuner,
    in_flight: u32,
    next_period: Timestamp,
}

impl Cinnamon {
    /// On a host with so many cores.
    pub(super) fn new(cores: u32) -> Self {
        Self {
            rejector: Rejector::default(),
            tuner: Tuner::new(f64::from(cores.max(1))),
            in_flight: 0,
            next_period: Timestamp::ZERO + PERIOD,
        }
    }
}

#[derive(Debug, Default)]
struct Rejector {
    levels: Levels,
    /// Levels above this are rejected.
    threshold: Option<usize>,
    integral: f64,
    asked: u32,
    passed: u32,
    started: u32,
}

impl Rejector {
    /// The share to be rejected, from what happened in a period.
    fn control(&mut self, free: f64) -> f64 {
        let (asked, passed, started) =
            (f64::from(self.asked), f64::from(self.passed), f64::from(self.started));
        (self.asked, self.passed, self.started) = (0, 0, 0);
        if passed <= started {
            self.integral = 0.0;
            return 0.0;
        }
        let error = (passed - started - free) / asked;
        self.integral = (self.integral + error * PERIOD.as_secs_f64()).clamp(0.0, 1.0 / INTEGRAL);
        (PROPORTIONAL * error + INTEGRAL * self.integral).clamp(0.0, 1.0)
    }

    fn close_period(&mut self, free: f64) {
        let share = self.control(free);
        self.threshold = (share > 0.0).then(|| self.levels.threshold(share));
    }
}

#[derive(Debug)]
struct Tuner {
    limit: f64,
    lowest: f64,
    latencies: Vec<f64>,
    in_flight: u32,
    next: Timestamp,
    median: MedianOfFive,
    smoothed: MovingAverage,
    target: f64,
    intervals: u32,
    throughput: Correlation,
}

impl Tuner {
    fn new(lowest: f64) -> Self {
        Self {
            limit: INITIAL.max(lowest),
            lowest,
            latencies: Vec::new(),
            in_flight: 0,
            next: Timestamp::ZERO,
            median: MedianOfFive::default(),
            smoothed: MovingAverage::new(5, 10),
            target: 0.0,
            intervals: 0,
            throughput: Correlation::default(),
        }
    }

    fn add(&mut self, call: &Ended) {
        self.latencies.push(call.latency.as_secs_f64());
        self.in_flight = self.in_flight.max(call.in_flight_at_start);
        if call.at > self.next && self.latencies.len() >= FEWEST_SAMPLES {
            self.close_interval();
            self.next = call.at + INTERVAL;
        }
    }

    fn close_interval(&mut self) {
        let Some(quantile) = percentile(&mut self.latencies, QUANTILE) else { return };
        let latency = self.smoothed.add(self.median.add(quantile));
        let in_flight = f64::from(self.in_flight);
        let throughput = self.throughput.add(in_flight, in_flight / latency).coefficient;
        if self.intervals < TARGET_WARM_UP || self.intervals.is_multiple_of(TARGET_INTERVALS) {
            self.target = latency;
        }
        self.intervals += 1;
        self.limit = self.next_limit(latency, throughput, in_flight);
        self.latencies.clear();
        self.in_flight = 0;
    }

    fn next_limit(&self, latency: f64, throughput: f64, in_flight: f64) -> f64 {
        let g = log10_root(self.limit);
        let queue = self.limit * (1.0 - self.target / latency);
        let next = if throughput < 0.0 || queue > 6.0 * g {
            self.limit - g
        } else if queue < 3.0 * g {
            (self.limit + g).min(IN_FLIGHT_FACTOR * in_flight).max(self.limit)
        } else {
            self.limit
        };
        next.max(self.lowest).min(HIGHEST)
    }
}

impl Law for Cinnamon {
    fn admit(&mut self, call: &Arrival) -> bool {
        self.in_flight = call.in_flight;
        let level = Levels::of(call.priority, call.chance);
        self.rejector.levels.add(level);
        self.rejector.asked += 1;
        if self.rejector.threshold.is_some_and(|threshold| level > threshold) {
            return false;
        }
        self.rejector.passed += 1;
        let starts = f64::from(call.in_flight) < self.tuner.limit;
        self.rejector.started += u32::from(starts);
        self.in_flight += u32::from(starts);
        starts
    }

    fn ended(&mut self, call: &Ended) {
        self.in_flight = call.in_flight;
        self.tuner.add(call);
    }

    fn wake_at(&self) -> Option<Timestamp> {
        Some(self.next_period)
    }

    fn wake(&mut self, at: Timestamp, _: &Host) {
        self.rejector.close_period((self.tuner.limit - f64::from(self.in_flight)).max(0.0));
        self.next_period = at + PERIOD;
    }

    fn limit(&self) -> f64 {
        self.tuner.limit
    }
}

#[cfg(test)]
mod tests;
