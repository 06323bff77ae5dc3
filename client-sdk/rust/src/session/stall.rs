//! The SDK's own stalls: its timer fired late because the process was stopped, swapped out or starved.
//!
//! After such a pause the clock says that every lease is long over, while the beats that renewed them wait unread in the
//! socket. So the time of the pause is not counted against leases until one beat period has passed. That grace is given
//! once and then only after a new sign of life, or a process that stalls all the time would keep a dead sidecar's values.

use std::time::Duration;

use setpoint_policies::time::Timestamp;

/// A timer that fires later than this was a stall.
const STALL: Duration = Duration::from_millis(100);

/// Watches the lateness of the session's timer.
#[derive(Debug, Default)]
pub(super) struct StallWatch {
    total: Duration,
    worst: Duration,
    grace: Option<Grace>,
    spent: bool,
    stalls: u64,
}

#[derive(Debug, Clone, Copy)]
struct Grace {
    /// The last instant before the stall.
    frozen: Timestamp,
    until: Timestamp,
}

impl StallWatch {
    /// The timer that was due at `due` fired at `now`.
    pub(super) fn fired(&mut self, due: Timestamp, now: Timestamp, beat_every: Duration) {
        let lateness = now.since(due);
        self.worst = self.worst.max(lateness);
        if lateness <= STALL {
            return;
        }
        self.total += lateness;
        self.stalls += 1;
        if self.stalls.is_power_of_two() {
            tracing::warn!(?lateness, so_far = self.stalls, "the process was stalled");
        }
        if !self.spent {
            self.spent = true;
            self.grace = Some(Grace { frozen: due, until: now + beat_every });
        }
    }

    /// A beat that proves a live loop was heard: the next stall gets its own grace.
    pub(super) const fn heard(&mut self) {
        self.spent = false;
        self.grace = None;
    }

    /// The instant at which leases are to be judged: now, or before the stall while the grace lasts.
    pub(super) fn judge_at(&self, now: Timestamp) -> Timestamp {
        match self.grace {
            Some(grace) if now < grace.until => grace.frozen,
            _ => now,
        }
    }

    /// Total of all stalls, nanoseconds, wrapping.
    #[allow(clippy::cast_possible_truncation, reason = "a wrapping total")]
    pub(super) const fn total_nanos(&self) -> u64 {
        self.total.as_nanos() as u64
    }

    /// The worst lateness since it was last asked for.
    pub(super) const fn take_worst(&mut self) -> Duration {
        std::mem::replace(&mut self.worst, Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_pause_counts_against_leases_only_after_one_beat() {
        let mut stalls = StallWatch::default();
        stalls.fired(at(10), at(10) + STALL, BEAT);
        assert_eq!((stalls.total_nanos(), stalls.judge_at(at(11))), (0, at(11)), "late, but no stall");
        stalls.fired(at(20), at(80), BEAT);
        assert_eq!(stalls.total_nanos(), 60_000_000_000);
        assert_eq!((stalls.judge_at(at(80)), stalls.judge_at(at(81))), (at(20), at(81)));
        assert_eq!((stalls.take_worst(), stalls.take_worst()), (Duration::from_secs(60), Duration::ZERO));
    }

    #[test]
    fn grace_is_not_given_twice_without_a_sign_of_life() {
        let mut stalls = StallWatch::default();
        stalls.fired(at(1), at(2), BEAT);
        stalls.fired(at(4), at(5), BEAT);
        assert_eq!(stalls.judge_at(at(5)), at(5), "no second grace");
        stalls.heard();
        stalls.fired(at(7), at(8), BEAT);
        assert_eq!(stalls.judge_at(at(8)), at(7));
    }
}
