//! What goes with a concurrency limit besides its number: how calls are admitted under it.
//!
//! Both parts are optional and change slowly. They are no values of the knob: nothing arbitrates, paces or integrates them,
//! so they travel beside [`crate::value::Value`]. When the lease of a setpoint ends they end with it, and the limiter is
//! back with what its service chose.

use std::time::Duration;

use crate::totals::PRIORITIES;

/// How calls are admitted under a concurrency limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Admission {
    /// The latency of a call without a queue, for the limiter's own reflex and for how long a call may wait; `None`: not
    /// known, so that no call counts as old.
    pub baseline_latency: Option<Duration>,
    /// The share of the limit that each priority may fill; `None`: those that the limiter was built with.
    pub shares: Option<Shares>,
}

/// A latency that has moved by less than this ratio, and shares by less than this difference, are not worth a message.
const SAME_LATENCY: f64 = 0.2;
const SAME_SHARE: f64 = 0.02;

impl Admission {
    /// Whether it says about the same as `other`: an estimate that moves a little with every window is not pushed anew
    /// each time.
    pub fn resembles(&self, other: &Self) -> bool {
        let latency = match (self.baseline_latency, other.baseline_latency) {
            (Some(a), Some(b)) => {
                let (a, b) = (a.as_secs_f64(), b.as_secs_f64());
                (a - b).abs() <= SAME_LATENCY * a.min(b)
            }
            (a, b) => a == b,
        };
        let shares = match (self.shares, other.shares) {
            (Some(a), Some(b)) => a.0.iter().zip(b.0).all(|(a, b)| (a - b).abs() <= SAME_SHARE),
            (a, b) => a == b,
        };
        latency && shares
    }

    /// Each part of `self`, or that of `other` where `self` says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            baseline_latency: self.baseline_latency.or(other.baseline_latency),
            shares: self.shares.or(other.shares),
        }
    }
}

/// The share of a limit that each priority may fill, from critical to background: above 0, at most 1, none larger than the
/// one before, and 1 for the highest, which may use everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares([f64; PRIORITIES]);

/// Why shares were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidShares {
    /// Of which priority: a share that is not above 0 and at most 1, or no number.
    #[error("a share must be above 0 and at most 1")]
    Range(usize),
    /// Of which priority: a share larger than that of the priority above it.
    #[error("a priority cannot have more than the one above it")]
    Order(usize),
    /// The highest priority is kept from a part of the limit.
    #[error("the highest priority has everything")]
    Highest,
}

impl Shares {
    /// Checks and wraps shares.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn try_new(shares: [f64; PRIORITIES]) -> Result<Self, InvalidShares> {
        for (class, share) in shares.iter().enumerate() {
            // A comparison with what is not a number is false.
            if !(*share > 0.0 && *share <= 1.0) {
                return Err(InvalidShares::Range(class));
            }
            if class > 0 && *share > shares[class - 1] {
                return Err(InvalidShares::Order(class));
            }
        }
        if shares[0] < 1.0 { Err(InvalidShares::Highest) } else { Ok(Self(shares)) }
    }

    /// From critical to background.
    pub const fn as_array(&self) -> &[f64; PRIORITIES] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_shares_are_nested_and_never_shut_the_highest_out() {
        for (shares, expected) in [
            ([1.0, 0.95, 0.85, 0.6, 0.3], Ok(())),
            ([1.0; 5], Ok(())),
            ([0.9, 0.9, 0.8, 0.6, 0.3], Err(InvalidShares::Highest)),
            ([1.0, 0.95, 0.96, 0.6, 0.3], Err(InvalidShares::Order(2))),
            ([1.0, 0.95, 0.85, 0.6, 0.0], Err(InvalidShares::Range(4))),
            ([1.0, 0.95, 0.85, -0.1, -0.2], Err(InvalidShares::Range(3))),
            ([1.1, 1.0, 0.85, 0.6, 0.3], Err(InvalidShares::Range(0))),
            ([1.0, f64::NAN, 0.85, 0.6, 0.3], Err(InvalidShares::Range(1))),
            ([1.0, f64::INFINITY, 0.85, 0.6, 0.3], Err(InvalidShares::Range(1))),
        ] {
            assert_eq!(Shares::try_new(shares).map(|_| ()), expected, "{shares:?}");
        }
    }

    #[test]
    fn small_moves_are_no_news() {
        let latency =
            |millis| Admission { baseline_latency: Some(Duration::from_millis(millis)), shares: None };
        let shares = |low| {
            let shares = Shares::try_new([1.0, 1.0, 1.0, low, 0.2]).expect("sound");
            Admission { baseline_latency: None, shares: Some(shares) }
        };
        for (a, b, same) in [
            (latency(100), latency(119), true),
            (latency(119), latency(100), true),
            (latency(100), latency(121), false),
            (latency(100), Admission::default(), false),
            (shares(0.5), shares(0.51), true),
            (shares(0.5), shares(0.6), false),
            (shares(0.5), Admission::default(), false),
        ] {
            assert_eq!(a.resembles(&b), same, "{a:?} {b:?}");
        }
        assert_eq!(
            latency(5).or(shares(0.5)),
            Admission { baseline_latency: Some(Duration::from_millis(5)), ..shares(0.5) }
        );
    }
}
