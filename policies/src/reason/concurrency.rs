//! Why a concurrency limit is what it is.

use std::fmt;

use super::Evidence;

/// Why. Times are seconds, ratios 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ConcurrencyReason {
    /// No baseline latency known yet.
    NoBaseline,
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
    /// As high as can be answered in time.
    InTime {
        /// Capacity, calls per second.
        per_second: f64,
        /// Latency that a full limit may cause.
        seconds: f64,
    },
    /// A little more than what keeps the service busy.
    Knee {
        /// Capacity, calls per second.
        per_second: f64,
        /// Latency of a call that does not wait.
        floor_seconds: f64,
    },
    /// Goodput at this limit is not what it was: conditions have changed.
    GoodputChanged {
        /// Answers in time per second, before.
        from_per_second: f64,
        /// Now.
        to_per_second: f64,
    },
    /// A higher or a lower limit is tried.
    Trial {
        /// A higher one.
        above: bool,
        /// Answers in time per second, to be compared with.
        per_second: f64,
    },
    /// A limit that was tried is kept.
    TrialKept {
        /// A higher one.
        above: bool,
        /// Answers in time per second.
        per_second: f64,
        /// At the limit before.
        before_per_second: f64,
    },
    /// A limit that was tried is given up.
    TrialDropped {
        /// A higher one.
        above: bool,
        /// Answers in time per second.
        per_second: f64,
        /// At the limit before, which is back.
        before_per_second: f64,
    },
    /// After a cut throughput fell with the limit: no queue, the latency floor has moved.
    FloorMoved {
        /// Latency before, at the higher concurrency.
        before_seconds: f64,
        /// Latency now.
        now_seconds: f64,
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
            Self::Drops { .. } => "drops",
            Self::FutileCut { .. } => "futile_cut",
            Self::InTime { .. } => "in_time",
            Self::Knee { .. } => "knee",
            Self::GoodputChanged { .. } => "goodput_changed",
            Self::Trial { .. } => "trial",
            Self::TrialKept { .. } => "trial_kept",
            Self::TrialDropped { .. } => "trial_dropped",
            Self::FloorMoved { .. } => "floor_moved",
            Self::Headroom { .. } => "headroom",
            Self::AppLimited { .. } => "app_limited",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        match *self {
            Self::Drops { drops, ratio } => {
                let mut both = Evidence::one("drops", drops as f64, 5.0, "1");
                both.extend(Evidence::one("drop_ratio", ratio, 0.1, "ratio"));
                both
            }
            Self::InTime { per_second, seconds } => {
                Evidence::one("capacity", per_second, seconds, "per_second")
            }
            Self::Knee { per_second, floor_seconds } => {
                Evidence::one("capacity", per_second, floor_seconds, "per_second")
            }
            Self::GoodputChanged { from_per_second, to_per_second } => {
                Evidence::one("goodput", to_per_second, from_per_second, "per_second")
            }
            Self::Trial { per_second, .. } => Evidence::one("goodput", per_second, per_second, "per_second"),
            Self::TrialKept { per_second, before_per_second, .. }
            | Self::TrialDropped { per_second, before_per_second, .. } => {
                Evidence::one("goodput", per_second, before_per_second, "per_second")
            }
            Self::FutileCut { ratio } => Evidence::one("drop_ratio", ratio, 0.1, "ratio"),
            Self::FloorMoved { before_seconds, now_seconds } => {
                Evidence::one("sample_latency", now_seconds, before_seconds, "seconds")
            }
            Self::Headroom { gradient } => Evidence::one("gradient", gradient, 1.0, "ratio"),
            Self::AppLimited { peak } => Evidence::one("in_flight_peak", peak as f64, 0.0, "1"),
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for ConcurrencyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoBaseline => f.write_str("no baseline latency yet"),
            Self::Drops { drops, ratio } => write!(f, "{drops} calls dropped, {:.0} % of all", ratio * 100.0),
            Self::FutileCut { ratio } => {
                write!(
                    f,
                    "still {:.0} % dropped after cuts: taken back, the limit is not the cause",
                    ratio * 100.0
                )
            }
            Self::InTime { per_second, seconds } => {
                write!(f, "{per_second:.0} calls/s can be answered within {:.0} ms", ms(seconds))
            }
            Self::Knee { per_second, floor_seconds } => {
                write!(f, "enough for {per_second:.0} calls/s of {:.1} ms each", ms(floor_seconds))
            }
            Self::GoodputChanged { from_per_second, to_per_second } => {
                write!(f, "{to_per_second:.0} answers/s in time instead of {from_per_second:.0}")
            }
            Self::Trial { above, per_second } => {
                write!(f, "trying {}: {per_second:.0} answers/s in time so far", side(above))
            }
            Self::TrialKept { above, per_second, before_per_second } => {
                let what = side(above);
                write!(f, "{what} keeps {per_second:.0} answers/s in time, {before_per_second:.0} before")
            }
            Self::TrialDropped { above, per_second, before_per_second } => {
                let what = side(above);
                write!(
                    f,
                    "{what} gave {per_second:.0} answers/s in time, {before_per_second:.0} before: back"
                )
            }
            Self::FloorMoved { before_seconds, now_seconds } => write!(
                f,
                "throughput fell with the limit: calls take {:.1} ms (were {:.1} ms), that is no queue",
                ms(now_seconds),
                ms(before_seconds)
            ),
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

const fn side(above: bool) -> &'static str {
    if above { "a higher limit" } else { "a lower limit" }
}

fn ms(seconds: f64) -> f64 {
    seconds * 1e3
}
