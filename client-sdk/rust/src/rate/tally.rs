//! What became of the calls of a rate: counters for a policy that adapts it.
//!
//! A rate sees calls begin; how they end it hears only from a service that says so ([`super::Rate::record`]). Until one has,
//! nothing is reported, and a policy looks at the limiter of the same name instead.

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
    begun: Padded<Begun>,
    ended: Padded<Ended>,
}

#[derive(Debug, Default)]
struct Begun {
    admitted: AtomicU64,
    rejected: AtomicU64,
    limited: AtomicBool,
}

#[derive(Debug, Default)]
struct Ended {
    /// Whether anything was ever recorded.
    told: AtomicBool,
    by_outcome: [AtomicU64; 4],
    not_before_nanos: AtomicU64,
}

impl Tally {
    #[inline]
    pub fn admitted(&self) {
        self.begun.admitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a rejection; how many there were before.
    pub fn rejected(&self) -> u64 {
        self.begun.limited.store(true, Ordering::Relaxed);
        self.begun.rejected.fetch_add(1, Ordering::Relaxed)
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

    /// All of it, if the service tells how calls end.
    pub fn totals(&self, at_nanos: u64, stall_nanos: u64, in_force: f64) -> Option<Totals> {
        let (begun, ended) = (&self.begun, &self.ended);
        if !ended.told.load(Ordering::Relaxed) {
            return None;
        }
        let of = |outcome: Outcome| ended.by_outcome[outcome as usize].load(Ordering::Relaxed);
        let (completed, dropped) = (of(Outcome::Success), of(Outcome::Dropped));
        let (failed, cancelled) = (of(Outcome::Failure), of(Outcome::Ignore));
        // After the ends, so that no call has ended that did not begin.
        let (admitted, refused) =
            (begun.admitted.load(Ordering::Relaxed), begun.rejected.load(Ordering::Relaxed));
        let mut rejected = [0; PRIORITIES];
        rejected[Priority::ORDINARY] = refused;
        Some(Totals {
            at_nanos,
            stall_nanos,
            arrived: admitted.wrapping_add(refused),
            admitted,
            completed,
            dropped,
            failed,
            cancelled,
            rejected,
            limit_in_force: in_force,
            limited: begun.limited.swap(false, Ordering::Relaxed),
            not_before_nanos: ended.not_before_nanos.load(Ordering::Relaxed),
            ..Totals::default()
        })
    }
}
