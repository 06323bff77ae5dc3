//! How much wider counts vary than Poisson ones.
//!
//! Calls that end in batches, or a few very long ones among many short, make a count prove less than its size says.

/// Memory of the mean, seconds, and share of a new count in the variance.
const MEMORY: f64 = 2.0;
const GAIN: f64 = 0.05;
/// Calls per second, at least, that counts are compared with.
const LEAST: f64 = 5.0;
/// Memory of the throughput that counts as reached, seconds.
const REACHED: f64 = 0.3;

/// Mean and variance of the counts of late, per second: reports may be of any length.
#[derive(Debug, Default)]
pub(super) struct Spread {
    mean: Option<f64>,
    variance: f64,
    rate: f64,
}

impl Spread {
    /// Takes how many calls have ended in a report of so many seconds.
    pub(super) fn see(&mut self, seconds: f64, ended: f64) {
        let mean = self.mean.get_or_insert(ended / seconds);
        let off = ended - *mean * seconds;
        *mean += (1.0 - (-seconds / MEMORY).exp()) * off / seconds;
        self.variance += GAIN * (off * off / seconds - self.variance);
    }

    /// Variance over that of a Poisson count.
    pub(super) fn over_poisson(&self) -> f32 {
        (self.variance / self.mean.unwrap_or(0.0).max(LEAST)).clamp(0.7, 300.0) as f32
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
            (0..400).for_each(|n| spread.see(0.1, counts(n)));
            spread.over_poisson()
        };
        assert_eq!(seen(&|_| 10.0), 0.7, "not less than that, whatever the luck");
        let batches = seen(&|n| if n % 10 == 0 { 100.0 } else { 0.0 });
        assert!((60.0..120.0).contains(&batches), "variance 900 over a mean of 10: {batches}");
        let mut pooled = Spread::default();
        for seconds in [0.1, 0.5, 0.1].repeat(130) {
            pooled.see(seconds, 100.0 * seconds);
        }
        assert_eq!(pooled.over_poisson(), 0.7, "longer reports have more calls, which is no variance");
        assert_eq!(seen(&|_| 0.0), 0.7, "nothing at all is no reason to divide by zero");
    }
}
