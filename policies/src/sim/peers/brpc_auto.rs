//! Apache brpc's automatic limit: highest throughput times lowest latency, and a margin to explore.
//!
//! Source: Apache brpc (master of 2026-08), `auto_concurrency_limiter.cpp`, its flags, and the flag `bthread_concurrency`.
//! A window closes at its 200th sample, or with 100 samples at a second; one with fewer after a second is thrown away. Calls
//! are sampled at most every 0.1 ms. With the latency of a window
//! `avg = ceil((latencies of successes + latencies of failures) / successes)` and its throughput of successes `qps`:
//!
//! ```text
//! min     = avg at first; 0.9 min + 0.1 avg, if avg is lower
//! max_qps = qps if higher; else 0.99 max_qps + 0.01 qps
//! avg <= 1.06 min or qps <= max_qps / 1.06:  explore = min(0.3, explore + 0.02), else max(0.06, explore - 0.02)
//! limit   = max(9, floor(min max_qps (1 + explore)))
//! every 25 to 50 s: limit = max(9, ceil(0.9 min max_qps)) and no samples for 2 avg; min is forgotten
//! no success in a window: limit / 2
//! ```
//!
//! Begins with 40 and explore 0.3. The lowest limit is the number of the server's threads, 8 + 1; there is no highest. It
//! stands in a server that does not know when its caller gave up: a late answer is a success with its latency.

use std::time::Duration;

use crate::sim::law::{Arrival, End, Ended, Law};
use crate::time::Timestamp;

const SAMPLING_INTERVAL: Duration = Duration::from_micros(100);
const WINDOW: Duration = Duration::from_secs(1);
const FEWEST_SAMPLES: u32 = 100;
const MOST_SAMPLES: u32 = 200;
const REMEASURE_HALF_SECONDS: f64 = 25.0;
const LOWEST: f64 = 9.0;
const INITIAL: f64 = 40.0;
const EMA: f64 = 0.1;
const MOST_EXPLORED: f64 = 0.3;
const LEAST_EXPLORED: f64 = 0.06;
const EXPLORE_STEP: f64 = 0.02;
const REDUCE: f64 = 0.9;

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    start: Option<Timestamp>,
    successes: u32,
    failures: u32,
    success_us: f64,
    failure_us: f64,
}

/// The law.
#[derive(Debug)]
pub(super) struct BrpcAuto {
    limit: f64,
    window: Window,
    /// All successes since the window began, sampled or not.
    successes: u32,
    last_sample: Option<Timestamp>,
    min_us: Option<f64>,
    max_qps: f64,
    explore: f64,
    remeasure_at: Option<Timestamp>,
    /// No samples before this: calls that queued under the old limit are leaving.
    draining_until: Option<Timestamp>,
    chance: f64,
}

impl Default for BrpcAuto {
    fn default() -> Self {
        Self {
            limit: INITIAL,
            window: Window::default(),
            successes: 0,
            last_sample: None,
            min_us: None,
            max_qps: -1.0,
            explore: MOST_EXPLORED,
            remeasure_at: None,
            draining_until: None,
            chance: 0.5,
        }
    }
}

impl BrpcAuto {
    fn next_remeasure(&self, now: Timestamp) -> Timestamp {
        now + Duration::from_secs_f64(REMEASURE_HALF_SECONDS * (1.0 + self.chance))
    }

    fn reset_window(&mut self, now: Timestamp) {
        self.successes = 0;
        self.window = Window { start: Some(now), ..Window::default() };
    }

    fn sample(&mut self, now: Timestamp, latency_us: f64, success: bool) {
        if let Some(until) = self.draining_until {
            if until > now {
                return;
            }
            (self.min_us, self.draining_until) = (None, None);
            self.remeasure_at = Some(self.next_remeasure(now));
            self.reset_window(now);
        }
        let start = *self.window.start.get_or_insert(now);
        if success {
            self.window.successes += 1;
            self.window.success_us += latency_us;
        } else {
            self.window.failures += 1;
            self.window.failure_us += latency_us;
        }
        let (samples, elapsed) = (self.window.successes + self.window.failures, now.since(start));
        if samples >= MOST_SAMPLES || (samples >= FEWEST_SAMPLES && elapsed >= WINDOW) {
            if self.window.successes > 0 {
                self.update(now, elapsed.as_secs_f64());
            } else {
                self.limit = (self.limit / 2.0).floor().max(LOWEST);
            }
            self.reset_window(now);
        } else if elapsed >= WINDOW {
            self.reset_window(now);
        }
    }

    fn update(&mut self, now: Timestamp, elapsed_seconds: f64) {
        let window = &self.window;
        let latency = ((window.failure_us + window.success_us) / f64::from(window.successes)).ceil();
        let min = match self.min_us {
            Some(min) if latency < min => (latency * EMA + min * (1.0 - EMA)).trunc(),
            known => known.unwrap_or(latency),
        };
        self.min_us = Some(min);
        let qps = f64::from(self.successes) / elapsed_seconds;
        let slow = EMA / 10.0;
        self.max_qps = if qps >= self.max_qps { qps } else { qps * slow + self.max_qps * (1.0 - slow) };
        let product = min / 1e6 * self.max_qps;
        let next = if self.remeasure_at.is_some_and(|at| at <= now) {
            self.draining_until = Some(now + Duration::from_secs_f64(latency * 2.0 / 1e6));
            (product * REDUCE).ceil()
        } else {
            let calm =
                latency <= min * (1.0 + LEAST_EXPLORED) || qps <= self.max_qps / (1.0 + LEAST_EXPLORED);
            self.explore = if calm {
                (self.explore + EXPLORE_STEP).min(MOST_EXPLORED)
            } else {
                (self.explore - EXPLORE_STEP).max(LEAST_EXPLORED)
            };
            (product * (1.0 + self.explore)).floor()
        };
        self.limit = next.max(LOWEST);
    }
}

impl Law for BrpcAuto {
    fn admit(&mut self, call: &Arrival) -> bool {
        self.chance = call.chance;
        if self.remeasure_at.is_none() {
            self.remeasure_at = Some(self.next_remeasure(Timestamp::ZERO));
        }
        f64::from(call.in_flight) + 1.0 <= self.limit
    }

    fn ended(&mut self, call: &Ended) {
        let success = matches!(call.end, End::InTime | End::Late);
        self.successes += u32::from(success);
        if self.last_sample.is_none_or(|last| call.at.since(last) >= SAMPLING_INTERVAL) {
            self.last_sample = Some(call.at);
            self.sample(call.at, call.latency.as_micros() as f64, success);
        }
    }

    fn limit(&self) -> f64 {
        self.limit
    }
}

#[cfg(test)]
mod tests;
