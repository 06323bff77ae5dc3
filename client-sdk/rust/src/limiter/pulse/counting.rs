//! How a call is counted whose times are read, and how one whose times are not.

use super::Sampling;
use crate::limiter::shard::{Claim, SQUARE_UNIT_MICROS, Shard, add, count, square_micros};
use crate::limiter::thresholds::Thresholds;
use crate::outcome::Outcome;
use crate::sync::Ordering;

impl Claim<'_> {
    /// Counts an admission that is not to be timed, and gives its time; `None`: it is to be, and nothing was counted.
    #[inline(always)]
    pub fn untimed_admission(&self, sampling: &Sampling) -> Option<u64> {
        let admitted = self.admitted.load(Ordering::Relaxed);
        // Where no clock is sampled none is ever due later.
        let untimed = admitted < self.pulse.due.load(Ordering::Relaxed) && self.pulse.is_of(sampling.slice());
        untimed.then(|| {
            count(&self.admitted);
            self.pulse.admissions.time(admitted)
        })
    }

    /// Counts an admission that is timed. Not inlined, like all that is done for one call in so many.
    #[inline(always)]
    pub fn timed_admission(&self, sampling: &Sampling, clock: impl FnOnce() -> u64) -> u64 {
        self.0.timed_admission(sampling, clock)
    }

    /// Counts the release of a call whose admission was read, as its release was.
    #[inline]
    pub fn timed_release(&self, outcome: Outcome, admitted_at: u64, at: u64, sampling: &Sampling) {
        if self.pulse.is_of(sampling.slice()) {
            self.read_release(at);
        } else {
            self.begin_slice(sampling, at);
        }
        if outcome == Outcome::Success {
            // It counts as one of those that it ends; its own latency stands for later ones.
            let latency = at.wrapping_sub(admitted_at).max(1);
            if self.pulse.latency.load(Ordering::Relaxed) == 0 {
                self.pulse.latency.store(latency, Ordering::Relaxed);
            }
            self.add_up(&sampling.thresholds, 1);
            self.pulse.stand_by(latency);
        }
        // This one is in the sums with its own time.
        self.pulse.releases.skip();
        self.end(outcome, admitted_at, at, &sampling.thresholds);
    }

    /// Counts the release of a call whose admission was not read.
    #[inline(always)]
    pub fn untimed_release(
        &self,
        outcome: Outcome,
        admitted_at: u64,
        sampling: &Sampling,
        clock: impl FnOnce() -> u64,
    ) {
        if !self.pulse.is_of(sampling.slice()) {
            self.begin_slice(sampling, clock());
        }
        // The time of its release is pending.
        add(&self.latency_sum, admitted_at.wrapping_neg());
        if outcome == Outcome::Success {
            count(&self.completed);
        } else {
            self.untimed_failure(outcome, admitted_at, &sampling.thresholds);
        }
    }
}

/// What is done for one call in so many, under the claim of the caller. Not inlined, and given no more than fits into
/// registers, so that those who need none of it keep theirs.
impl Shard {
    #[inline(never)]
    fn timed_admission(&self, sampling: &Sampling, clock: impl FnOnce() -> u64) -> u64 {
        let at = clock();
        if self.pulse.is_of(sampling.slice()) {
            self.read_admission(at);
            self.draw(sampling);
        } else {
            self.begin_slice(sampling, at);
        }
        // This one is in the sums with its own time.
        self.pulse.admissions.skip();
        add(&self.admit_time_sum, at);
        count(&self.admitted);
        at
    }

    #[cold]
    fn untimed_failure(&self, outcome: Outcome, admitted_at: u64, thresholds: &Thresholds) {
        let at = self.pulse.releases.time(self.released());
        thresholds.count_failure(self, outcome, at.saturating_sub(admitted_at));
        count(self.ended(outcome));
    }

    /// Adds the successes up that count as the last timed one, and so many more.
    #[inline]
    fn add_up(&self, thresholds: &Thresholds, more: u64) {
        let repeats = self.repeats().wrapping_add(more);
        let latency = self.pulse.latency.load(Ordering::Relaxed);
        if repeats != 0 && latency != 0 {
            self.success(latency, thresholds, repeats);
            add(&self.pulse.added_up, repeats);
        }
    }

    /// Adds up the admissions of which the times are estimated; the next ones go on from here.
    #[inline]
    fn read_admission(&self, at: u64) {
        add(&self.admit_time_sum, self.pulse.admissions.read(self.admitted.load(Ordering::Relaxed), at));
    }

    /// The same for releases.
    #[inline]
    fn read_release(&self, at: u64) {
        let pending = self.pulse.releases.read(self.released(), at);
        add(&self.release_time_sum, pending);
        add(&self.latency_sum, pending);
    }

    /// The first event in a slice: goes on from here with everything.
    #[cold]
    fn begin_slice(&self, sampling: &Sampling, at: u64) {
        let (pulse, events) = (&self.pulse, self.events());
        let next = pulse.slice.load(Ordering::Relaxed).wrapping_add(1) == sampling.slice();
        let busy = next && pulse.is_busy(events);
        pulse.busy.store(busy.into(), Ordering::Relaxed);
        pulse.events_before.store(events, Ordering::Relaxed);
        pulse.slice.store(sampling.slice(), Ordering::Relaxed);
        // The histogram and the late ones are at most a slice behind.
        self.add_up(&sampling.thresholds, 0);
        self.read_admission(at);
        self.read_release(at);
        self.draw(sampling);
    }

    /// Draws which admission is the next one to be timed.
    #[inline]
    fn draw(&self, sampling: &Sampling) {
        let pulse = &self.pulse;
        if pulse.busy.load(Ordering::Relaxed) == 0 {
            pulse.busy.store(pulse.is_busy(self.events()).into(), Ordering::Relaxed);
        }
        let busy = pulse.busy.load(Ordering::Relaxed) != 0;
        let untimed = if busy { pulse.lot(sampling.every) } else { 0 };
        // The one that is admitted now comes on top.
        let due = self.admitted.load(Ordering::Relaxed).wrapping_add(1 + untimed);
        pulse.due.store(due, Ordering::Relaxed);
    }

    /// The times of admissions that are in no sum yet.
    pub fn pending_admissions(&self) -> u64 {
        self.pulse.admissions.pending(self.admitted.load(Ordering::Relaxed))
    }

    /// What of releases is in no sum yet.
    pub fn pending_releases(&self) -> Pending {
        let repeats = self.repeats();
        let latency = self.pulse.latency.load(Ordering::Relaxed);
        Pending {
            times: self.pulse.releases.pending(self.released()),
            latencies: latency.wrapping_mul(repeats),
            squares: square_micros(latency).saturating_mul(repeats) / SQUARE_UNIT_MICROS,
        }
    }

    /// Successes that were not timed and have not been added up.
    fn repeats(&self) -> u64 {
        self.completed.load(Ordering::Relaxed).wrapping_sub(self.pulse.added_up.load(Ordering::Relaxed))
    }
}

/// What calls whose release was not timed add to the sums of a shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub times: u64,
    pub latencies: u64,
    pub squares: u64,
}
