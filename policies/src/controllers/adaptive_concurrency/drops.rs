//! Cuts after dropped calls are experiments too: do the drops go when the limit does?
//!
//! Calls that end in overload are the strongest sign that a limit is too high, so the first cuts come at once. But one
//! broken endpoint drops its share of calls whatever the limit is, and cutting would shed a healthy service for as long as
//! that lasts. So cuts that have not halved the drops within a trial are taken back, and drops are left to breakers for a
//! while, longer each time. A trial is as long as time-outs usually are: calls from before a cut may still end in one.

//!
//! What helped is remembered: the limit comes back quickly to just below where calls were dropped, and slowly from there.

use std::time::Duration;

use super::sample::Sample;
use crate::reason::ConcurrencyReason;
use crate::time::Timestamp;

/// So many drops, and more than that share of the calls, ask for a cut.
const MANY: f64 = 5.0;
const SHARE: f64 = 0.10;
/// A cut goes to what got through, but within these shares of what was in flight.
const DEEPEST: f64 = 0.4;
const SHALLOWEST: f64 = 0.85;
/// All cuts of one trial together go no deeper than this share of the limit before: enough to tell whether they help.
const TRIAL_DEEPEST: f64 = 0.3;
/// Growth of the ceiling in a sample without drops: below [`NEAR`] of where they began, and above.
const BACK_FAST: f64 = 1.06;
const BACK_SLOW: f64 = 1.004;
const NEAR: f64 = 0.9;
/// Seconds that it stays near there before it is tried whether more is possible; twice as long each time it is not.
const FIRST_STAY: f64 = 5.0;
const LONGEST_STAY: f64 = 60.0;
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
struct DropTrial {
    running: Option<Running>,
    rest_until: Option<Timestamp>,
    /// Since when there have been few drops.
    quiet_since: Option<Timestamp>,
    /// How long the last rest was.
    rested: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    began: Timestamp,
    ratio: f64,
    limit: f64,
    /// Calls in flight.
    busy: f64,
    /// Calls that have ended since the last drop.
    passed: f64,
}

/// What to do about a window with drops.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
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
    fn judge(&mut self, now: Timestamp, ratio: f64, limit: f64, busy: f64) -> Verdict {
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
    fn passed(&mut self, sample: &Sample) {
        if let Some(running) = &mut self.running {
            running.passed = if sample.dropped == 0.0 { running.passed + sample.ended } else { 0.0 };
            if running.passed >= PASSED {
                self.running = None;
            }
        }
    }

    /// Takes note of a complete window: once drops have stayed away, whatever was tried has helped, or is over.
    fn note(&mut self, now: Timestamp, ratio: f64) {
        if ratio > FEW {
            self.quiet_since = None;
        } else if now.since(*self.quiet_since.get_or_insert(now)) >= OVER_AFTER {
            *self = Self::default();
        }
    }
}

/// What drops do to the limit.
#[derive(Debug)]
pub(super) struct DropCeiling {
    trial: DropTrial,
    ceiling: f64,
    /// Calls in flight when calls were dropped last.
    dropped_at: f64,
    /// Calls got through without a drop since.
    passed: bool,
    /// When that was, and how long the ceiling stays.
    cut_at: f64,
    stay: f64,
    next: f64,
}

/// The limit after drops, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AfterDrops {
    pub(super) limit: f64,
    pub(super) reason: ConcurrencyReason,
}

impl Default for DropCeiling {
    fn default() -> Self {
        Self {
            trial: DropTrial::default(),
            ceiling: f64::INFINITY,
            dropped_at: 0.0,
            passed: true,
            cut_at: 0.0,
            stay: 0.0,
            next: 0.0,
        }
    }
}

impl DropCeiling {
    fn recover(&mut self, now: f64) {
        self.passed = true;
        if self.ceiling < NEAR * self.dropped_at {
            self.ceiling *= BACK_FAST;
        } else if now - self.cut_at > self.stay {
            self.ceiling *= BACK_SLOW;
        }
    }

    fn note_cut(&mut self, now: f64) {
        let again = now - self.cut_at < 2.0 * self.stay.max(FIRST_STAY);
        self.stay = if again { (2.0 * self.stay).clamp(FIRST_STAY, LONGEST_STAY) } else { FIRST_STAY };
        self.cut_at = now;
    }

    /// Whether it is known that lower limits do not help.
    pub(super) fn is_futile(&self, now: f64) -> bool {
        let now = Timestamp::from_nanos((now * 1e9) as u64);
        self.trial.rest_until.is_some_and(|until| now < until)
    }

    /// The highest limit that is not expected to get calls dropped.
    pub(super) const fn ceiling(&self) -> f64 {
        self.ceiling
    }

    /// Takes a sample; `now` in seconds, `floor`: latency of a call that does not wait.
    pub(super) fn see(&mut self, now: f64, sample: &Sample, limit: f64, floor: f64) -> Option<AfterDrops> {
        let at = Timestamp::from_nanos((now * 1e9) as u64);
        let ratio = sample.drop_ratio();
        if sample.dropped < MANY || ratio <= SHARE {
            self.trial.note(at, ratio);
            self.trial.passed(sample);
            if sample.is_bound() && sample.dropped == 0.0 {
                self.recover(now);
            }
            return None;
        }
        if now < self.next {
            return None;
        }
        self.next = now + 0.2 + 1.5 * sample.little().min(2.0);
        let busy = sample.in_flight().min(limit);
        match self.trial.judge(at, ratio, limit, busy) {
            Verdict::Ignore => None,
            Verdict::Cut => {
                let through = 1.1 * sample.served() / sample.seconds * floor;
                let least = self.trial.running.map_or(1.0, |running| (TRIAL_DEEPEST * running.busy).max(1.0));
                self.ceiling = through.clamp(DEEPEST * busy, SHALLOWEST * busy).max(least);
                // What is dropped before anything got through was let in at the limit before.
                self.dropped_at = if self.passed { busy } else { busy.max(self.dropped_at) };
                self.passed = false;
                self.note_cut(now);
                let reason = ConcurrencyReason::Drops { drops: sample.dropped as u64, ratio };
                Some(AfterDrops { limit: self.ceiling, reason })
            }
            Verdict::Futile { restore } => {
                self.ceiling = f64::INFINITY;
                Some(AfterDrops { limit: restore, reason: ConcurrencyReason::FutileCut { ratio } })
            }
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

    /// A tenth of a second with 15 calls in flight, of which 13 are dropped or none.
    fn window(dropped: f64) -> Sample {
        let calls = Sample { arrived: 15.0, ended: 15.0, area: 1.5, ..Sample::default() };
        Sample { seconds: 0.1, dropped, rejected: 1.0, ..calls }
    }

    #[test]
    fn a_limit_far_above_what_is_in_flight_is_cut_to_what_was_in_flight() {
        let mut drops = DropCeiling::default();
        let after = drops.see(1.0, &window(13.0), 108.0, 0.1).expect("a cut");
        assert!((4.0..8.0).contains(&after.limit), "0.4 of 15, and not of 108: {after:?}");
        drops.see(2.0, &window(13.0), 6.0, 0.1).expect("another one: what was let in before still ends");
        (0..60).for_each(|n| assert_eq!(drops.see(2.1 + 0.1 * f64::from(n), &window(0.0), 6.0, 0.1), None));
        let back = drops.ceiling();
        assert!((12.0..15.0).contains(&back), "quickly to just below where calls were dropped first: {back}");
    }
}
