//! What was seen over the whole story, four times a second: the source of the picture and of the time to converge.

use std::time::Duration;

use crate::load::Tally;

/// Time between two samples.
pub const EVERY: Duration = Duration::from_millis(250);

/// One lane in one sample. `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneSample {
    /// Good answers within the deadline per second.
    pub goodput_per_second: f64,
    /// p99 of the good answers of this sample.
    pub p99: Option<Duration>,
    /// Rejected share of all answers of this sample.
    pub rejected_ratio: Option<f64>,
    /// Requests inside the service.
    pub in_flight: Option<f64>,
}

impl LaneSample {
    /// From what ended during `elapsed`.
    pub fn of(tally: &Tally, elapsed: Duration, in_flight: Option<u64>) -> Self {
        let ended = tally.ok + tally.late + tally.rejected + tally.failed();
        Self {
            goodput_per_second: tally.ok as f64 / elapsed.as_secs_f64().max(1e-3),
            p99: tally.latency(0.99),
            rejected_ratio: (ended > 0).then(|| tally.rejected as f64 / ended as f64),
            in_flight: in_flight.map(|count| count as f64),
        }
    }
}

/// Everything in one sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Time of the story at its end.
    pub at: Duration,
    /// Which phase.
    pub phase: usize,
    /// Requests due per second.
    pub offered_per_second: f64,
    /// Protected, then unprotected.
    pub lanes: [LaneSample; 2],
    /// The limit that the protected service has in force.
    pub limit: Option<f64>,
    /// Whether the sidecar answers.
    pub sidecar_alive: bool,
}

/// All samples of a story, oldest first. Bounded by the story's length.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Sample>);

impl History {
    /// Adds one.
    pub fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// The newest.
    pub fn last(&self) -> Option<&Sample> {
        self.0.last()
    }

    /// All, oldest first.
    pub fn all(&self) -> &[Sample] {
        &self.0
    }

    /// One value of each sample.
    pub fn series(&self, of: impl Fn(&Sample) -> Option<f64>) -> Vec<Option<f64>> {
        self.0.iter().map(of).collect()
    }

    /// Those of one phase.
    pub fn phase(&self, phase: usize) -> &[Sample] {
        let from = self.0.partition_point(|sample| sample.phase < phase);
        let to = self.0.partition_point(|sample| sample.phase <= phase);
        &self.0[from..to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    #[test]
    fn nothing_seen_is_unknown() {
        let idle = LaneSample::of(&Tally::default(), EVERY, None);
        assert_eq!(idle, LaneSample::default());
    }

    #[test]
    fn ratios_are_of_what_ended_in_the_sample() {
        let mut tally = Tally::default();
        for outcome in [Outcome::Ok, Outcome::Rejected, Outcome::Rejected, Outcome::Late] {
            tally.record(outcome, Duration::from_millis(5));
        }
        let sample = LaneSample::of(&tally, Duration::from_millis(500), Some(3));
        assert_eq!((sample.goodput_per_second, sample.rejected_ratio), (2.0, Some(0.5)));
        assert_eq!(sample.in_flight, Some(3.0));
    }

    #[test]
    fn phases_are_found() {
        let mut history = History::default();
        for phase in [0, 0, 1, 3] {
            history.push(Sample { phase, ..Sample::default() });
        }
        assert_eq!([0, 1, 2, 3].map(|phase| history.phase(phase).len()), [2, 1, 0, 1]);
    }
}
