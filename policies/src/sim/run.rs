//! What happened in a run: counts for every tenth of a second, to be added up as one likes.

use crate::time::Timestamp;

/// Length of a slice, seconds.
pub const SLICE_SECONDS: f64 = 0.1;

/// A run of a scenario.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Slices of [`SLICE_SECONDS`], from the start of the scenario.
    pub slices: Vec<Slice>,
    /// What the laws decided: time, instance, text.
    pub log: Vec<(Timestamp, usize, String)>,
    /// Events that the plant worked through.
    pub events: u64,
}

/// A tenth of a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slice {
    /// By class of the scenario.
    pub classes: Vec<Counts>,
    /// The limit at its end, all instances together; infinite without one.
    pub limit: f64,
    /// The limit of each instance at its end.
    pub limits: Vec<f64>,
    /// Mean of calls in flight, all instances together.
    pub in_flight: f64,
    /// Latencies of calls that were answered in it, seconds, late ones too; without order.
    pub latencies: Vec<f32>,
}

/// What became of the calls of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Attempts that asked for admission.
    pub arrived: u32,
    /// Of these, the ones that were refused.
    pub rejected: u32,
    /// Answers within the deadline.
    pub in_time: u32,
    /// Answers after it.
    pub late: u32,
    /// Refused or failed by the service.
    pub dropped: u32,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.arrived += other.arrived;
        self.rejected += other.rejected;
        self.in_time += other.in_time;
        self.late += other.late;
        self.dropped += other.dropped;
    }
}

impl Run {
    /// The slices from one time to another, seconds.
    pub fn between(&self, from: f64, to: f64) -> &[Slice] {
        let index = |seconds: f64| ((seconds / SLICE_SECONDS).round() as usize).min(self.slices.len());
        &self.slices[index(from)..index(to.max(from))]
    }

    /// Counts of all classes between two times.
    pub fn counts(&self, from: f64, to: f64) -> Counts {
        let mut sum = Counts::default();
        self.between(from, to).iter().flat_map(|slice| &slice.classes).for_each(|class| sum += *class);
        sum
    }

    /// Answers within the deadline per second between two times.
    pub fn goodput(&self, from: f64, to: f64) -> f64 {
        f64::from(self.counts(from, to).in_time) / (to - from)
    }

    /// A percentile (0 to 1) of the latencies of answers between two times, seconds; `None` without an answer.
    pub fn percentile(&self, rank: f64, from: f64, to: f64) -> Option<f64> {
        let mut all: Vec<f32> =
            self.between(from, to).iter().flat_map(|slice| slice.latencies.iter().copied()).collect();
        if all.is_empty() {
            return None;
        }
        let index = ((all.len() - 1) as f64 * rank).round() as usize;
        let (_, value, _) = all.select_nth_unstable_by(index, f32::total_cmp);
        Some(f64::from(*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_percentiles_are_over_the_slices_asked_for() {
        let slice = |in_time, latency| Slice {
            classes: vec![Counts { in_time, ..Counts::default() }; 2],
            latencies: vec![latency; 3],
            ..Slice::default()
        };
        let run = Run { slices: vec![slice(1, 0.5), slice(2, 0.25), slice(4, 0.75)], ..Run::default() };
        assert_eq!(run.counts(0.1, 0.3).in_time, 12);
        assert!((run.goodput(0.1, 0.3) - 60.0).abs() < 1e-9);
        assert_eq!(run.percentile(0.0, 0.0, 0.3), Some(0.25));
        assert_eq!(run.percentile(1.0, 0.0, 0.2), Some(0.5));
        assert_eq!(run.percentile(0.5, 0.3, 0.3), None);
    }
}
