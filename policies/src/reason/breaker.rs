//! Why a breaker is in its state.

use std::fmt;
use std::time::Duration;

use super::Evidence;

/// Why. Ratios 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum BreakerReason {
    /// Failures in a row.
    ConsecutiveFailures {
        /// How many.
        count: u64,
        /// How many trip.
        threshold: u64,
    },
    /// Too many calls fail.
    FailureRate {
        /// Share of failed calls, in the newest window.
        ratio: f64,
        /// Share that trips.
        threshold: f64,
        /// Counted calls.
        calls: u64,
        /// Windows above it.
        hits: u32,
        /// Out of so many.
        of: u32,
    },
    /// Too many calls are slow.
    SlowCallRate {
        /// Share of slow calls, in the newest window.
        ratio: f64,
        /// Share that trips.
        threshold: f64,
        /// Counted calls.
        calls: u64,
        /// A call that takes longer is slow.
        slower_than: Duration,
        /// Calls in flight for longer, at the least.
        hanging: u64,
        /// Windows above it.
        hits: u32,
        /// Out of so many.
        of: u32,
    },
    /// The process does not count calls slower than this.
    NotCounted {
        /// The latency.
        slower_than: Duration,
    },
    /// It would open; the others of its set are asked first.
    AsksSet,
    /// It would open, but so many of its set are.
    SetFull {
        /// Open.
        open: usize,
        /// All.
        members: usize,
    },
    /// The wait in the open state goes on.
    WaitInOpen {
        /// How long still.
        left: Duration,
    },
    /// Probes decide.
    Probing {
        /// Successes so far.
        successes: u32,
        /// Successes needed.
        needed: u32,
        /// Failures so far.
        failures: u32,
    },
    /// Too many probes failed.
    ProbesFailed {
        /// So many.
        failed: u32,
        /// Of so many.
        let_out: u32,
    },
    /// The process does not tell of its probes: its own breaker decides.
    NoProbes,
    /// The callee is well again.
    Recovered,
    /// More and more calls pass.
    Recovering {
        /// Until all do.
        left: Duration,
    },
    /// An operator holds it open.
    ForcedOpen,
    /// An operator has switched it off.
    Disabled,
}

impl BreakerReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::ConsecutiveFailures { .. } => "consecutive_failures",
            Self::FailureRate { .. } => "failure_rate",
            Self::SlowCallRate { .. } => "slow_call_rate",
            Self::NotCounted { .. } => "not_counted",
            Self::AsksSet => "asks_set",
            Self::SetFull { .. } => "set_full",
            Self::WaitInOpen { .. } => "wait_in_open",
            Self::Probing { .. } => "probing",
            Self::ProbesFailed { .. } => "probes_failed",
            Self::NoProbes => "no_probes",
            Self::Recovered => "recovered",
            Self::Recovering { .. } => "recovering",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
        }
    }

    /// How bad a callee is that trips for this, 0 to 1.
    pub(crate) const fn badness(&self) -> f64 {
        match self {
            Self::FailureRate { ratio, .. } | Self::SlowCallRate { ratio, .. } => *ratio,
            _ => 1.0,
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        match *self {
            Self::ConsecutiveFailures { count, threshold } => {
                Evidence::one("consecutive_failures", count as f64, threshold as f64, "1")
            }
            Self::FailureRate { ratio, threshold, .. } => {
                Evidence::one("failure_rate", ratio, threshold, "ratio")
            }
            Self::SlowCallRate { ratio, threshold, .. } => {
                Evidence::one("slow_call_rate", ratio, threshold, "ratio")
            }
            Self::Probing { successes, needed, .. } => {
                Evidence::one("probe_successes", successes.into(), needed.into(), "1")
            }
            _ => Vec::new(),
        }
    }
}

/// How many windows, where it is more than one.
fn windows(f: &mut fmt::Formatter<'_>, hits: u32, of: u32) -> fmt::Result {
    if of > 1 { write!(f, " in {hits} of {of} windows") } else { Ok(()) }
}

impl fmt::Display for BreakerReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ConsecutiveFailures { count, threshold } => {
                write!(f, "{count} failures in a row, {threshold} trip")
            }
            Self::FailureRate { ratio, threshold, calls, hits, of } => {
                let (is, may) = (ratio * 100.0, threshold * 100.0);
                write!(f, "{is:.0} % of {calls} calls failed, over {may:.0} %")?;
                windows(f, hits, of)
            }
            Self::SlowCallRate { ratio, threshold, calls, slower_than, hanging, hits, of } => {
                let (is, may) = (ratio * 100.0, threshold * 100.0);
                write!(f, "{is:.0} % of {calls} calls took over {slower_than:?}, over {may:.0} %")?;
                windows(f, hits, of)?;
                if hanging > 0 { write!(f, "; {hanging} still in flight") } else { Ok(()) }
            }
            Self::NotCounted { slower_than } => {
                write!(f, "the process does not count calls over {slower_than:?}")
            }
            Self::AsksSet => f.write_str("would open, asks the others of its set"),
            Self::SetFull { open, members } => {
                write!(f, "would open, but {open} of the {members} in its set are")
            }
            Self::WaitInOpen { left } => write!(f, "open for {:.1} s more", left.as_secs_f64()),
            Self::Probing { successes, needed, failures } => {
                write!(f, "{successes} of {needed} probes succeeded, {failures} failed")
            }
            Self::ProbesFailed { failed, let_out } => write!(f, "{failed} of {let_out} probes failed"),
            Self::NoProbes => f.write_str("the process tells of no probes, its own breaker decides"),
            Self::Recovered => f.write_str("probes succeeded"),
            Self::Recovering { left } => {
                write!(f, "letting traffic back, all of it in {:.1} s", left.as_secs_f64())
            }
            Self::ForcedOpen => f.write_str("held open by the policy file"),
            Self::Disabled => f.write_str("switched off by the policy file"),
        }
    }
}

impl From<BreakerReason> for super::Reason {
    fn from(reason: BreakerReason) -> Self {
        Self::Breaker(reason)
    }
}
