//! Latencies that make a call count as late or as slow.
//!
//! A call is late after the deadline that its service declared, and slow after a latency that some policy watches. There are
//! up to five of them, and most calls exceed none: the request path compares with the shortest only, and looks further where
//! that was exceeded.

use std::time::Duration;

use setpoint_policies::totals::{MOST_WATCHED, SlowCalls};

use super::shard::{Shard, add};
use crate::clock::nanos;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering};

/// In place of a latency: no call takes longer.
const NEVER: u64 = u64::MAX;

/// See the module. Times are nanoseconds.
#[derive(Debug)]
pub(crate) struct Thresholds {
    shortest: AtomicU64,
    deadline: u64,
    /// Only the session's thread writes here. A latency keeps its place for as long as it is watched.
    watched: [AtomicU64; MOST_WATCHED],
}

impl Thresholds {
    pub fn new(deadline: Option<Duration>) -> Self {
        let deadline = deadline.map_or(NEVER, nanos);
        let watched = std::array::from_fn(|_| AtomicU64::new(NEVER));
        Self { shortest: AtomicU64::new(deadline), deadline, watched }
    }

    /// Whether a call of that latency is late, slow or both.
    #[inline]
    pub fn exceeded_by(&self, latency: u64) -> bool {
        latency > self.shortest.load(Ordering::Relaxed)
    }

    /// Watches these latencies from now on, the first [`MOST_WATCHED`] of them, and no others.
    pub fn watch(&self, latencies: &[Duration]) {
        let wanted: Vec<u64> = latencies.iter().take(MOST_WATCHED).map(|after| nanos(*after)).collect();
        let mut missing = wanted.clone();
        let mut free = Vec::new();
        for place in &self.watched {
            let watched = place.load(Ordering::Relaxed);
            match missing.iter().position(|after| *after == watched) {
                Some(index) => _ = missing.swap_remove(index),
                None => free.push(place),
            }
        }
        // There are as many places as latencies, so each finds one.
        let rest = missing.into_iter().chain(std::iter::repeat(NEVER));
        free.into_iter().zip(rest).for_each(|(place, after)| place.store(after, Ordering::Relaxed));
        let shortest = wanted.into_iter().fold(self.deadline, u64::min);
        self.shortest.store(shortest, Ordering::Relaxed);
    }

    /// The watched latencies, each with its count of `counts`.
    pub fn slow_calls(&self, counts: [u64; MOST_WATCHED]) -> Vec<SlowCalls> {
        let watched = self.watched.iter().map(|place| place.load(Ordering::Relaxed)).zip(counts);
        let watched = watched.filter(|(after, _)| *after != NEVER);
        watched.map(|(after, calls)| SlowCalls { after: Duration::from_nanos(after), calls }).collect()
    }

    /// Counts a call that took so long if it failed, and neither that nor anything else if not.
    #[inline]
    pub fn count_failure(&self, shard: &Shard, outcome: Outcome, latency: u64) {
        if matches!(outcome, Outcome::Dropped | Outcome::Failure) && self.exceeded_by(latency) {
            self.count(shard, latency, 1);
        }
    }

    /// Counts so many successes of a latency that exceeds the shortest threshold.
    #[cold]
    pub fn count_successes(&self, shard: &Shard, latency: u64, times: u64) {
        if latency > self.deadline {
            add(&shard.late, times);
        }
        self.count(shard, latency, times);
    }

    /// Counts so many calls of a latency that exceeds the shortest threshold, whatever came of them.
    #[cold]
    fn count(&self, shard: &Shard, latency: u64, times: u64) {
        for (watched, slow) in self.watched.iter().zip(&shard.slow) {
            if latency > watched.load(Ordering::Relaxed) {
                add(slow, times);
            }
        }
    }
}
