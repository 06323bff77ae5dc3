//! Percentiles and smoothing that several laws use.

/// The sample below or at which this share (0 to 1) of the samples is; `None` without a sample. Changes their order.
/// Costs time linear in the samples.
pub(super) fn percentile(samples: &mut [f64], share: f64) -> Option<f64> {
    let rank = (samples.len() as f64 * share).ceil().max(1.0) as usize;
    if samples.is_empty() {
        return None;
    }
    let (_, value, _) = samples.select_nth_unstable_by(rank - 1, f64::total_cmp);
    Some(*value)
}

/// The mean of the first samples, an exponential average from then on.
#[derive(Debug, Clone)]
pub(super) struct MovingAverage {
    factor: f64,
    warm_up: u32,
    count: u32,
    sum: f64,
    value: f64,
}

impl MovingAverage {
    /// Over about `age` samples: each new one weighs `2 / (age + 1)`, after `warm_up` of equal weight.
    pub(super) fn new(age: u32, warm_up: u32) -> Self {
        Self { factor: 2.0 / (f64::from(age) + 1.0), warm_up, count: 0, sum: 0.0, value: 0.0 }
    }

    /// Takes a sample in; the new average.
    pub(super) fn add(&mut self, sample: f64) -> f64 {
        if self.count < self.warm_up {
            self.count += 1;
            self.sum += sample;
            self.value = self.sum / f64::from(self.count);
        } else {
            self.value = self.value * (1.0 - self.factor) + sample * self.factor;
        }
        self.value
    }
}

/// The median of the last five samples; each sample itself until there are five.
#[derive(Debug, Clone, Default)]
pub(super) struct MedianOfFive {
    values: [f64; 5],
    count: usize,
}

impl MedianOfFive {
    /// Takes a sample in; the median.
    pub(super) fn add(&mut self, sample: f64) -> f64 {
        self.values[self.count % 5] = sample;
        self.count += 1;
        if self.count < 5 {
            return sample;
        }
        let mut sorted = self.values;
        sorted.sort_by(f64::total_cmp);
        sorted[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let mut samples: Vec<f64> = (1..=10).rev().map(f64::from).collect();
        let of = |share, samples: &mut [f64]| percentile(samples, share);
        assert_eq!(
            [0.0, 0.5, 0.9, 0.91, 1.0].map(|share| of(share, &mut samples)),
            [1.0, 5.0, 9.0, 10.0, 10.0].map(Some)
        );
        assert_eq!(percentile(&mut [], 0.5), None);
    }

    #[test]
    fn averages_and_medians_follow_a_trace_computed_by_hand() {
        // (3 + 9) / 2 = 6; then 1/3 new: 4 + 12/3 = 8
        let mut average = MovingAverage::new(5, 2);
        let averages = [3.0, 9.0, 12.0].map(|sample| average.add(sample));
        assert!(averages.iter().zip([3.0, 6.0, 8.0]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12));
        // 9 1 7 3 | 5 -> 1 3 5 7 9; 0 instead of 9 -> 0 1 3 5 7
        let mut median = MedianOfFive::default();
        assert_eq!(
            [9.0, 1.0, 7.0, 3.0, 5.0, 0.0].map(|sample| median.add(sample)),
            [9.0, 1.0, 7.0, 3.0, 5.0, 3.0]
        );
    }
}
