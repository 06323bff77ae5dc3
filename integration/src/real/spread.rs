//! A median and how far the values lie apart.

use std::fmt;

/// Median, least and greatest of some values; infinite where there was none ("never").
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of the values are no greater.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Spread {
    /// Of these values; `None` counts as infinite, and so does having none at all. Of an even number the median is the mean
    /// of the two in the middle.
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let mut all: Vec<f64> = values.map(|value| value.unwrap_or(f64::INFINITY)).collect();
        all.sort_by(f64::total_cmp);
        let at = |place: usize| all.get(place).copied().unwrap_or(f64::INFINITY);
        let (upper, last) = (all.len() / 2, all.len().saturating_sub(1));
        let lower = last / 2;
        let median = if at(lower) == at(upper) { at(upper) } else { (at(lower) + at(upper)) / 2.0 };
        Self { median, least: at(0), most: at(last) }
    }

    /// Every value times this.
    pub fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, least: self.least * factor, most: self.most * factor }
    }
}

/// `0.97 (0.95 to 0.98)`, with the precision asked for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let number = |value: f64| {
            if value.is_finite() { format!("{value:.digits$}") } else { "never".to_owned() }
        };
        let (median, least, most) = (number(self.median), number(self.least), number(self.most));
        if least == most { f.write_str(&median) } else { write!(f, "{median} ({least} to {most})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges_by_table() {
        let table: [(&[Option<f64>], f64, &str); 6] = [
            (&[Some(0.5)], 0.5, "0.50"),
            (&[Some(3.0), Some(1.0), Some(2.0)], 2.0, "2.00 (1.00 to 3.00)"),
            (&[Some(1.0), Some(2.0)], 1.5, "1.50 (1.00 to 2.00)"),
            (&[Some(1.0), None, Some(2.0)], 2.0, "2.00 (1.00 to never)"),
            (&[None], f64::INFINITY, "never"),
            (&[], f64::INFINITY, "never"),
        ];
        for (values, median, text) in table {
            let spread = Spread::of(values.iter().copied());
            assert_eq!(spread.median, median, "{values:?}");
            assert_eq!(format!("{spread:.2}"), text, "{values:?}");
        }
    }

    #[test]
    fn scaling_keeps_the_order() {
        let spread = Spread::of([Some(0.1), Some(0.2), Some(0.4)].into_iter()).times(1e3);
        assert_eq!((spread.least, spread.median, spread.most), (100.0, 200.0, 400.0));
    }
}
