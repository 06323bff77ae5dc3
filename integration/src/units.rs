//! Durations as people write them on a command line: `200us`, `20ms`, `1.5s`, `2m`.
//!
//! The unit is mandatory, as in the policy file: a bare `20` has been read as seconds by one and as milliseconds by another.

use std::time::Duration;

/// Why a duration was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// No unit, or an unknown one.
    #[error("`{0}` needs one of the units us, ms, s, m")]
    Unit(String),
    /// The part before the unit is not a number of zero or more.
    #[error("`{0}` does not begin with a number of zero or more")]
    Number(String),
}

/// Parses `text`; fractions are allowed (`0.5s`), signs are not.
pub fn duration(text: &str) -> Result<Duration, InvalidDuration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(InvalidDuration::Unit(text.to_owned())),
    };
    let invalid = || InvalidDuration::Number(text.to_owned());
    let number: f64 = number.parse().map_err(|_| invalid())?;
    Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|_| invalid())
}

/// Milliseconds with fractions, for printing and JSON.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_by_table() {
        let good = [("200us", 200), ("20ms", 20_000), ("1.5s", 1_500_000), ("2m", 120_000_000), ("0ms", 0)];
        for (text, micros) in good {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["20", "", "20 parsecs", "5h", "20msec"] {
            assert_eq!(duration(text), Err(InvalidDuration::Unit(text.to_owned())), "{text}");
        }
        for text in ["-3s", "ms", "1e400s", "1.2.3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
