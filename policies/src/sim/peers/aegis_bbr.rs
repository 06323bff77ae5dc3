//! BBR of aegis (kratos): above a CPU threshold, at most highest throughput times lowest latency in flight.
//!
//! Source: `go-kratos/aegis` 0.2.0 (main of 2025-09), `ratelimit/bbr/bbr.go`, `internal/window`, `internal/cpu`.
//!
//! ```text
//! cpu     = 0.95 cpu + 0.05 reading, every 500 ms, in whole thousandths; a reading of 0 repeats the last
//! window    10 s in 100 buckets; the one under way is left out
//! maxPass = most calls that ended in a bucket, at least 1
//! minRT   = lowest mean latency of a bucket, whole milliseconds rounded up, 1 if unknown
//! bound   = round(maxPass x minRT x 10 / 1000)
//! reject if in_flight > max(1, bound) and (cpu >= 800 or the dropping began within the last second)
//! ```
//!
//! Once dropping began, its start is kept until a call is admitted below the threshold a second or more after it. Both
//! maxima are kept for 100 ms. Every end counts, late or failed. The CPU is the share of workers that are busy.

use std::time::Duration;

use super::buckets::{Buckets, Cpu};
use crate::sim::law::{Arrival, Ended, Host, Law};
use crate::time::Timestamp;

const CPU_INTERVAL: Duration = Duration::from_millis(500);
const CPU_THRESHOLD: u64 = 800;
const BUCKETS: usize = 100;
const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS_PER_SECOND: f64 = 10.0;
const COOL_OFF: Duration = Duration::from_secs(1);

/// The law.
#[derive(Debug)]
pub(super) struct AegisBbr {
    cpu: Cpu,
    reading: f64,
    next_reading: Timestamp,
    buckets: Buckets,
    bound: f64,
    bound_at: Option<Timestamp>,
    dropping_since: Option<Timestamp>,
}

impl Default for AegisBbr {
    fn default() -> Self {
        Self {
            cpu: Cpu::default(),
            reading: 0.0,
            next_reading: Timestamp::ZERO + CPU_INTERVAL,
            buckets: Buckets::new(BUCKETS, BUCKET),
            bound: f64::INFINITY,
            bound_at: None,
            dropping_since: None,
        }
    }
}

impl AegisBbr {
    fn exceeds(&mut self, call: &Arrival) -> bool {
        if self.bound_at.is_none_or(|at| call.at.since(at) >= BUCKET) {
            let (most, lowest) = self.buckets.extremes(call.at);
            let product = most.max(1) as f64 * lowest.map_or(1.0, f64::ceil) * BUCKETS_PER_SECOND;
            self.bound = (product / 1000.0 + 0.5).floor();
            self.bound_at = Some(call.at);
        }
        call.in_flight > 1 && f64::from(call.in_flight) > self.bound
    }

    fn drops(&mut self, call: &Arrival) -> bool {
        if self.cpu.thousandths >= CPU_THRESHOLD {
            let drops = self.exceeds(call);
            if drops {
                self.dropping_since.get_or_insert(call.at);
            }
            return drops;
        }
        match self.dropping_since {
            None => false,
            Some(since) if call.at.since(since) <= COOL_OFF => self.exceeds(call),
            Some(_) => {
                self.dropping_since = None;
                false
            }
        }
    }
}

impl Law for AegisBbr {
    fn admit(&mut self, call: &Arrival) -> bool {
        !self.drops(call)
    }

    fn ended(&mut self, call: &Ended) {
        let milliseconds = (call.latency.as_secs_f64() * 1000.0).ceil() as u64;
        self.buckets.add(call.at, milliseconds);
    }

    fn wake_at(&self) -> Option<Timestamp> {
        Some(self.next_reading)
    }

    fn wake(&mut self, at: Timestamp, host: &Host) {
        if host.busy > 0.0 {
            self.reading = host.busy;
        }
        self.cpu.add(self.reading);
        self.next_reading = at + CPU_INTERVAL;
    }

    /// The bound plus the one that is admitted at it; infinite while the CPU is calm.
    fn limit(&self) -> f64 {
        let active = self.cpu.thousandths >= CPU_THRESHOLD || self.dropping_since.is_some();
        if active { self.bound.max(1.0) + 1.0 } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::law::End;
    use crate::sim::peers::trace::{arrival, ended};

    /// 30 calls in the first 100 ms of 20 ms, 10 in the next of 41 ms: bound = round(30 x 20 x 10 / 1000) = 6.
    fn busy() -> AegisBbr {
        let mut law = AegisBbr::default();
        (0..30).for_each(|_| law.ended(&ended(50, 20, 1, End::InTime)));
        (0..10).for_each(|_| law.ended(&ended(150, 41, 1, End::Late)));
        law
    }

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = busy();
        assert!(law.admit(&arrival(200, 1_000_000)), "the CPU is calm");
        (1..=31).for_each(|n| law.wake(Timestamp::from_millis(500 * n), &Host { busy: 1.0 }));
        assert!(law.admit(&arrival(15_500, 1_000_000)), "and still looks so after 15.5 s");

        // the window is 10 s: fed again, all of it is in the CPU's 16th second
        let mut law = AegisBbr { cpu: Cpu { thousandths: 790 }, ..busy() };
        assert!(law.admit(&arrival(400, 7)));
        law.wake(Timestamp::from_millis(500), &Host { busy: 1.0 });
        assert_eq!(law.cpu.thousandths, 800, "0.95 x 790 + 50 = 800.5");
        assert!(law.admit(&arrival(500, 6)));
        assert!(!law.admit(&arrival(500, 7)));
        assert_eq!(law.limit(), 7.0);
        // a reading of 0 repeats the last: 0.95 x 800 + 50 = 810; then 0.1: 0.95 x 810 + 5 = 774
        law.wake(Timestamp::from_millis(1000), &Host { busy: 0.0 });
        assert_eq!(law.cpu.thousandths, 810);
        law.wake(Timestamp::from_millis(1400), &Host { busy: 0.1 });
        assert_eq!(law.cpu.thousandths, 774);
        // calm, but dropping began at 500 ms: until 1500 the bound holds, then it is forgotten
        assert!(!law.admit(&arrival(1500, 7)));
        assert!(law.admit(&arrival(1501, 7)));
        assert_eq!(law.dropping_since, None);
    }

    /// maxPass 1, minRT 1: bound = round(0.01) = 0, but two calls may always run.
    #[test]
    fn an_empty_window_still_admits_two() {
        let mut law = AegisBbr { cpu: Cpu { thousandths: 900 }, ..AegisBbr::default() };
        assert!(law.admit(&arrival(100, 1)));
        assert!(!law.admit(&arrival(100, 2)));
    }
}
