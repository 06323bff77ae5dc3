//! A cut is an experiment: do the drops go when the limit does?
//!
//! One broken endpoint drops its share of calls whatever the limit is, and cutting would shed a healthy service for as long as
//! that lasts. So cuts that have not halved the drops within a trial are taken back, and drops are left to breakers for a
//! while, longer each time. A trial is as long as time-outs usually are: calls from before a cut may still end in one.

use std::time::Duration;

use crate::controllers::adaptive_concurrency::sample::Sample;
use crate::time::Timestamp;

const TRIAL: Duration = Duration::from_secs(5);
/// Drops that stay away for this long are over; a single short window without them is chance.
const OVER_AFTER: Duration = Duration::from_secs(3);
const FEW: f64 = 0.05;
/// So many calls in a row without a drop show that a cut has helped: with one drop in ten they are no chance.
const PASSED: f64 = 80.0;
const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(300);

/// What is known of whether cuts help against drops.
#[derive(Debug, Default)]
pub(super) struct DropTrial {
    pub(super) running: Option<Running>,
    pub(super) rest_until: Option<Timestamp>,
    /// Since when there have been few drops.
    quiet_since: Option<Timestamp>,
    /// How long the last rest was.
    rested: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    began: Timestamp,
    ratio: f64,
    limit: f64,
    /// Calls in flight.
    pub(super) busy: f64,
    /// Calls that have ended since the last drop.
    passed: f64,
}

/// What to do about a window with drops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// Cut: it may help.
    Cut,
    /// Cutting did not help: back to this limit.
    Futile {
        /// The limit before the trial.
        restore: f64,
    },
    /// Known not to help: judge by latency alone.
    Ignore,
}

impl DropTrial {
    /// Judges a window in which `ratio` of the calls were dropped.
    pub(super) fn judge(&mut self, now: Timestamp, ratio: f64, limit: f64, busy: f64) -> Verdict {
        self.quiet_since = None;
        if self.rest_until.is_some_and(|until| now < until) {
            return Verdict::Ignore;
        }
        let running = self.running.get_or_insert(Running { began: now, ratio, limit, busy, passed: 0.0 });
        running.passed = 0.0;
        let running = *running;
        if now.since(running.began) < TRIAL || ratio <= 0.5 * running.ratio {
            return Verdict::Cut;
        }
        self.running = None;
        self.rested = (3 * self.rested).clamp(FIRST_REST, LONGEST_REST);
        self.rest_until = Some(now + self.rested);
        Verdict::Futile { restore: running.limit }
    }

    /// Takes note of calls: so many in a row without a drop that it cannot be chance show that the cut has helped.
    pub(super) fn passed(&mut self, sample: &Sample) {
        if let Some(running) = &mut self.running {
            running.passed = if sample.dropped == 0.0 { running.passed + sample.ended } else { 0.0 };
            if running.passed >= PASSED {
                self.running = None;
            }
        }
    }

    /// Takes note of a complete window: once drops have stayed away, whatever was tried has helped, or is over.
    pub(super) fn note(&mut self, now: Timestamp, ratio: f64) {
        if ratio > FEW {
            self.quiet_since = None;
        } else if now.since(*self.quiet_since.get_or_insert(now)) >= OVER_AFTER {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_that_do_not_help_are_taken_back_and_rest_longer_each_time() {
        let mut trial = DropTrial::default();
        let at = Timestamp::from_millis;
        assert_eq!(trial.judge(at(0), 0.20, 50.0, 50.0), Verdict::Cut);
        assert_eq!(
            trial.judge(at(4900), 0.20, 10.0, 10.0),
            Verdict::Cut,
            "time-outs from before may still come"
        );
        assert_eq!(trial.judge(at(5000), 0.20, 4.0, 4.0), Verdict::Futile { restore: 50.0 });
        assert_eq!(trial.judge(at(34_900), 0.20, 50.0, 50.0), Verdict::Ignore);
        assert_eq!(trial.judge(at(35_000), 0.20, 40.0, 40.0), Verdict::Cut, "it may help by now");
        assert_eq!(trial.judge(at(40_000), 0.20, 4.0, 4.0), Verdict::Futile { restore: 40.0 });
        assert_eq!(trial.judge(at(99_900), 0.20, 40.0, 40.0), Verdict::Ignore, "three times as long");
        trial.note(at(50_000), 0.0);
        trial.note(at(51_000), 0.12);
        trial.note(at(52_000), 0.0);
        assert_eq!(trial.judge(at(54_000), 0.20, 40.0, 40.0), Verdict::Ignore, "not over after two seconds");
        trial.note(at(55_000), 0.0);
        trial.note(at(58_000), 0.0);
        assert_eq!(
            trial.judge(at(58_100), 0.20, 40.0, 40.0),
            Verdict::Cut,
            "over after three: new drops are new"
        );
    }

    #[test]
    fn cuts_that_help_go_on() {
        let mut trial = DropTrial::default();
        assert_eq!(trial.judge(Timestamp::ZERO, 0.80, 50.0, 50.0), Verdict::Cut);
        assert_eq!(trial.judge(Timestamp::from_millis(6000), 0.40, 20.0, 20.0), Verdict::Cut);
    }

    #[test]
    fn calls_that_pass_show_that_a_cut_has_helped() {
        for (passed, expected) in [(75.0, Verdict::Futile { restore: 50.0 }), (85.0, Verdict::Cut)] {
            let mut trial = DropTrial::default();
            assert_eq!(trial.judge(Timestamp::ZERO, 0.20, 50.0, 50.0), Verdict::Cut);
            trial.passed(&Sample { ended: passed, ..Sample::default() });
            let again = trial.judge(Timestamp::from_millis(5500), 0.20, 50.0, 50.0);
            assert_eq!(again, expected);
        }
    }
}
