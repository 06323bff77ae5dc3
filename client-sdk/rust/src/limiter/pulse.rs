//! When it is, for calls that do not look at the clock.
//!
//! Two readings of the clock are four fifths of what a permit costs. With [`super::LimiterBuilder::sample_clocks`] only one
//! call in so many reads it, and what the sidecar learns stays true:
//!
//! | of a call that does not read | is |
//! |---|---|
//! | that it came, and how it ended | counted, exactly |
//! | the times of its admission and release | the last reading of its thread, moved on by the mean time between two of them there |
//! | its latency, when it succeeds | that of a success on its thread that was timed shortly before |
//!
//! The estimated times of the calls since a reading are an arithmetic series of which the counts are known. So a call that is
//! not timed counts itself and writes no time: whoever reads next adds the series up, the same way for a report and for good.
//! Only the time of its admission it takes along, for its own end.
//!
//! Every call adds its two times once, so the sums stay in step with the counts: the integral of calls in flight and their
//! total age cannot drift, and are off by no more than the errors of the few estimated times: a fraction of one call in flight
//! for each thread. The latencies counted are a fair draw of one in so many, each standing for some that end later, so means,
//! squares, the histogram and the late ones are unbiased; only their certainty is that of the calls that were timed. (Not for
//! those that end next: after a short call it takes longer until the next timed one ends, so short ones would count for more.)
//!
//! An estimate is only good while calls come fast. So a thread samples only when it had [`BUSY`] events or more in this slice
//! of 50 ms or the one before, and the first event of each slice reads the clock whatever happens: a thread that is slow, or
//! that comes back after a rest, is timed. The distance between readings is drawn by lot, since calls in step with it would
//! be judged by always the same one of them.

mod series;

use std::time::Duration;

use super::shard::{Claim, SQUARE_UNIT_MICROS, Shard, add, count, square_micros};
use super::thresholds::Thresholds;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering, scatter};
use series::Series;

/// Events (admissions and releases) of a thread in a slice from which on it samples: 2560 in a second.
const BUSY: u64 = 128;

/// Not that of a shard where no clock was read yet.
const FIRST_SLICE: u64 = 1;

/// A timed latency stands for untimed calls when so many more have been timed.
const STANDING_BY: usize = 4;

/// The time as one thread estimates it. All words are written under the shard's claim only; the first ones are looked at by
/// every call.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// The next reading is due when so many calls have been admitted.
    due: AtomicU64,
    /// The slice of the last reading.
    slice: AtomicU64,
    admissions: Series,
    /// What a success counts as that is not timed; 0: none was timed yet, and those that ended before will count as that one.
    latency: AtomicU64,
    releases: Series,
    /// Successes that have been added up. A report has the others in its sums all the same, the histogram and the late ones
    /// follow.
    added_up: AtomicU64,
    /// Of the successes timed last, in turn: a new one takes the place of the oldest.
    timed: [AtomicU64; STANDING_BY],
    successes: AtomicU64,
    /// Whether this slice or the one before is busy.
    busy: AtomicU64,
    /// Events there had been at the beginning of the slice.
    events_before: AtomicU64,
    /// Lots ever drawn, from which the next one is made.
    lots: AtomicU64,
}

/// What a limiter says about it. The request path passes a reference on: three words would be written first.
#[derive(Debug)]
pub(crate) struct Sampling {
    /// Slices of 50 ms since the start.
    slice: AtomicU64,
    /// One call in so many.
    every: u64,
    thresholds: Thresholds,
}

impl Sampling {
    /// 0 is the same as 1.
    pub fn new(every: u32, deadline: Option<Duration>) -> Self {
        let thresholds = Thresholds::new(deadline);
        Self { slice: AtomicU64::new(FIRST_SLICE), every: u64::from(every.max(1)), thresholds }
    }

    /// Whether every call reads the clock.
    #[inline]
    pub const fn is_off(&self) -> bool {
        self.every == 1
    }

    #[inline]
    pub const fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Begins the next slice.
    pub fn close_slice(&self) {
        self.slice.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn slice(&self) -> u64 {
        self.slice.load(Ordering::Relaxed)
    }
}

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

impl Pulse {
    #[inline]
    fn is_of(&self, slice: u64) -> bool {
        self.slice.load(Ordering::Relaxed) == slice
    }

    fn is_busy(&self, events: u64) -> bool {
        events.wrapping_sub(self.events_before.load(Ordering::Relaxed)) >= BUSY
    }

    #[inline]
    fn stand_by(&self, latency: u64) {
        let index = self.successes.load(Ordering::Relaxed) as usize;
        add(&self.successes, 1);
        self.timed[index % STANDING_BY].store(latency, Ordering::Relaxed);
        let oldest = self.timed[(index + 1) % STANDING_BY].load(Ordering::Relaxed);
        self.latency.store(if oldest == 0 { latency } else { oldest }, Ordering::Relaxed);
    }

    /// From 0 to twice `every`, less two: `every` in the mean, with the reading itself.
    fn lot(&self, every: u64) -> u64 {
        add(&self.lots, 1);
        // 31 bits; `every` has at most 32, so the product fits.
        let share = scatter(self.lots.load(Ordering::Relaxed)) >> 33;
        (share * (2 * every - 1)) >> 31
    }
}

#[cfg(all(test, setpoint_loom))]
impl Pulse {
    /// As it is after readings of an admission and of a release, with no other one due: calls are admitted at once, twice and
    /// so on that time, and released likewise.
    pub fn sampled(&self, admitted_at: u64, released_at: u64) {
        self.due.store(u64::MAX, Ordering::Relaxed);
        self.slice.store(FIRST_SLICE, Ordering::Relaxed);
        self.admissions.read(0, admitted_at);
        self.releases.read(0, released_at);
    }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests;
