//! How much wider counts vary than Poisson ones.
//!
//! Calls that end in batches, or a few very long ones among many short, make a count prove less than its size says.

/// Share of a new count in the mean and the variance.
const GAIN: f64 = 0.05;
/// Memory of the throughput that counts as reached, seconds.
const REACHED: f64 = 0.3;

/// Mean and variance of the counts of late.
#[derive(Debug, Default)]
pub(super) struct Spread {
    mean: Option<f64>,
    variance: f64,
    rate: f64,
}

impl Spread {
    /// Takes how many calls have ended in a report.
    pub(super) fn see(&mut self, ended: f64) {
        let mean = self.mean.get_or_insert(ended);
        let off = ended - *mean;
        *mean += GAIN * off;
        self.variance += GAIN * (off * off - self.variance);
    }

    /// Variance over that of a Poisson count.
    pub(super) fn over_poisson(&self) -> f32 {
        (self.variance / self.mean.unwrap_or(0.0).max(0.5)).clamp(0.7, 300.0) as f32
    }

    /// Mean throughput of the last few reports.
    pub(super) fn mean_rate(&mut self, seconds: f64, throughput: f64) -> f64 {
        self.rate += (throughput - self.rate) * (1.0 - (-seconds / REACHED).exp());
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_vary_more_than_single_calls() {
        let seen = |counts: &dyn Fn(u32) -> f64| {
            let mut spread = Spread::default();
            (0..400).for_each(|n| spread.see(counts(n)));
            spread.over_poisson()
        };
        assert_eq!(seen(&|_| 10.0), 0.7, "not less than that, whatever the luck");
        let batches = seen(&|n| if n % 10 == 0 { 100.0 } else { 0.0 });
        assert!((60.0..120.0).contains(&batches), "variance 900 over a mean of 10: {batches}");
        assert_eq!(seen(&|_| 0.0), 0.7, "nothing at all is no reason to divide by zero");
    }
}
