//! What a limiter has seen, summed over its shards.
//!
//! A reader looks at shard after shard, all releases first and then all admissions. A release that it saw was admitted
//! before, so the difference, the calls in flight, is never negative. Calls that come and go between the two passes would
//! make it too large; so it looks again at the releases, and does it over when there were any.

use setpoint_policies::totals::{MOST_WATCHED, PRIORITIES};

use super::histogram::BUCKETS;
use super::places::Reader;
use super::shard::Shard;
use crate::sync::{AtomicU64, Ordering};

/// The counters of all shards together, as far as they come from finished calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Released {
    pub completed: u64,
    pub dropped: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub late: u64,
    pub release_time_sum: u64,
    pub latency_sum: u64,
    pub success_latency_sum: u64,
    pub success_latency_sq_sum: u64,
}

impl Released {
    fn of(shard: &Shard) -> Self {
        let [completed, dropped, failed, cancelled, late] =
            [&shard.completed, &shard.dropped, &shard.failed, &shard.cancelled, &shard.late].map(read);
        let [release_time_sum, latency_sum] = [&shard.release_time_sum, &shard.latency_sum].map(read);
        let pending = shard.pending_releases();
        Self {
            completed,
            dropped,
            failed,
            cancelled,
            late,
            release_time_sum: release_time_sum.wrapping_add(pending.times),
            latency_sum: latency_sum.wrapping_add(pending.times),
            success_latency_sum: read(&shard.success_latency_sum).wrapping_add(pending.latencies),
            success_latency_sq_sum: read(&shard.success_latency_sq_sum).wrapping_add(pending.squares),
        }
    }

    const fn plus(&self, other: &Self) -> Self {
        Self {
            completed: self.completed.wrapping_add(other.completed),
            dropped: self.dropped.wrapping_add(other.dropped),
            failed: self.failed.wrapping_add(other.failed),
            cancelled: self.cancelled.wrapping_add(other.cancelled),
            late: self.late.wrapping_add(other.late),
            release_time_sum: self.release_time_sum.wrapping_add(other.release_time_sum),
            latency_sum: self.latency_sum.wrapping_add(other.latency_sum),
            success_latency_sum: self.success_latency_sum.wrapping_add(other.success_latency_sum),
            success_latency_sq_sum: self.success_latency_sq_sum.wrapping_add(other.success_latency_sq_sum),
        }
    }

    /// Calls released in whatever way.
    pub const fn count(&self) -> u64 {
        self.completed.wrapping_add(self.dropped).wrapping_add(self.failed).wrapping_add(self.cancelled)
    }
}

/// The counters of all shards together, as far as they come from admissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub admitted: u64,
    pub admit_time_sum: u64,
    pub rejected: [u64; PRIORITIES],
}

/// How often a reader that was overtaken tries again.
const SNAPSHOT_ATTEMPTS: usize = 8;

impl Reader<'_> {
    /// Both halves, as of one moment if the limiter is quiet for the microsecond that it takes: a reader that is
    /// interrupted half way tries again, one that cannot keep up with the calls takes the closest that it got.
    pub fn snapshot(&self) -> (Released, Admitted) {
        let mut released = self.released();
        let mut closest = (u64::MAX, released, Admitted::default());
        for _ in 0..SNAPSHOT_ATTEMPTS {
            let admitted = self.admitted();
            let after = self.released();
            let between = after.count().wrapping_sub(released.count());
            if between < closest.0 {
                closest = (between, released, admitted);
            }
            if between == 0 {
                break;
            }
            released = after;
        }
        (closest.1, closest.2)
    }

    /// What the finished calls left.
    pub fn released(&self) -> Released {
        let mut sum = Released::default();
        self.visit(Released::of, |seen| sum = sum.plus(&seen));
        sum
    }

    /// What the admissions left.
    fn admitted(&self) -> Admitted {
        let [admitted, admit_time_sum] = self.sum(|shard| {
            let admit_time_sum = read(&shard.admit_time_sum).wrapping_add(shard.pending_admissions());
            [read(&shard.admitted), admit_time_sum]
        });
        let rejected = self.sum(|shard| shard.rejected.each_ref().map(read));
        Admitted { admitted, admit_time_sum, rejected }
    }

    /// How many successes fell into each bucket of latency.
    pub fn histogram(&self) -> [u64; BUCKETS] {
        self.sum(|shard| shard.histogram.each_ref().map(read))
    }

    /// How many calls were slower than each watched latency.
    pub fn slow(&self) -> [u64; MOST_WATCHED] {
        self.sum(|shard| shard.slow.each_ref().map(read))
    }

    fn sum<const N: usize>(&self, counters: impl Fn(&Shard) -> [u64; N]) -> [u64; N] {
        let mut sum = [0_u64; N];
        self.visit(counters, |seen| {
            for (sum, seen) in sum.iter_mut().zip(seen) {
                *sum = sum.wrapping_add(seen);
            }
        });
        sum
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
