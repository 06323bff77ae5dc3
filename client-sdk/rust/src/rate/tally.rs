//! What became of the calls of a rate: counters for a policy that adapts it.
//!
//! A call that is let through is not counted: that would cost as much again as to let it through, and says nothing that its
//! end does not say as well. How calls end the rate hears only from a service that tells ([`super::Rate::record`]). Until one
//! has, nothing is reported, and a policy looks at the limiter of the same name instead.

use std::time::Duration;

use setpoint_policies::totals::{PRIORITIES, Totals};

use crate::clock::nanos;
use crate::outcome::Outcome;
use crate::priority::Priority;
use crate::sync::{AtomicBool, AtomicU64, Ordering, Padded};

/// A callee is believed that it wants to be left alone for so long at most.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub struct Tally {
    rejected: Padded<AtomicU64>,
    ended: Padded<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    /// Whether anything was ever recorded.
    told: AtomicBool,
    by_outcome: [AtomicU64; 4],
    not_before_nanos: AtomicU64,
    /// Rejections when they were reported last.
    rejected_before: AtomicU64,
}

impl Ended {
    /// How much longer a callee wants to be left alone.
    fn left_alone_for(&self, now: u64) -> Option<Duration> {
        let left = self.not_before_nanos.load(Ordering::Relaxed).saturating_sub(now);
        (left > 0).then(|| Duration::from_nanos(left))
    }
}

impl Tally {
    #[inline]
    pub fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has ended, and its callee may have said how long it wants to be left alone.
    pub fn record(&self, now: u64, outcome: Outcome, retry_after: Option<Duration>) {
        let ended = &self.ended;
        ended.by_outcome[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(wait) = retry_after {
            let not_before = now.saturating_add(nanos(wait.min(LONGEST_RETRY_AFTER)));
            ended.not_before_nanos.fetch_max(not_before, Ordering::Relaxed);
        }
        ended.told.store(true, Ordering::Relaxed);
    }

    /// All of it, if the service tells how calls end. A call is in it when it has ended.
    pub fn totals(&self, at_nanos: u64, stall_nanos: u64, in_force: f64) -> Option<Totals> {
        let ended = &self.ended;
        if !ended.told.load(Ordering::Relaxed) {
            return None;
        }
        let of = |outcome: Outcome| ended.by_outcome[outcome as usize].load(Ordering::Relaxed);
        let refused = self.rejected.load(Ordering::Relaxed);
        let mut rejected = [0; PRIORITIES];
        rejected[Priority::ORDINARY] = refused;
        let counted = Totals {
            at_nanos,
            stall_nanos,
            completed: of(Outcome::Success),
            dropped: of(Outcome::Dropped),
            failed: of(Outcome::Failure),
            cancelled: of(Outcome::Ignore),
            rejected,
            limit_in_force: in_force,
            limited: ended.rejected_before.swap(refused, Ordering::Relaxed) != refused,
            retry_after: ended.left_alone_for(at_nanos),
            ..Totals::default()
        };
        let admitted = counted.released();
        Some(Totals { arrived: admitted.wrapping_add(refused), admitted, ..counted })
    }
}
