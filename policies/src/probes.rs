//! The probes of a half-open breaker: how many there may be, and what they prove.
//!
//! Both ends judge with the same function: the SDK the probes of its local breaker, the sidecar those that the SDK counts for
//! it. The counts belong to one *round*, one stay in half-open; a call that was let out in another round is not among them, so
//! no straggler can decide. A probe that has not come back at its deadline has failed.
//!
//! Two bounds keep the callee safe: so many probes at once, and so many in a round. One bound keeps the caller safe: after
//! [`Budget::patience`] a round is decided by what came back, and when all that came back says nothing (callers that went away,
//! requests that were refused by their own fault), in favour of the callee: the recovery after it lets little through at
//! first and ends with the first proof to the contrary. A round without any call is not decided; the next call decides it.

use std::time::Duration;

use crate::spec::InvalidConfig;

/// Most probes at once.
pub const MOST_CONCURRENT: u32 = 8;

/// How many probes a round has, and what they have to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    concurrent: u32,
    total: u32,
    needed: u32,
    deadline: Duration,
    patience: Duration,
}

/// The probes of one round, as counted by the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Probed {
    /// Which round, as it was pushed.
    pub round: u32,
    /// Let out so far.
    pub let_out: u32,
    /// Of these: came back well.
    pub succeeded: u32,
    /// Came back badly (overload included), or not within the deadline.
    pub failed: u32,
    /// Came back and said nothing.
    pub ignored: u32,
}

/// What a round has shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Too little yet.
    Undecided,
    /// The callee is well.
    Recovered,
    /// It is not.
    Failed,
}

impl Budget {
    /// At most `concurrent` probes at once (1 to 8) and `total` in a round (1 to 100), of which `needed` have to succeed;
    /// each comes back within `deadline` (10 ms to 10 min), and a round is decided within `patience` (100 ms to 1 h) of its
    /// first probe.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(
        concurrent: u32,
        total: u32,
        needed: u32,
        deadline: Duration,
        patience: Duration,
    ) -> Result<Self, InvalidConfig> {
        let range = |field, range| Err(InvalidConfig::OutOfRange { field, range });
        if !(1..=MOST_CONCURRENT).contains(&concurrent) {
            return range("concurrent", "between 1 and 8");
        }
        if !(1..=100).contains(&total) {
            return range("probes", "between 1 and 100");
        }
        if needed < 1 || needed > total {
            return Err(InvalidConfig::Order {
                field: "successes",
                relation: "at least 1 and at most",
                other: "probes",
            });
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(600)).contains(&deadline) {
            return range("deadline", "between 10ms and 10m");
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&patience) {
            return range("patience", "between 100ms and 1h");
        }
        Ok(Self { concurrent, total, needed, deadline, patience })
    }

    /// Probes at once.
    pub const fn concurrent(&self) -> u32 {
        self.concurrent
    }

    /// Probes in a round.
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Successes that prove the callee well.
    pub const fn needed(&self) -> u32 {
        self.needed
    }

    /// A probe that is out for longer has failed.
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A round is decided this long after it began, by what came back.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// What the probes of a round have shown; `over`: the patience is.
    pub const fn judge(&self, probed: &Probed, over: bool) -> Verdict {
        let Probed { let_out, succeeded, failed, ignored, .. } = *probed;
        let spare = self.total - self.needed;
        if failed > spare {
            return Verdict::Failed;
        }
        if succeeded >= self.needed {
            return Verdict::Recovered;
        }
        let back = succeeded + failed + ignored;
        let all_back = let_out >= self.total && back >= let_out;
        if back == 0 || !(over || all_back) {
            return Verdict::Undecided;
        }
        // As good a share of those that said something as the whole round would have needed.
        if succeeded as u64 * spare as u64 >= failed as u64 * self.needed as u64
            && !(failed > 0 && spare == 0)
        {
            Verdict::Recovered
        } else {
            Verdict::Failed
        }
    }
}

impl Default for Budget {
    /// 2 at once, 10 in a round, 8 of them well, each within 3 s; decided after 10 s.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { concurrent: 2, total: 10, needed: 8, deadline: seconds(3), patience: seconds(10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn probed(let_out: u32, succeeded: u32, failed: u32, ignored: u32) -> Probed {
        Probed { round: 0, let_out, succeeded, failed, ignored }
    }

    #[test]
    fn a_round_is_decided_by_what_came_back() {
        use Verdict::{Failed, Recovered, Undecided};
        let budget = Budget::default();
        for (what, probes, early, late) in [
            ("nobody called", probed(0, 0, 0, 0), Undecided, Undecided),
            ("still out", probed(2, 0, 0, 0), Undecided, Undecided),
            ("eight of ten", probed(8, 8, 0, 0), Recovered, Recovered),
            ("eight of ten, two bad", probed(10, 8, 2, 0), Recovered, Recovered),
            ("eight cannot be reached", probed(3, 0, 3, 0), Failed, Failed),
            ("few but good", probed(3, 3, 0, 0), Undecided, Recovered),
            ("one good, one bad", probed(2, 1, 1, 0), Undecided, Failed),
            ("four good, one bad", probed(5, 4, 1, 0), Undecided, Recovered),
            ("one bad", probed(1, 0, 1, 0), Undecided, Failed),
            ("all say nothing", probed(10, 0, 0, 10), Recovered, Recovered),
            ("some say nothing", probed(4, 0, 0, 3), Undecided, Recovered),
            ("all back, seven good", probed(10, 7, 0, 3), Recovered, Recovered),
            ("all back, two bad", probed(10, 7, 2, 1), Failed, Failed),
            ("nine back, one out", probed(10, 7, 0, 2), Undecided, Recovered),
        ] {
            assert_eq!((budget.judge(&probes, false), budget.judge(&probes, true)), (early, late), "{what}");
        }
        let strict = Budget::try_new(1, 3, 3, budget.deadline, budget.patience).expect("sound");
        assert_eq!(strict.judge(&probed(1, 0, 1, 0), false), Failed, "none to spare");
    }

    #[test]
    fn broken_budgets_are_refused_by_field() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        for (concurrent, total, needed, deadline, patience, field) in [
            (0, 10, 8, second, second, "concurrent"),
            (9, 10, 8, second, second, "concurrent"),
            (2, 0, 8, second, second, "probes"),
            (2, 101, 8, second, second, "probes"),
            (2, 10, 0, second, second, "successes"),
            (2, 10, 11, second, second, "successes"),
            (2, 10, 8, Duration::ZERO, second, "deadline"),
            (2, 10, 8, hour, second, "deadline"),
            (2, 10, 8, second, Duration::ZERO, "patience"),
            (2, 10, 8, second, 2 * hour, "patience"),
        ] {
            let refused = Budget::try_new(concurrent, total, needed, deadline, patience).expect_err("broken");
            assert_eq!(refused.field(), Some(field));
        }
    }

    proptest! {
        #[test]
        fn a_whole_round_is_always_decided_and_more_successes_never_hurt(
            total in 1..=100_u32, needed in 1..=100_u32, good in 0..=100_u32, bad in 0..=100_u32,
        ) {
            let second = Duration::from_secs(1);
            let budget = Budget::try_new(2, total, needed.min(total), second, second).expect("sound");
            let (good, bad) = (good.min(total), bad.min(total - good.min(total)));
            let whole = probed(total, good, bad, total - good - bad);
            prop_assert!(budget.judge(&whole, false) != Verdict::Undecided);
            if bad > 0 && budget.judge(&whole, true) == Verdict::Recovered {
                let better = probed(total, good + 1, bad - 1, whole.ignored);
                prop_assert_eq!(budget.judge(&better, true), Verdict::Recovered);
            }
        }
    }
}
