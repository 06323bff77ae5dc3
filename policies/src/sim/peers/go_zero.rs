//! go-zero's adaptive shedder: above a CPU threshold, less than highest throughput times lowest latency in flight.
//!
//! Source: `zeromicro/go-zero` 1.10.3 (master of 2026-08), `core/load/adaptiveshedder.go`, `core/stat/usage.go`,
//! `core/collection/rollingwindow.go`, and the REST and RPC handlers for what counts as a failure.
//!
//! ```text
//! cpu       = 0.95 cpu + 0.05 reading, every 250 ms, in whole thousandths
//! window      5 s in 50 buckets; the one under way is left out
//! maxPass   = most calls that ended well in a bucket, at least 1
//! minRt     = lowest mean latency of a bucket, rounded to milliseconds, 1000 if unknown
//! factor    = clamp((1000 - cpu) / 100, 0.1, 1)
//! bound     = max(1, maxPass x minRt / 100) x factor
//! average   = 0.9 average + 0.1 in_flight, at every end of a call
//! reject if in_flight > bound and average > bound
//!        and (cpu >= 900 or something was rejected and cpu was >= 900 within the last second)
//! ```
//!
//! Late calls and calls that the service refused answer 503 there and are failures: no throughput, no latency. The CPU is
//! the share of workers that are busy.

use std::time::Duration;

use super::buckets::{Buckets, Cpu};
use crate::sim::law::{Arrival, End, Ended, Host, Law};
use crate::time::Timestamp;

const CPU_INTERVAL: Duration = Duration::from_millis(250);
const CPU_THRESHOLD: u64 = 900;
const BUCKETS: usize = 50;
const BUCKET: Duration = Duration::from_millis(100);
const UNKNOWN_LATENCY: f64 = 1000.0;
const BETA: f64 = 0.9;
const COOL_OFF: Duration = Duration::from_secs(1);

/// The law.
#[derive(Debug)]
pub(super) struct GoZero {
    cpu: Cpu,
    next_reading: Timestamp,
    buckets: Buckets,
    /// maxPass x minRt / 100 of the complete buckets, and the bucket under way when it was computed.
    product: (Option<u64>, f64),
    average: f64,
    overloaded_at: Option<Timestamp>,
    dropped_recently: bool,
}

impl Default for GoZero {
    fn default() -> Self {
        Self {
            cpu: Cpu::default(),
            next_reading: Timestamp::ZERO + CPU_INTERVAL,
            buckets: Buckets::new(BUCKETS, BUCKET),
            product: (None, 0.0),
            average: 0.0,
            overloaded_at: None,
            dropped_recently: false,
        }
    }
}

impl GoZero {
    fn bound(&self) -> f64 {
        let factor = (1000.0 - self.cpu.thousandths as f64) / (1000.0 - CPU_THRESHOLD as f64);
        self.product.1.max(1.0) * factor.clamp(0.1, 1.0)
    }

    fn measure(&mut self, at: Timestamp) {
        let index = self.buckets.index(at);
        if self.product.0 != Some(index) {
            let (most, lowest) = self.buckets.extremes(at);
            let latency = lowest.map_or(UNKNOWN_LATENCY, f64::round).min(UNKNOWN_LATENCY);
            self.product = (Some(index), most.max(1) as f64 * latency / 100.0);
        }
    }

    fn hot(&mut self, at: Timestamp) -> bool {
        if self.cpu.thousandths >= CPU_THRESHOLD {
            self.overloaded_at = Some(at);
            return true;
        }
        let Some(since) = self.overloaded_at.filter(|_| self.dropped_recently) else { return false };
        self.dropped_recently = at.since(since) < COOL_OFF;
        self.dropped_recently
    }
}

impl Law for GoZero {
    fn admit(&mut self, call: &Arrival) -> bool {
        if !self.hot(call.at) {
            return true;
        }
        self.measure(call.at);
        let bound = self.bound();
        let drops = self.average > bound && f64::from(call.in_flight) > bound;
        self.dropped_recently |= drops;
        !drops
    }

    fn ended(&mut self, call: &Ended) {
        self.average = self.average * BETA + f64::from(call.in_flight) * (1.0 - BETA);
        if matches!(call.end, End::InTime | End::Failed) {
            let milliseconds = (call.latency.as_secs_f64() * 1000.0).ceil() as u64;
            self.buckets.add(call.at, milliseconds);
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        Some(self.next_reading)
    }

    fn wake(&mut self, at: Timestamp, host: &Host) {
        self.cpu.add(host.busy);
        self.next_reading = at + CPU_INTERVAL;
    }

    /// The bound plus the one that is admitted at it; infinite while the CPU is calm.
    fn limit(&self) -> f64 {
        let active = self.cpu.thousandths >= CPU_THRESHOLD || self.dropped_recently;
        if active { self.bound().floor() + 1.0 } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::trace::{arrival, ended};

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = GoZero::default();
        // maxPass 30, minRt 20: 30 x 20 / 100 = 6; late calls are no throughput
        (0..30).for_each(|_| law.ended(&ended(50, 20, 10, End::InTime)));
        (0..99).for_each(|_| law.ended(&ended(150, 1, 10, End::Late)));
        assert!((law.average - 9.0).abs() < 1e-4, "{}", law.average);
        law.cpu.thousandths = 899;
        assert!(law.admit(&arrival(200, 100)), "899 is calm");
        // 0.95 x 899 + 50 = 904; factor (1000 - 904) / 100 = 0.96: bound 5.76
        law.wake(Timestamp::from_millis(250), &Host { busy: 1.0 });
        assert_eq!(law.cpu.thousandths, 904);
        assert!(law.admit(&arrival(250, 5)));
        assert!(!law.admit(&arrival(250, 6)));
        assert_eq!(law.limit(), 6.0);
        // a low average admits whatever is in flight
        law.average = 5.7;
        assert!(law.admit(&arrival(260, 100)));
        law.average = 9.0;
        // 0.95 x 904 = 858: calm, but still hot for a second after 260 ms; factor 1 -> bound 6
        law.wake(Timestamp::from_millis(500), &Host { busy: 0.0 });
        assert!(!law.admit(&arrival(1259, 7)));
        assert!(law.admit(&arrival(1259, 6)));
        assert!(law.admit(&arrival(1260, 7)));
        assert!(!law.dropped_recently);
    }

    /// Nothing known: 1 x 1000 / 100 = 10, times (1000 - 981) / 100 = 0.19: 1.9.
    #[test]
    fn a_saturated_cpu_without_successes_admits_two() {
        let mut law = GoZero { cpu: Cpu { thousandths: 981 }, average: 50.0, ..GoZero::default() };
        assert!(law.admit(&arrival(0, 1)));
        assert!(!law.admit(&arrival(0, 2)));
    }
}
