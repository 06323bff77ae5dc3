//! From what the load generator saw to a run as the simulator writes it, so that both are judged by the same code.

use std::time::Duration;

use setpoint_policies::sim::run::{Counts, Run, SLICE_SECONDS, Slice};
use setpoint_policies::sim::scenario::Scenario;

use crate::load::outcome::Outcome;
use crate::load::plan::Ends;
use crate::service::staged::Limit;

/// What was seen of one service in one run.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Of the calls.
    pub ends: Ends,
    /// At the end of each slice.
    pub limits: Vec<Limit>,
}

impl Recording {
    /// The run. As in the simulator a call counts as arrived, and as rejected, when it was due, and as answered when it was
    /// answered; what is answered after the end of the scenario does not count. A call that could not be sent is one that
    /// was dropped.
    pub fn run(&self, scenario: &Scenario) -> Run {
        let count = (scenario.seconds / SLICE_SECONDS).round() as usize;
        let mut slices = vec![Slice { classes: vec![Counts::default()], ..Slice::default() }; count];
        for (slice, limit) in slices.iter_mut().zip(&self.limits) {
            slice.limit = limit.limit;
            slice.limits = vec![limit.limit];
        }
        let mut run = Run { slices, ..Run::default() };
        for (due, _) in &self.ends.sent {
            run.count(*due, |counts, _| counts.arrived += 1);
        }
        for end in &self.ends.seen {
            match end.outcome {
                Outcome::Rejected => run.count(end.scheduled, |counts, _| counts.rejected += 1),
                Outcome::Ok => run.answered(end.scheduled, end.latency, |counts| counts.in_time += 1),
                Outcome::Late => run.answered(end.scheduled, end.latency, |counts| counts.late += 1),
                Outcome::FailedStatus | Outcome::FailedSocket => {
                    run.count(end.scheduled + end.latency, |counts, _| counts.dropped += 1);
                }
            }
        }
        for due in &self.ends.shed {
            run.count(*due, |counts, _| {
                counts.arrived += 1;
                counts.dropped += 1;
            });
        }
        run
    }

    /// Calls that failed in a way that no limiter causes, or were not sent: nothing that a sound run has.
    pub fn lost(&self) -> usize {
        let failed = |outcome| matches!(outcome, Outcome::FailedStatus | Outcome::FailedSocket);
        self.ends.seen.iter().filter(|end| failed(end.outcome)).count() + self.ends.shed.len()
    }

    /// How late the load generator was at this rank (0 to 1).
    pub fn lateness(&self, rank: f64) -> Option<Duration> {
        let mut all: Vec<Duration> = self.ends.sent.iter().map(|(_, late)| *late).collect();
        let last = all.len().checked_sub(1)?;
        let place = (last as f64 * rank).round() as usize;
        Some(*all.select_nth_unstable(place).1)
    }
}

/// Adding to the slice of a time.
trait Book {
    fn count(&mut self, at: Duration, add: impl FnOnce(&mut Counts, &mut Vec<f32>));
    fn answered(&mut self, scheduled: Duration, latency: Duration, add: impl FnOnce(&mut Counts));
}

impl Book for Run {
    fn count(&mut self, at: Duration, add: impl FnOnce(&mut Counts, &mut Vec<f32>)) {
        let slice = self.slices.get_mut((at.as_secs_f64() / SLICE_SECONDS) as usize);
        if let Some(Slice { classes, latencies, .. }) = slice
            && let Some(counts) = classes.first_mut()
        {
            add(counts, latencies);
        }
    }

    fn answered(&mut self, scheduled: Duration, latency: Duration, add: impl FnOnce(&mut Counts)) {
        self.count(scheduled + latency, |counts, latencies| {
            add(counts);
            latencies.push(latency.as_secs_f32());
        });
    }
}
