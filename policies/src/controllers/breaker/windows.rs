//! Which windows a rate is judged over, and when one of them counts.
//!
//! A window is long enough to be sure and short enough to be told in time; more than one window tells a lasting fault from a
//! hiccup. Where calls are few, a share is an accident: 3 of 5 failed proves little. So a window counts only when the lower
//! end of the 95 % confidence interval of the share (Wilson's, which is right for few calls and extreme shares) reaches
//! `confidence` times the threshold as well.

use std::time::Duration;

use crate::spec::InvalidConfig;

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So long.
    Time(Duration),
    /// As long as so many calls take.
    Calls(u64),
}

/// Windows side by side, the newest of which ends now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Windows {
    pub(super) length: Length,
    pub(super) hits: u32,
    pub(super) of: u32,
    minimum_calls: u64,
    confidence: f64,
}

impl Windows {
    /// Default length.
    pub const LENGTH: Duration = Duration::from_secs(10);
    /// Default of `minimum_calls`.
    pub const MINIMUM_CALLS: u64 = 20;
    /// Default of `confidence`.
    pub const CONFIDENCE: f64 = 0.7;

    /// `hits` of the newest `of` windows (1 to 10) have to count, each of this `length`.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(length: Length, hits: u32, of: u32) -> Result<Self, InvalidConfig> {
        let range = |field, range| Err(InvalidConfig::OutOfRange { field, range });
        match length {
            Length::Time(time) if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&time) => {
                return range("window", "between 1s and 10m");
            }
            Length::Calls(calls) if !(10..=1_000_000).contains(&calls) => {
                return range("calls", "between 10 and 1000000");
            }
            _ => {}
        }
        if !(1..=10).contains(&of) {
            return range("of", "between 1 and 10");
        }
        if hits < 1 || hits > of {
            return Err(InvalidConfig::Order {
                field: "hits",
                relation: "at least 1 and at most",
                other: "of",
            });
        }
        let (minimum_calls, confidence) = (Self::MINIMUM_CALLS, Self::CONFIDENCE);
        Ok(Self { length, hits, of, minimum_calls, confidence })
    }

    /// Windows with fewer than `minimum_calls` (1 to 1,000,000) do not count, nor do those whose share is above the threshold
    /// by accident: its lower confidence bound has to reach `confidence` (0 to 1; 0: never mind) times the threshold.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn with_certainty(self, minimum_calls: u64, confidence: f64) -> Result<Self, InvalidConfig> {
        if !(1..=1_000_000).contains(&minimum_calls) {
            return Err(InvalidConfig::OutOfRange { field: "minimum_calls", range: "between 1 and 1000000" });
        }
        if !(0.0..=1.0).contains(&confidence) {
            return Err(InvalidConfig::OutOfRange { field: "confidence", range: "between 0% and 100%" });
        }
        Ok(Self { minimum_calls, confidence, ..self })
    }

    /// The marks between which windows lie are this far apart, in the unit of the length: nanoseconds or calls.
    pub(super) fn step(&self) -> u64 {
        self.whole() / 10
    }

    /// The length of a window, in its unit.
    pub(super) fn whole(&self) -> u64 {
        match self.length {
            Length::Time(time) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            Length::Calls(calls) => calls,
        }
    }

    /// Whether a window of so many calls, `bad` of them, counts against a share of `above`.
    pub(super) fn counts(&self, bad: u64, calls: u64, above: f64) -> bool {
        calls >= self.minimum_calls && exceeds(bad, calls, above, self.confidence)
    }
}

impl Default for Windows {
    fn default() -> Self {
        let (minimum_calls, confidence) = (Self::MINIMUM_CALLS, Self::CONFIDENCE);
        Self { length: Length::Time(Self::LENGTH), hits: 1, of: 1, minimum_calls, confidence }
    }
}

/// Whether the share of bad calls is above a threshold, and its lower confidence bound reaches `confidence` times that.
pub(super) fn exceeds(bad: u64, calls: u64, above: f64, confidence: f64) -> bool {
    let ratio = bad as f64 / calls.max(1) as f64;
    ratio > above && wilson_lower(bad, calls) >= confidence * above
}

/// The lower end of Wilson's 95 % interval of the share `bad / calls`.
fn wilson_lower(bad: u64, calls: u64) -> f64 {
    const Z: f64 = 1.96;
    if calls == 0 {
        return 0.0;
    }
    let n = calls as f64;
    let share = (bad as f64 / n).min(1.0);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((share + Z * Z / (2.0 * n) - spread) / (1.0 + Z * Z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_bound_is_as_in_the_tables() {
        for (bad, calls, lower) in
            [(0, 0, 0.0), (0, 10, 0.0), (5, 5, 0.5655), (5, 10, 0.2366), (50, 100, 0.4038), (1, 20, 0.0089)]
        {
            let found = wilson_lower(bad, calls);
            assert!((found - lower).abs() < 1e-4, "{bad} of {calls}: {found}");
        }
    }

    #[test]
    fn few_calls_have_to_be_worse() {
        let windows = Windows::default().with_certainty(5, 0.7).expect("sound");
        let counts = |bad, calls| windows.counts(bad, calls, 0.5);
        assert!(!counts(4, 4), "fewer than five");
        assert!(counts(5, 5) && !counts(3, 5), "three of five is an accident");
        assert!(!counts(11, 20) && counts(12, 20));
        assert!(counts(51, 100) && !counts(50, 100), "above, not at");
        let trusting = Windows::default().with_certainty(5, 0.0).expect("sound");
        assert!(trusting.counts(3, 5, 0.5));
    }
}
