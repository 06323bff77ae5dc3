//! Quantities with their unit, as people write them: `75%`, `250ms`, `512Mi`.
//!
//! A unit is mandatory: a bare `250` is refused, because half of all mistakes in such files are seconds taken for
//! milliseconds.

use std::time::Duration;

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUnit {
    /// Does not start with a number.
    #[error("expected {expected}, such as {example}")]
    NotANumber {
        /// What kind of quantity.
        expected: &'static str,
        /// How one is written.
        example: &'static str,
    },
    /// A number without its unit.
    #[error("unit missing: write {example}")]
    UnitMissing {
        /// The number with a unit.
        example: String,
    },
    /// An unknown unit.
    #[error("unknown unit `{unit}`, expected one of {expected}")]
    UnknownUnit {
        /// As written.
        unit: String,
        /// The known ones.
        expected: &'static str,
    },
    /// A negative or too large quantity.
    #[error("must be {range}")]
    OutOfRange {
        /// What is allowed.
        range: &'static str,
    },
}

fn split<'a>(
    text: &'a str,
    expected: &'static str,
    example: &'static str,
) -> Result<(f64, &'a str), InvalidUnit> {
    let text = text.trim();
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+')).count();
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| InvalidUnit::NotANumber { expected, example })?;
    Ok((number, unit.trim_start()))
}

/// `75%` as 0.75. Allowed: 0 % to 100 %.
///
/// # Errors
/// See [`InvalidUnit`].
pub fn ratio(text: &str) -> Result<f64, InvalidUnit> {
    let (number, unit) = split(text, "a percentage", "75%")?;
    match unit {
        "%" if (0.0..=100.0).contains(&number) => Ok(number / 100.0),
        "%" => Err(InvalidUnit::OutOfRange { range: "between 0% and 100%" }),
        "" => Err(InvalidUnit::UnitMissing { example: format!("{text}%") }),
        other => Err(InvalidUnit::UnknownUnit { unit: other.to_owned(), expected: "%" }),
    }
}

/// `250ms`, `5s`, `1.5m`, `1h` as a duration. Allowed: zero to 24 hours.
///
/// # Errors
/// See [`InvalidUnit`].
pub fn duration(text: &str) -> Result<Duration, InvalidUnit> {
    const DAY_SECONDS: f64 = 86_400.0;
    let (number, unit) = split(text, "a duration", "250ms")?;
    let seconds = match unit {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        "" => return Err(InvalidUnit::UnitMissing { example: format!("{text}ms or {text}s") }),
        other => {
            return Err(InvalidUnit::UnknownUnit { unit: other.to_owned(), expected: "us, ms, s, m, h" });
        }
    };
    if !(0.0..=DAY_SECONDS).contains(&seconds) {
        return Err(InvalidUnit::OutOfRange { range: "between 0 and 24h" });
    }
    // Through whole nanoseconds, so that `250ms` is exactly that.
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// `512Mi`, `2Gi`, `64Ki`, `100B` as bytes. Allowed: zero to 1 PiB.
///
/// # Errors
/// See [`InvalidUnit`].
pub fn bytes(text: &str) -> Result<u64, InvalidUnit> {
    let (number, unit) = split(text, "a size", "512Mi")?;
    let factor = match unit {
        "B" => 1.0,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "" => return Err(InvalidUnit::UnitMissing { example: format!("{text}Mi") }),
        other => return Err(InvalidUnit::UnknownUnit { unit: other.to_owned(), expected: "B, Ki, Mi, Gi" }),
    };
    let bytes = number * factor;
    if !(0.0..=1024f64.powi(5)).contains(&bytes) {
        return Err(InvalidUnit::OutOfRange { range: "between 0 and 1 PiB" });
    }
    Ok(bytes.round() as u64)
}

/// `100/s`, `6000/m`, `5/h` as calls per second. Allowed: zero to 100000000/s.
///
/// # Errors
/// See [`InvalidUnit`].
pub fn rate(text: &str) -> Result<f64, InvalidUnit> {
    const FASTEST: f64 = 1e8;
    let (number, unit) = split(text, "a rate", "100/s")?;
    let per_second = match unit {
        "/s" => number,
        "/m" => number / 60.0,
        "/h" => number / 3600.0,
        "" => return Err(InvalidUnit::UnitMissing { example: format!("{text}/s") }),
        other => return Err(InvalidUnit::UnknownUnit { unit: other.to_owned(), expected: "/s, /m, /h" }),
    };
    if !(0.0..=FASTEST).contains(&per_second) {
        return Err(InvalidUnit::OutOfRange { range: "between 0 and 100000000/s" });
    }
    Ok(per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        assert_eq!(ratio("75%"), Ok(0.75));
        assert_eq!(ratio(" 0 %"), Ok(0.0));
        for (text, micros) in
            [("250ms", 250_000), ("5s", 5_000_000), ("1.5m", 90_000_000), ("100us", 100), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        assert_eq!((rate("100/s"), rate("90 /m"), rate("0/s")), (Ok(100.0), Ok(1.5), Ok(0.0)));
        assert_eq!(bytes("512Mi"), Ok(512 << 20));
        assert_eq!(bytes("1.5Gi"), Ok(1536 << 20));
    }

    #[test]
    fn mistakes_are_named() {
        let said = |result: Result<f64, InvalidUnit>| result.expect_err("a mistake").to_string();
        assert_eq!(said(ratio("75")), "unit missing: write 75%");
        assert_eq!(said(ratio("101%")), "must be between 0% and 100%");
        assert_eq!(said(ratio("NaN%")), "expected a percentage, such as 75%");
        assert_eq!(
            said(ratio("1e9%")),
            "unknown unit `e9%`, expected %".replace("expected %", "expected one of %")
        );
        let said = |result: Result<Duration, InvalidUnit>| result.expect_err("a mistake").to_string();
        assert_eq!(said(duration("250")), "unit missing: write 250ms or 250s");
        assert_eq!(said(duration("5 sec")), "unknown unit `sec`, expected one of us, ms, s, m, h");
        assert_eq!(said(duration("-1s")), "must be between 0 and 24h");
        assert_eq!(said(duration("")), "expected a duration, such as 250ms");
        let said = |result: Result<f64, InvalidUnit>| result.expect_err("a mistake").to_string();
        assert_eq!(said(rate("100")), "unit missing: write 100/s");
        assert_eq!(said(rate("5/d")), "unknown unit `/d`, expected one of /s, /m, /h");
        assert_eq!(said(rate("-1/s")), "must be between 0 and 100000000/s");
        assert_eq!(
            bytes("5M").expect_err("a mistake").to_string(),
            "unknown unit `M`, expected one of B, Ki, Mi, Gi"
        );
    }
}
