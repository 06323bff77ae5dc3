//! Correlation of two quantities over the last 50 windows.

const WINDOWS: usize = 50;
const WARM_UP: usize = 10;
/// Quantities that vary less say nothing.
const LEAST_VARIATION: f64 = 0.01;

/// Pairs of the last windows.
#[derive(Debug, Clone, Default)]
pub(super) struct Correlation {
    pairs: Vec<(f64, f64)>,
    oldest: usize,
}

/// How two quantities go together; zeros while too little is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Correlated {
    /// Correlation coefficient, -1 to 1; 0 if either hardly varies.
    pub(super) coefficient: f64,
    /// Standard deviation over mean of the second.
    pub(super) variation: f64,
}

impl Correlation {
    /// Takes a pair in.
    pub(super) fn add(&mut self, x: f64, y: f64) -> Correlated {
        if self.pairs.len() < WINDOWS {
            self.pairs.push((x, y));
        } else {
            self.pairs[self.oldest] = (x, y);
            self.oldest = (self.oldest + 1) % WINDOWS;
        }
        if self.pairs.len() < WARM_UP {
            return Correlated::default();
        }
        let mean_of =
            |f: fn(&(f64, f64)) -> f64| self.pairs.iter().map(f).sum::<f64>() / self.pairs.len() as f64;
        let (mean_x, mean_y) = (mean_of(|(x, _)| *x), mean_of(|(_, y)| *y));
        let deviation = |mean_of_squares: f64, mean: f64| (mean_of_squares - mean * mean).max(0.0).sqrt();
        let deviation_x = deviation(mean_of(|(x, _)| x * x), mean_x);
        let deviation_y = deviation(mean_of(|(_, y)| y * y), mean_y);
        let variation = deviation_y / mean_y;
        if deviation_x / mean_x < LEAST_VARIATION || variation < LEAST_VARIATION {
            return Correlated { coefficient: 0.0, variation };
        }
        let covariance = mean_of(|(x, y)| x * y) - mean_x * mean_y;
        Correlated { coefficient: covariance / (deviation_x * deviation_y), variation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x: five times 1, five times 3: mean 2, deviation 1. y = 10 - x: mean 8, deviation 1.
    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut correlation = Correlation::default();
        for n in 0..9 {
            let x = if n < 5 { 1.0 } else { 3.0 };
            assert_eq!(correlation.add(x, 10.0 - x), Correlated::default(), "too few");
        }
        let tenth = correlation.add(3.0, 7.0);
        assert!((tenth.coefficient + 1.0).abs() < 1e-9 && (tenth.variation - 0.125).abs() < 1e-9);
        // after 50 of another kind nothing is left of the first: y constant
        let last = (0..50).map(|n| correlation.add(f64::from(n), 4.0)).last();
        assert_eq!(last, Some(Correlated { coefficient: 0.0, variation: 0.0 }));
    }
}
