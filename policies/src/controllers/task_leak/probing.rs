//! Whether new work can be let in again: judged by what is let through on probation.
//!
//! Calls alone could succeed while each of them leaves a task behind, and tasks alone say nothing while no call is let
//! through; so both have to be in order. A call that was in flight when probing began decides nothing.

use std::sync::Arc;

use crate::time::Timestamp;
use crate::totals::Totals;

/// A probe at work.
#[derive(Debug, Clone)]
pub(super) struct Probing {
    began_at: Timestamp,
    began: Arc<Totals>,
    /// Tasks when it began.
    pub(super) tasks: f64,
}

/// What became of the calls let through so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// None, or too few to say anything.
    Few {
        /// Successful ones.
        successes: u64,
    },
    /// Enough succeeded.
    Succeeded,
    /// One failed, or hangs.
    Failed,
}

impl Probing {
    pub(super) const fn new(began_at: Timestamp, began: Arc<Totals>, tasks: f64) -> Self {
        Self { began_at, began, tasks }
    }

    /// Judges the calls let through; `patience` is how long a probe may take.
    pub(super) fn calls(
        &mut self,
        now: Timestamp,
        totals: &Arc<Totals>,
        needed: u64,
        patience: std::time::Duration,
    ) -> Calls {
        let since = |pick: fn(&Totals) -> u64| pick(totals).wrapping_sub(pick(&self.began));
        if since(|t| t.admitted) == 0 {
            // Whatever ended so far was in flight before: fewer stragglers to reckon with.
            (self.began, self.began_at) = (Arc::clone(totals), now);
            return Calls::Few { successes: 0 };
        }
        let stragglers = self.began.in_flight();
        let successes = since(|t| t.completed).saturating_sub(stragglers);
        let failures = since(|t| t.dropped.wrapping_add(t.failed)).saturating_sub(stragglers);
        let late = now.since(self.began_at) >= patience;
        match (failures, successes) {
            (1.., _) => Calls::Failed,
            (_, n) if n >= needed => Calls::Succeeded,
            // There is little to do, and all of it went well.
            (_, 1..) if late && totals.in_flight() == 0 => Calls::Succeeded,
            (_, _) if late && totals.in_flight() > 0 => Calls::Failed,
            (_, successes) => Calls::Few { successes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn totals(admitted: u64, completed: u64, failed: u64) -> Arc<Totals> {
        Arc::new(Totals { admitted, completed, failed, ..Totals::default() })
    }

    #[test]
    fn only_calls_of_the_probe_decide() {
        let patience = Duration::from_secs(60);
        // Twenty stragglers were in flight when probing began.
        let began = totals(100, 80, 0);
        for (after, then, expected) in [
            (1, totals(100, 99, 1), Calls::Few { successes: 0 }),
            (1, totals(102, 100, 1), Calls::Few { successes: 0 }),
            (1, totals(102, 101, 0), Calls::Few { successes: 1 }),
            (1, totals(103, 103, 0), Calls::Succeeded),
            (1, totals(122, 80, 21), Calls::Failed),
            (61, totals(102, 101, 0), Calls::Failed),
            (61, totals(102, 102, 0), Calls::Succeeded),
            (61, totals(100, 99, 1), Calls::Few { successes: 0 }),
        ] {
            let mut probing = Probing::new(Timestamp::ZERO, Arc::clone(&began), 500.0);
            let now = Timestamp::ZERO + Duration::from_secs(after);
            assert_eq!(probing.calls(now, &then, 3, patience), expected, "{then:?} after {after} s");
        }
    }
}
