//! Why a rate is what it is.

use std::fmt;
use std::time::Duration;

use super::Evidence;

/// Why. Ratios 0 to 1, rates in calls per second.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum RateReason {
    /// The callee refused too many calls.
    Overload {
        /// Share of refused calls.
        ratio: f64,
        /// Share that is borne.
        tolerated: f64,
        /// What it accepted.
        accepted: f64,
    },
    /// The callee asked to be left alone.
    RetryAfter {
        /// For how long still.
        left: Duration,
    },
    /// The rate is not used, so nobody knows whether more would do.
    AppLimited {
        /// What is used.
        used: f64,
        /// The rate.
        rate: f64,
    },
    /// Nothing is refused.
    Growing {
        /// The rate of the last overload.
        plateau: f64,
    },
}

impl RateReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Overload { .. } => "overload",
            Self::RetryAfter { .. } => "retry_after",
            Self::AppLimited { .. } => "app_limited",
            Self::Growing { .. } => "growing",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        match *self {
            Self::Overload { ratio, tolerated, .. } => {
                Evidence::one("dropped_ratio", ratio, tolerated, "ratio")
            }
            Self::AppLimited { used, rate } => Evidence::one("rate_used", used, rate, "per_second"),
            Self::RetryAfter { .. } | Self::Growing { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for RateReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Overload { ratio, tolerated, accepted } => write!(
                f,
                "{:.1} % of the calls refused, over {:.1} %; {accepted:.0}/s accepted",
                ratio * 100.0,
                tolerated * 100.0
            ),
            Self::RetryAfter { left } => {
                write!(f, "the callee asks to be left alone for {:.1} s", left.as_secs_f64())
            }
            Self::AppLimited { used, rate } => {
                write!(f, "{used:.0}/s of {rate:.0}/s used, so more is not known to do good")
            }
            Self::Growing { plateau } => {
                write!(f, "nothing to speak of refused; the last overload was at {plateau:.0}/s")
            }
        }
    }
}

impl From<RateReason> for super::Reason {
    fn from(reason: RateReason) -> Self {
        Self::Rate(reason)
    }
}
