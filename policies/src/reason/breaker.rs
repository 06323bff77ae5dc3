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
        /// Share of failed calls.
        ratio: f64,
        /// Share that trips.
        threshold: f64,
        /// Counted calls.
        calls: u64,
    },
    /// The wait in the open state goes on.
    WaitInOpen {
        /// How long still.
        left: Duration,
    },
    /// Probes decide.
    Probing {
        /// Successes so far.
        successes: u64,
        /// Successes needed.
        needed: u64,
    },
    /// Probes succeeded.
    Recovered,
    /// A probe failed.
    ProbeFailed,
}

impl BreakerReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::ConsecutiveFailures { .. } => "consecutive_failures",
            Self::FailureRate { .. } => "failure_rate",
            Self::WaitInOpen { .. } => "wait_in_open",
            Self::Probing { .. } => "probing",
            Self::Recovered => "recovered",
            Self::ProbeFailed => "probe_failed",
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
            Self::Probing { successes, needed } => {
                Evidence::one("probe_successes", successes as f64, needed as f64, "1")
            }

            _ => Vec::new(),
        }
    }
}

impl fmt::Display for BreakerReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ConsecutiveFailures { count, threshold } => {
                write!(f, "{count} failures in a row, {threshold} trip")
            }
            Self::FailureRate { ratio, threshold, calls } => {
                write!(f, "{:.0} % of {calls} calls failed, over {:.0} %", ratio * 100.0, threshold * 100.0)
            }
            Self::WaitInOpen { left } => write!(f, "open for {:.1} s more", left.as_secs_f64()),
            Self::Probing { successes, needed } => write!(f, "{successes} of {needed} probes succeeded"),
            Self::Recovered => f.write_str("probes succeeded"),
            Self::ProbeFailed => f.write_str("a probe failed"),
        }
    }
}

impl From<BreakerReason> for super::Reason {
    fn from(reason: BreakerReason) -> Self {
        Self::Breaker(reason)
    }
}
