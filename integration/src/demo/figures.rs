//! Numbers as people read them.

use std::time::Duration;

/// `8 ms`, `140 ms`, `4.9 s`; `-` when nothing was measured.
pub fn latency(value: Option<Duration>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= Duration::from_secs(1) => format!("{:.1} s", value.as_secs_f64()),
        Some(value) => format!("{:.0} ms", value.as_secs_f64() * 1e3),
    }
}

/// `97 %`; `-` when there is none.
pub fn percent(ratio: Option<f64>) -> String {
    match ratio {
        None => "-".to_owned(),
        // Rounding may not turn some into none.
        Some(ratio) if ratio > 0.0 && ratio < 0.005 => "<1 %".to_owned(),
        Some(ratio) => format!("{:.0} %", ratio * 100.0),
    }
}

/// A count; `-` when there is none.
pub fn count(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.0}"))
}

/// `1:05`.
pub fn clock(value: Duration) -> String {
    format!("{}:{:02}", value.as_secs() / 60, value.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        let ms = Duration::from_millis;
        assert_eq!(
            [None, Some(ms(8)), Some(ms(999)), Some(ms(4870))].map(latency),
            ["-", "8 ms", "999 ms", "4.9 s"]
        );
        assert_eq!([None, Some(0.0), Some(0.001), Some(0.974)].map(percent), ["-", "0 %", "<1 %", "97 %"]);
        assert_eq!([None, Some(14.4)].map(count), ["-", "14"]);
        assert_eq!(clock(ms(65_900)), "1:05");
    }
}
