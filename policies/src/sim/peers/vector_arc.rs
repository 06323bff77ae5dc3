//! Vector's adaptive request concurrency: additive increase, multiplicative decrease, on latency and back pressure.
//!
//! Source: Vector, `adaptive_concurrency/controller.rs` at 05b56b79, its settings, and `EwmaVar` of its statistics.
//! With the mean latency `now` since the last update, and mean and deviation `past` of an exponential average, an update
//! comes with the first end of a call that is one past mean after the last:
//!
//! ```text
//! limit reached, no back pressure, now <= past:               limit + 1
//! back pressure, or now >= past + 2.5 deviations, limit > 1:  floor(0.9 limit), at least 1
//! then  difference = now - past, past += 0.4 difference, variance = 0.6 (variance + 0.4 difference^2)
//! ```
//!
//! Defaults: initial limit 1; the highest is 200 there and [`HIGHEST`] here. A late call is a time-out there, a refused one
//! a response that is retried: both are back pressure and no sample. It stands in a client there whose callers wait
//! instead of being refused.

use std::time::Duration;

use super::HIGHEST;
use crate::sim::law::{Arrival, End, Ended, Law};
use crate::time::Timestamp;

const INITIAL: f64 = 1.0;
const DECREASE: f64 = 0.9;
const ALPHA: f64 = 0.4;
const DEVIATIONS: f64 = 2.5;

/// The law.
#[derive(Debug)]
pub(super) struct VectorArc {
    limit: f64,
    /// Mean and variance of past updates, seconds.
    past: Option<(f64, f64)>,
    sum: f64,
    count: u32,
    next_update: Timestamp,
    back_pressure: bool,
    reached: bool,
}

impl Default for VectorArc {
    fn default() -> Self {
        Self {
            limit: INITIAL,
            past: None,
            sum: 0.0,
            count: 0,
            next_update: Timestamp::ZERO,
            back_pressure: false,
            reached: false,
        }
    }
}

impl VectorArc {
    fn manage(&mut self, (mean, variance): (f64, f64), current: Option<f64>) {
        let quick = current.is_some_and(|current| current <= mean);
        let slow = current.unwrap_or(0.0) >= mean + DEVIATIONS * variance.sqrt();
        if self.limit < HIGHEST && self.reached && !self.back_pressure && quick {
            self.limit += 1.0;
        } else if self.limit > 1.0 && (self.back_pressure || slow) {
            self.limit = (self.limit * DECREASE).floor().max(1.0);
        }
    }

    fn update(&mut self, now: Timestamp) {
        let current = (self.count > 0).then(|| self.sum / f64::from(self.count));
        let Some((mean, variance)) = self.past else {
            if let Some(current) = current {
                self.past = Some((current, 0.0));
                self.next_update = now + Duration::from_secs_f64(current);
            }
            return;
        };
        if now < self.next_update {
            return;
        }
        self.manage((mean, variance), current);
        let mut mean = mean;
        if let Some(current) = current {
            let difference = current - mean;
            let increment = ALPHA * difference;
            mean += increment;
            self.past = Some((mean, (1.0 - ALPHA) * (variance + difference * increment)));
        }
        self.next_update = now + Duration::from_secs_f64(mean);
        (self.sum, self.count, self.back_pressure, self.reached) = (0.0, 0, false, false);
    }
}

impl Law for VectorArc {
    fn admit(&mut self, call: &Arrival) -> bool {
        let in_flight = f64::from(call.in_flight) + 1.0;
        if in_flight > self.limit {
            return false;
        }
        self.reached |= in_flight >= self.limit;
        true
    }

    fn ended(&mut self, call: &Ended) {
        match call.end {
            End::InTime => {
                self.sum += call.latency.as_secs_f64();
                self.count += 1;
            }
            End::Late | End::Dropped => self.back_pressure = true,
            End::Failed => {}
        }
        self.update(call.at);
    }

    fn limit(&self) -> f64 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::trace::{arrival, ended};

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = VectorArc { limit: 10.0, ..VectorArc::default() };
        let mut call = |at, in_flight, latency, end| {
            assert!(law.admit(&arrival(at, in_flight)));
            law.ended(&ended(at, latency, in_flight + 1, end));
            let (mean, variance) = law.past.unwrap_or_default();
            (law.limit, (mean * 1e6).round(), (variance * 1e10).round())
        };
        // the first sample is the past: 10 ms, next update at 110 ms
        assert_eq!(call(100, 9, 10, End::InTime), (10.0, 10_000.0, 0.0));
        assert_eq!(call(109, 9, 10, End::InTime), (10.0, 10_000.0, 0.0));
        // 10 <= 10, limit reached: + 1; next at 120
        assert_eq!(call(110, 0, 10, End::InTime), (11.0, 10_000.0, 0.0));
        // limit not reached; 10 >= 10 + 2.5 x 0: floor(9.9); next at 130
        assert_eq!(call(120, 0, 10, End::InTime), (9.0, 10_000.0, 0.0));
        // 20 >= 10: floor(8.1); difference 10: mean 14, variance 0.6 x 10 x 4 = 24 ms2 = 240000e-10 s2; next at 144
        assert_eq!(call(130, 8, 20, End::InTime), (8.0, 14_000.0, 240_000.0));
        // 20 < 14 + 2.5 x 4.899 = 26.2, 20 > 14: held; difference 6: mean 16.4, variance 0.6 (24 + 6 x 2.4) = 23.04
        assert_eq!(call(144, 7, 20, End::InTime), (8.0, 16_400.0, 230_400.0));
        // back pressure without a sample before 160.4: nothing yet; then floor(7.2), mean unchanged
        assert_eq!(call(160, 7, 500, End::Late), (8.0, 16_400.0, 230_400.0));
        assert_eq!(call(161, 7, 5, End::Failed), (7.0, 16_400.0, 230_400.0));
        // 10 <= 16.4 and reached: + 1; difference -6.4: mean 13.84, variance 0.6 (23.04 + 16.384) = 23.6544
        assert_eq!(call(178, 6, 10, End::InTime), (8.0, 13_840.0, 236_544.0));
    }

    #[test]
    fn begins_with_one_call_at_a_time() {
        let mut law = VectorArc::default();
        assert!(law.admit(&arrival(0, 0)));
        assert!(!law.admit(&arrival(0, 1)));
    }
}
