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
//! Every call adds its two times once, so the sums stay in step with the counts: the integral
//! of calls in flight and their total age cannot drift, and are off by no more than the errors of the few estimated times:
//! a fraction of one call in flight for each thread. The
//! latencies counted are a fair draw of one in so many, each standing for some that end later, so means, squares, the
//! histogram and the late ones are unbiased; only their certainty is that of the calls that were timed. (Not for those that
//! end next: after a short call it takes longer until the next timed one ends, so short ones would count for more.)
//!
//! An estimate is only good while calls come fast. So a thread samples only when it had [`BUSY`] events or more in this slice
//! of 50 ms or the one before, and the first event of each slice reads the clock whatever happens: a thread that is slow, or
//! that comes back after a rest, is timed. The distance between readings is drawn by lot, since calls in step with it would
//! be judged by always the same one of them.

use std::time::Duration;

use super::shard::{Claim, SQUARE_UNIT_MICROS, Shard, add, count, square_micros};
use super::thresholds::Thresholds;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering, scatter};

/// Events (admissions and releases) of a thread in a slice from which on it samples: 2560 in a second.
const BUSY: u64 = 128;
/// An estimate moves on by at most this for each admission, and for each release, nanoseconds: the mean at [`BUSY`].
const LONGEST_STEP: u64 = 2 * 50_000_000 / BUSY;

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
    /// What a success counts as that is not timed; 0: none was timed yet.
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

/// Events of one kind, of which some that followed each other are taken to have been equally far apart.
#[derive(Debug, Default)]
struct Series {
    /// When number 0 would have been.
    origin: AtomicU64,
    step: AtomicU64,
    /// The number of the first one whose time is in no sum yet.
    first: AtomicU64,
    /// When the last one was timed.
    timed_at: AtomicU64,
}

impl Series {
    /// The estimated time of one of them.
    #[inline]
    fn time(&self, number: u64) -> u64 {
        let [origin, step] = [&self.origin, &self.step].map(|word| word.load(Ordering::Relaxed));
        origin.wrapping_add(step.wrapping_mul(number))
    }

    /// The sum of the times that are in no sum yet, when there have been so many in all.
    #[inline]
    fn pending(&self, count: u64) -> u64 {
        let first = self.first.load(Ordering::Relaxed);
        let pending = count.wrapping_sub(first);
        // Where so many are pending that this wraps, no clock is ever sampled and the step is zero.
        let steps = pending.wrapping_mul(pending.wrapping_sub(1)) / 2;
        let steps = self.step.load(Ordering::Relaxed).wrapping_mul(steps);
        self.time(first).wrapping_mul(pending).wrapping_add(steps)
    }

    /// Number `count` is at that time, and what came since the last reading tells how far apart the next ones will be. Gives
    /// the sum of the times that were pending.
    #[inline]
    fn read(&self, count: u64, at: u64) -> u64 {
        let pending = self.pending(count);
        let events = count.wrapping_sub(self.first.load(Ordering::Relaxed)).wrapping_add(1);
        let passed = at.saturating_sub(self.timed_at.load(Ordering::Relaxed));
        let step = (passed / events.max(1)).min(LONGEST_STEP);
        self.origin.store(at.wrapping_sub(step.wrapping_mul(count)), Ordering::Relaxed);
        self.step.store(step, Ordering::Relaxed);
        self.first.store(count, Ordering::Relaxed);
        self.timed_at.store(at, Ordering::Relaxed);
        pending
    }
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
        Self { slice: AtomicU64::new(0), every: u64::from(every.max(1)), thresholds }
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
    /// Counts an admission. Gives its time, and whether that was read.
    #[inline(always)]
    pub fn sampled_admission(&self, sampling: &Sampling, clock: impl FnOnce() -> u64) -> (u64, bool) {
        let admitted = self.admitted.load(Ordering::Relaxed);
        if admitted < self.pulse.due.load(Ordering::Relaxed) && self.pulse.is_of(sampling.slice()) {
            let at = self.pulse.admissions.time(admitted);
            count(&self.admitted);
            return (at, false);
        }
        (self.0.timed_admission(sampling, clock), true)
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
                self.pulse.stand_in(latency);
            }
            self.add_up(&sampling.thresholds, 1);
            self.pulse.stand_by(latency);
        }
        // This one is in the sums with its own time.
        add(&self.pulse.releases.first, 1);
        self.end(outcome, admitted_at, at, &sampling.thresholds);
    }

    /// Counts the release of a call whose admission was not read.
    #[inline(always)]
    pub fn estimated_release(
        &self,
        outcome: Outcome,
        admitted_at: u64,
        sampling: &Sampling,
        clock: impl FnOnce() -> u64,
    ) {
        if !self.pulse.is_of(sampling.slice()) {
            self.begin_slice(sampling, clock());
        }
        // Its release is pending.
        add(&self.latency_sum, admitted_at.wrapping_neg());
        if outcome == Outcome::Success && self.pulse.latency.load(Ordering::Relaxed) != 0 {
            count(&self.completed);
        } else {
            self.0.estimated_exception(outcome, admitted_at, &sampling.thresholds);
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
        add(&self.pulse.admissions.first, 1);
        add(&self.admit_time_sum, at);
        count(&self.admitted);
        at
    }

    /// The rest of an untimed release that is no success, or the first one.
    #[cold]
    fn estimated_exception(&self, outcome: Outcome, admitted_at: u64, thresholds: &Thresholds) {
        let latency = self.pulse.releases.time(self.released()).saturating_sub(admitted_at);
        if outcome == Outcome::Success {
            self.pulse.stand_in(latency);
        } else {
            thresholds.count_failure(self, outcome, latency);
        }
        count(self.ended(outcome));
    }

    /// Adds the successes up that count as the last timed one, and so many more.
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

    /// What is in no sum yet.
    pub fn pending(&self) -> Pending {
        let repeats = self.repeats();
        let latency = self.pulse.latency.load(Ordering::Relaxed);
        Pending {
            admit_times: self.pulse.admissions.pending(self.admitted.load(Ordering::Relaxed)),
            release_times: self.pulse.releases.pending(self.released()),
            latencies: latency.wrapping_mul(repeats),
            squares: square_micros(latency).saturating_mul(repeats) / SQUARE_UNIT_MICROS,
        }
    }

    /// Successes that were not timed and have not been added up.
    fn repeats(&self) -> u64 {
        self.completed.load(Ordering::Relaxed).wrapping_sub(self.pulse.added_up.load(Ordering::Relaxed))
    }
}

/// What calls whose times are estimated add to the sums of a shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub admit_times: u64,
    pub release_times: u64,
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

    /// Where no success was timed yet.
    #[cold]
    fn stand_in(&self, latency: u64) {
        self.stand_by(latency.max(1));
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

#[cfg(all(test, not(setpoint_loom)))]
mod tests;
