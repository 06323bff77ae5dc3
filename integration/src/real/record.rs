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

#[cfg(test)]
mod tests {
    use setpoint::simulate::scenario_file;

    use super::*;
    use crate::load::plan::End;

    /// A second; answers within 100 ms are in time.
    fn scenario() -> Scenario {
        let text = "version: setpoint/v1\nkind: Scenario\nname: test\nduration: 1s\nclients: {rate: 1}\ndeadline: 100ms\n\
                    server: {workers: 1, work: {fixed: 1ms}}\n";
        scenario_file::parse("test.yaml", text.as_bytes()).unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn recording(ends: &[(u64, u64, Outcome)]) -> Recording {
        let end =
            |&(scheduled, latency, outcome)| End { scheduled: ms(scheduled), latency: ms(latency), outcome };
        let sent = ends.iter().map(|(scheduled, ..)| (ms(*scheduled), ms(1))).collect();
        let ends = Ends { seen: ends.iter().map(end).collect(), sent, shed: Vec::new() };
        Recording { ends, limits: vec![Limit { limit: 7.0, ..Limit::default() }; 10] }
    }

    #[test]
    fn calls_count_in_the_slice_in_which_they_came_or_were_answered() {
        let recording = recording(&[
            (50, 40, Outcome::Ok),
            (50, 60, Outcome::Ok),
            (199, 150, Outcome::Late),
            (250, 160, Outcome::Rejected),
            (800, 150, Outcome::FailedStatus),
            (950, 80, Outcome::Ok),
        ]);
        let run = recording.run(&scenario());
        let at = |slice: usize| run.slices[slice].classes[0];
        assert_eq!(at(0), Counts { arrived: 2, in_time: 1, ..Counts::default() });
        assert_eq!(at(1), Counts { arrived: 1, in_time: 1, ..Counts::default() });
        assert_eq!(at(2), Counts { arrived: 1, rejected: 1, ..Counts::default() }, "rejected when it came");
        assert_eq!(at(3), Counts { late: 1, ..Counts::default() });
        let last = Counts { arrived: 1, dropped: 1, ..Counts::default() };
        assert_eq!(at(9), last, "what is answered after the end does not count");
        assert_eq!((run.slices.len(), run.slices[5].limit), (10, 7.0));
        assert_eq!(run.percentile(1.0, 0.0, 1.0), Some(f64::from(0.15_f32)));
        assert_eq!(recording.lost(), 1);
    }

    #[test]
    fn what_was_not_sent_or_not_answered_has_come_all_the_same() {
        let mut recording = recording(&[]);
        recording.ends.sent.push((ms(10), ms(3)));
        recording.ends.shed.push(ms(20));
        let run = recording.run(&scenario());
        assert_eq!(run.counts(0.0, 1.0), Counts { arrived: 2, dropped: 1, ..Counts::default() });
        assert_eq!((recording.lost(), recording.lateness(0.99)), (1, Some(ms(3))));
        assert_eq!(Recording::default().lateness(0.99), None);
    }
}
