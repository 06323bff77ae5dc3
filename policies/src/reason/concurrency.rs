//! Why a concurrency limit is what it is.

use std::fmt;

use super::Evidence;

/// Why. Times are seconds, ratios 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ConcurrencyReason {
    /// No baseline latency known yet.
    NoBaseline,
    /// As high as can be answered in time.
    InTime {
        /// Capacity, calls per second.
        per_second: f64,
        /// Latency that a full limit may cause.
        seconds: f64,
    },
    /// More is offered than can be done; this limit promises most answers in time.
    MostInTime {
        /// So many per second.
        per_second: f64,
        /// Capacity, calls per second.
        capacity: f64,
        /// Calls that ask, per second.
        offered: f64,
    },
    /// Calls ended in overload.
    Drops {
        /// How many.
        drops: u64,
        /// Share of the releases.
        ratio: f64,
    },
    /// Drops stayed when the limit was cut: it is not what causes them.
    FutileCut {
        /// Share of the releases.
        ratio: f64,
    },
    /// The limit is in use and there is no queue.
    Headroom {
        /// Mean latency over baseline latency.
        gradient: f64,
    },
    /// The limit is not the bottleneck, so it must not grow.
    AppLimited {
        /// Most calls in flight at once.
        peak: u64,
    },
}

impl ConcurrencyReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::NoBaseline => "no_baseline",
            Self::InTime { .. } => "in_time",
            Self::MostInTime { .. } => "most_in_time",
            Self::Drops { .. } => "drops",
            Self::FutileCut { .. } => "futile_cut",
            Self::Headroom { .. } => "headroom",
            Self::AppLimited { .. } => "app_limited",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        match *self {
            Self::InTime { per_second, seconds } => {
                Evidence::one("capacity", per_second, seconds, "per_second")
            }
            Self::MostInTime { per_second, capacity, offered } => {
                let mut both = Evidence::one("offered", offered, capacity, "per_second");
                both.extend(Evidence::one("goodput", per_second, capacity, "per_second"));
                both
            }
            Self::Drops { drops, ratio } => {
                let mut both = Evidence::one("drops", drops as f64, 5.0, "1");
                both.extend(Evidence::one("drop_ratio", ratio, 0.1, "ratio"));
                both
            }
            Self::FutileCut { ratio } => Evidence::one("drop_ratio", ratio, 0.1, "ratio"),
            Self::Headroom { gradient } => Evidence::one("gradient", gradient, 1.0, "ratio"),
            Self::AppLimited { peak } => Evidence::one("in_flight_peak", peak as f64, 0.0, "1"),
            Self::NoBaseline => Vec::new(),
        }
    }
}

impl fmt::Display for ConcurrencyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoBaseline => f.write_str("no baseline latency yet"),
            Self::InTime { per_second, seconds } => {
                write!(f, "{per_second:.0} calls/s can be answered within {:.0} ms", seconds * 1e3)
            }
            Self::MostInTime { per_second, capacity, offered } => write!(
                f,
                "{offered:.0} calls/s ask and about {capacity:.0} can be done: most answers in time, {per_second:.0}/s, expected here"
            ),
            Self::Drops { drops, ratio } => write!(f, "{drops} calls dropped, {:.0} % of all", ratio * 100.0),
            Self::FutileCut { ratio } => {
                write!(
                    f,
                    "still {:.0} % dropped after cuts: taken back, the limit is not the cause",
                    ratio * 100.0
                )
            }
            Self::Headroom { gradient } => write!(f, "limit in use, latency {gradient:.2} x baseline"),
            Self::AppLimited { peak } => write!(f, "peak of {peak} calls: the limit is not the bottleneck"),
        }
    }
}

impl From<ConcurrencyReason> for super::Reason {
    fn from(reason: ConcurrencyReason) -> Self {
        Self::Concurrency(reason)
    }
}
