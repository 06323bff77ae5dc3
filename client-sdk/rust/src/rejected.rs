//! The only error that a caller ever sees.

use std::time::Duration;

/// A call that was not let in. It costs no allocation and no lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit}: {reason}, retry after {retry_after:?}")]
pub struct Rejected {
    /// The knob that said no, such as `limit.db`.
    pub limit: &'static str,
    /// Why it said no.
    pub reason: RejectReason,
    /// When another attempt makes sense: 10 ms to 5 s for limits, exact and at most 5 s for
    /// rates, up to the breaker's wait for a breaker.
    pub retry_after: Duration,
}

/// Why a call was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// As many calls are in flight as may be.
    ConcurrencyLimit,
    /// The breaker is open, or half open with all its probes out.
    BreakerOpen,
    /// The bucket is empty.
    RateLimit,
    /// As many calls wait as may, or a more important one needed the room.
    QueueFull,
    /// A place would have come too late.
    QueueWait,
    /// The callee refuses most calls.
    Throttled,
    /// As many connections are open as may be.
    ConnectionLimit,
    /// The time in which an answer is of use is over, or too short.
    Deadline,
}

impl RejectReason {
    /// The name in headers, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConcurrencyLimit => "concurrency_limit",
            Self::BreakerOpen => "breaker_open",
            Self::RateLimit => "rate_limit",
            Self::QueueFull => "queue_full",
            Self::QueueWait => "queue_wait",
            Self::Throttled => "throttled",
            Self::ConnectionLimit => "connection_limit",
            Self::Deadline => "deadline",
        }
    }
}

impl std::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The shortest and the longest advice of a limit or a rate, nanoseconds.
const SHORTEST: u64 = 10_000_000;
const LONGEST: u64 = 5_000_000_000;

/// When another attempt makes sense, for a place that becomes free every so often: about then, spread by half in both
/// directions so that callers do not come back together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advice {
    shortest: u64,
    /// A 1024th of the way to the longest.
    step: u64,
}

impl Advice {
    /// For a place every so many nanoseconds.
    pub const fn every(nanos: u64) -> Self {
        let nanos = if nanos < LONGEST { nanos } else { LONGEST };
        let (half, more) = (nanos / 2, nanos / 2 * 3);
        let shortest = if half < SHORTEST { SHORTEST } else { half };
        let longest = if more < shortest { shortest } else { more };
        let longest = if longest > LONGEST { LONGEST } else { longest };
        Self { shortest, step: (longest - shortest) / 1024 }
    }

    /// One of them, by a number that hardly ever comes twice: the golden ratio spreads numbers that follow each other.
    #[inline]
    pub const fn draw(self, lot: u64) -> Duration {
        let share = lot.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let nanos = self.shortest + self.step * share;
        Duration::from_nanos(if nanos > LONGEST { LONGEST } else { nanos })
    }

    /// As two words, and back.
    pub const fn words(self) -> [u64; 2] {
        [self.shortest, self.step]
    }

    #[inline]
    pub const fn of_words([shortest, step]: [u64; 2]) -> Self {
        Self { shortest, step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_spread_and_stays_in_its_bounds() {
        let advised = |nanos| (0..1000).map(move |n| Advice::every(nanos).draw(n));
        let bounds = Duration::from_millis(10)..=Duration::from_secs(5);
        assert!(advised(0).chain(advised(u64::MAX)).all(|advice| bounds.contains(&advice)));
        let spread: Vec<_> = advised(1_000_000_000).collect();
        assert!(spread.iter().all(|d| (500..1500).contains(&d.as_millis())));
        assert!(spread.iter().any(|d| d.as_millis() < 600) && spread.iter().any(|d| d.as_millis() > 1400));
    }

    #[test]
    fn the_text_names_knob_reason_and_advice() {
        let rejected = Rejected {
            limit: "limit.db",
            reason: RejectReason::ConcurrencyLimit,
            retry_after: Duration::from_millis(10),
        };
        assert_eq!(rejected.to_string(), "limit.db: concurrency_limit, retry after 10ms");
    }
}
