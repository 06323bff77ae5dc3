//! Envoy's gradient controller: limit times the ratio of a probed latency to the current one.
//!
//! Source: Envoy, `gradient_controller.cc` at c35f67fb, `adaptive_concurrency_filter.cc`, and the newer v3 API
//! `adaptive_concurrency.proto` with the filter's documentation at 149521d8. The API's `min_concurrency_limit`, which spares
//! the rejections of a probe, is unset by default and so it is here.
//!
//! ```text
//! every 100 ms with samples:  gradient = clamp(1.25 minRTT / p50, 0.5, 2)
//!                             limit    = clamp(floor(limit gradient + sqrt(limit gradient)), 3, 1000)
//! every 60 s + 0..15 %:       probe: limit 3 until 50 calls that began in the probe have ended; minRTT = their p50
//! limit 3 set 5 times running: probe at once
//! ```
//!
//! Calls that began before the last probe are never sampled. Samples are all answers, late and failed ones too: the
//! filter does not look at them. Latencies are whole microseconds. Defaults of the API where there are any; the interval
//! of updates and of probes has none, these are of the documentation's example. Percentiles are exact here, from a
//! histogram with two significant digits there. Nothing guards the limit when idle: it grows to the highest.
//!
//! Timers are looked at whenever a call begins or ends: nothing can happen in between that they would change.

use std::time::Duration;

use super::statistics::percentile;
use crate::sim::law::{Arrival, Ended, Law};
use crate::time::Timestamp;

const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
const PROBE_INTERVAL_SECONDS: f64 = 60.0;
const JITTER: f64 = 0.15;
const BUFFER: f64 = 1.25;
const PROBE_SAMPLES: usize = 50;
const LOWEST: u32 = 3;
const HIGHEST: u32 = 1000;
const LOWEST_SETS: u32 = 5;

/// The law.
#[derive(Debug)]
pub(super) struct EnvoyGradient {
    limit: u32,
    /// The limit to go back to; `Some` while probing.
    deferred: Option<u32>,
    min_rtt_us: f64,
    samples_us: Vec<f64>,
    /// Start of the last probe.
    epoch: Timestamp,
    next_update: Timestamp,
    next_probe: Option<Timestamp>,
    lowest_sets: u32,
    chance: f64,
}

impl Default for EnvoyGradient {
    fn default() -> Self {
        Self {
            limit: LOWEST,
            deferred: Some(LOWEST),
            min_rtt_us: 0.0,
            samples_us: Vec::new(),
            epoch: Timestamp::ZERO,
            next_update: Timestamp::ZERO,
            next_probe: None,
            lowest_sets: 0,
            chance: 0.5,
        }
    }
}

impl EnvoyGradient {
    /// Fires the timers that are due, in their order.
    fn advance(&mut self, now: Timestamp) {
        while self.deferred.is_none() {
            match self.next_probe {
                Some(at) if at <= now && at <= self.next_update => self.enter_probe(at),
                _ if self.next_update <= now => self.update(),
                _ => return,
            }
        }
    }

    fn update(&mut self) {
        let at = self.next_update;
        self.next_update = at + UPDATE_INTERVAL;
        let Some(sample) = self.take_median() else { return };
        let gradient = (BUFFER * self.min_rtt_us / sample).clamp(0.5, 2.0);
        let scaled = f64::from(self.limit) * gradient;
        let limit = ((scaled + scaled.sqrt()) as u32).clamp(LOWEST, HIGHEST);
        let again = self.limit == LOWEST && limit == LOWEST;
        self.lowest_sets = if again { self.lowest_sets + 1 } else { 0 };
        self.limit = limit;
        if self.lowest_sets >= LOWEST_SETS {
            self.next_probe = Some(at);
        }
    }

    fn enter_probe(&mut self, at: Timestamp) {
        self.deferred = Some(self.limit);
        self.limit = LOWEST;
        self.lowest_sets = 0;
        self.samples_us.clear();
        (self.epoch, self.next_probe) = (at, None);
    }

    fn leave_probe(&mut self, now: Timestamp, limit: u32) {
        self.min_rtt_us = self.take_median().unwrap_or(self.min_rtt_us);
        (self.limit, self.deferred) = (limit, None);
        let wait = PROBE_INTERVAL_SECONDS * (1.0 + JITTER * self.chance);
        self.next_probe = Some(now + Duration::from_secs_f64(wait));
        self.next_update = now + UPDATE_INTERVAL;
    }

    fn take_median(&mut self) -> Option<f64> {
        let median = percentile(&mut self.samples_us, 0.5);
        self.samples_us.clear();
        median.map(f64::trunc)
    }
}

impl Law for EnvoyGradient {
    fn admit(&mut self, call: &Arrival) -> bool {
        self.chance = call.chance;
        self.advance(call.at);
        call.in_flight < self.limit
    }

    fn ended(&mut self, call: &Ended) {
        self.advance(call.at);
        if call.latency > call.at.since(self.epoch) {
            return;
        }
        self.samples_us.push(call.latency.as_micros() as f64);
        if let Some(limit) = self.deferred
            && self.samples_us.len() >= PROBE_SAMPLES
        {
            self.leave_probe(call.at, limit);
        }
    }

    fn limit(&self) -> f64 {
        f64::from(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::law::End;
    use crate::sim::peers::trace::{arrival, ended};

    /// A law whose first probe, from 0 to 1 s, measured 10 ms.
    fn probed() -> EnvoyGradient {
        let mut law = EnvoyGradient::default();
        (0..49).for_each(|_| law.ended(&ended(1000, 10, 3, End::InTime)));
        assert!(law.deferred.is_some());
        assert!(law.admit(&arrival(1000, 2)) && !law.admit(&arrival(1000, 3)));
        law.ended(&ended(1000, 10, 3, End::InTime));
        assert_eq!((law.deferred, law.min_rtt_us), (None, 10_000.0));
        law
    }

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = probed();
        let mut window = |at, latency| {
            law.ended(&ended(at, latency, 1, End::Late));
            law.admit(&arrival(at + 99, 0));
            law.limit()
        };
        // not due before 1.1 s
        assert_eq!(window(1000, 10), 3.0);
        // 12.5 / 10 = 1.25: 3.75 + sqrt(3.75) = 5.686
        assert_eq!(window(1001, 10), 5.0);
        // 12.5 / 5 = 2.5 -> 2: 10 + sqrt(10) = 13.16
        assert_eq!(window(1101, 5), 13.0);
        // 12.5 / 12.5 = 1: 13 + sqrt(13) = 16.6; the sample has whole milliseconds: 12 -> 1.041667: 13.54 + 3.68 = 17.22
        assert_eq!(window(1201, 12), 17.0);
        // 12.5 / 100 -> 0.5: 8.5 + sqrt(8.5) = 11.4
        assert_eq!(window(1301, 100), 11.0);
        // 12.5 / 20 = 0.625: 6.875 + 2.622 = 9.497
        assert_eq!(window(1401, 20), 9.0);
    }

    /// At 0.5: 3 -> 1.5 + 1.22 = 2.72 -> 3, five times: a probe that ignores whatever began before it.
    #[test]
    fn the_lowest_limit_five_times_running_starts_a_probe() {
        let mut law = probed();
        for n in 0..5 {
            assert_eq!(law.deferred, None);
            law.ended(&ended(1001 + 100 * n, 100, 3, End::InTime));
            law.admit(&arrival(1100 + 100 * n, 0));
        }
        assert_eq!((law.deferred, law.epoch), (Some(3), Timestamp::from_millis(1500)));
        (0..60).for_each(|_| law.ended(&ended(1600, 101, 3, End::InTime)));
        assert_eq!(law.deferred, Some(3), "began 1 ms before the probe");
        (0..50).for_each(|_| law.ended(&ended(1600, 100, 3, End::InTime)));
        assert_eq!((law.deferred, law.min_rtt_us), (None, 100_000.0));
    }

    /// With a draw of 0.5 the next probe is due 60 x (1 + 0.15 x 0.5) = 64.5 s after the last one's end.
    #[test]
    fn probes_again_after_a_minute_and_keeps_its_limit() {
        let mut law = probed();
        law.ended(&ended(1050, 10, 1, End::InTime));
        law.admit(&arrival(65_499, 0));
        assert_eq!((law.limit(), law.deferred), (5.0, None));
        assert!(!law.admit(&arrival(65_500, 3)));
        assert_eq!((law.limit(), law.deferred), (3.0, Some(5)));
        (0..50).for_each(|_| law.ended(&ended(65_700, 20, 3, End::InTime)));
        assert_eq!((law.limit(), law.min_rtt_us), (5.0, 20_000.0));
    }
}
