//! Counts and latencies of many requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::Outcome;

/// Longest latency kept apart; longer ones are recorded as this.
const LONGEST: Duration = Duration::from_secs(120);

/// What became of the requests of one phase or window. About 60 KB, whatever the number of requests.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Due by the schedule.
    pub scheduled: u64,
    /// Given to a connection.
    pub sent: u64,
    /// Answered well within the deadline.
    pub ok: u64,
    /// Answered well after the deadline.
    pub late: u64,
    /// Refused in an orderly way.
    pub rejected: u64,
    /// Answered with another error status.
    pub failed_status: u64,
    /// Connection refused, reset or broken off.
    pub failed_socket: u64,
    /// Due, but not sent because too many were open already.
    pub shed_by_client: u64,
    /// From the scheduled time to the end of a good answer, in or after the deadline, in microseconds.
    latency: Histogram<u64>,
    /// From the scheduled time to the sending, in microseconds: the generator's own fault.
    lateness: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let empty = || {
            let longest = LONGEST.as_micros() as u64;
            Histogram::new_with_bounds(1, longest, 2).expect("1 < longest / 2, and 2 digits are supported")
        };
        Self {
            scheduled: 0,
            sent: 0,
            ok: 0,
            late: 0,
            rejected: 0,
            failed_status: 0,
            failed_socket: 0,
            shed_by_client: 0,
            latency: empty(),
            lateness: empty(),
        }
    }
}

impl Tally {
    /// One request was sent, `lateness` after its scheduled time.
    pub fn record_sent(&mut self, lateness: Duration) {
        self.sent += 1;
        self.lateness.saturating_record(lateness.as_micros() as u64);
    }

    /// One request has ended, `latency` after its scheduled time.
    pub fn record(&mut self, outcome: Outcome, latency: Duration) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Late => self.late += 1,
            Outcome::Rejected => self.rejected += 1,
            Outcome::FailedStatus => self.failed_status += 1,
            Outcome::FailedSocket => self.failed_socket += 1,
        }
        if matches!(outcome, Outcome::Ok | Outcome::Late) {
            self.latency.saturating_record(latency.as_micros() as u64);
        }
    }

    /// Adds all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.ok += other.ok;
        self.late += other.late;
        self.rejected += other.rejected;
        self.failed_status += other.failed_status;
        self.failed_socket += other.failed_socket;
        self.shed_by_client += other.shed_by_client;
        self.latency.add(&other.latency).expect("same bounds");
        self.lateness.add(&other.lateness).expect("same bounds");
    }

    /// Failed in whatever way that is not an orderly rejection.
    pub fn failed(&self) -> u64 {
        self.failed_status + self.failed_socket
    }

    /// Sent and not (yet) ended.
    pub fn unanswered(&self) -> u64 {
        self.sent.saturating_sub(self.ok + self.late + self.rejected + self.failed())
    }

    /// Latency of good answers at `quantile` (0 to 1); `None` without any. Exact to 1 %.
    pub fn latency(&self, quantile: f64) -> Option<Duration> {
        at(&self.latency, quantile)
    }

    /// The generator's own lateness at `quantile` (0 to 1); `None` when nothing was sent. Exact to 1 %.
    pub fn lateness(&self, quantile: f64) -> Option<Duration> {
        at(&self.lateness, quantile)
    }
}

fn at(histogram: &Histogram<u64>, quantile: f64) -> Option<Duration> {
    (!histogram.is_empty()).then(|| Duration::from_micros(histogram.value_at_quantile(quantile)))
}

/// A tally that several parties may add to and read.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<Mutex<Tally>>);

impl Slot {
    /// Runs `change` on the tally.
    pub fn with<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut locked(&self.0))
    }

    /// The counts so far.
    pub fn snapshot(&self) -> Tally {
        self.with(|tally| tally.clone())
    }

    /// The counts so far, beginning anew.
    pub fn take(&self) -> Tally {
        self.with(std::mem::take)
    }
}

/// Locks; the data of a panicked holder are still counts, so they are used.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_count_and_only_good_answers_a_latency() {
        let mut tally = Tally::default();
        let all =
            [Outcome::Ok, Outcome::Late, Outcome::Rejected, Outcome::FailedStatus, Outcome::FailedSocket];
        for (i, outcome) in all.into_iter().enumerate() {
            tally.record_sent(Duration::from_micros(10));
            tally.record(outcome, Duration::from_millis(10 * (i as u64 + 1)));
        }
        assert_eq!(
            (tally.ok, tally.late, tally.rejected, tally.failed(), tally.unanswered()),
            (1, 1, 1, 2, 0)
        );
        assert_eq!(tally.latency(1.0).unwrap().as_millis(), 20);
        tally.record_sent(Duration::ZERO);
        assert_eq!(tally.unanswered(), 1);
    }

    #[test]
    fn nothing_measured_is_none_and_not_zero() {
        assert_eq!(Tally::default().latency(0.99), None);
        assert_eq!(Tally::default().lateness(0.99), None);
    }

    #[test]
    fn take_begins_anew_and_merge_restores_the_whole() {
        let slot = Slot::default();
        slot.with(|t| t.record(Outcome::Ok, Duration::from_secs(500)));
        let mut first = slot.take();
        slot.with(|t| t.record(Outcome::Ok, Duration::from_millis(1)));
        assert_eq!(slot.snapshot().ok, 1);
        first.merge(&slot.snapshot());
        assert_eq!(first.ok, 2);
        let longest = first.latency(1.0).unwrap();
        assert!(longest >= Duration::from_secs(119), "kept, as the longest that can be told: {longest:?}");
    }
}
