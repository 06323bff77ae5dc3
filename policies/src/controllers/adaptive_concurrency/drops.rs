//! Calls that end in overload are the strongest sign that a limit is too high, so the first cuts come at once.
//!
//! A cut goes by what was in flight, whatever the limit was, and is an experiment ([`trial`]). What helped is remembered: the
//! limit comes back quickly to just below where calls were dropped, and slowly from there.

use super::sample::Sample;
use crate::reason::ConcurrencyReason;
use crate::time::Timestamp;

mod trial;

use trial::{DropTrial, Verdict};

/// So many drops, and more than that share of the calls, ask for a cut.
const MANY: f64 = 5.0;
const SHARE: f64 = 0.10;
/// A cut goes to what got through, but within these shares of what was in flight.
const DEEPEST: f64 = 0.4;
const SHALLOWEST: f64 = 0.85;
/// All cuts of one trial together go no deeper than this share of what was in flight: enough to tell whether they help.
const TRIAL_DEEPEST: f64 = 0.3;
/// Growth of the ceiling in a sample without drops: below [`NEAR`] of where they began, and above.
const BACK_FAST: f64 = 1.06;
const BACK_SLOW: f64 = 1.004;
const NEAR: f64 = 0.9;
/// Seconds that it stays near there before it is tried whether more is possible; twice as long each time it is not.
const FIRST_STAY: f64 = 5.0;
const LONGEST_STAY: f64 = 60.0;

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
                // Something else may hold it lower already.
                Some(AfterDrops { limit: self.ceiling.min(limit), reason })
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
    fn a_cut_never_raises_a_limit_that_is_lower_already() {
        let mut drops = DropCeiling::default();
        drops.see(1.0, &window(13.0), 20.0, 0.1).expect("a cut");
        let after = drops.see(2.0, &window(13.0), 2.0, 0.1).expect("another one");
        assert_eq!(after.limit, 2.0, "a trial goes no deeper than 0.3 of 15, the law went by something else");
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
