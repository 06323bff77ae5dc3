//! When it is, for calls that do not look at the clock.
//!
//! Two readings of the clock are four fifths of what a permit costs. With [`super::LimiterBuilder::sample_clocks`] only one
//! call in so many reads it, and what the sidecar learns stays true:
//!
//! | of a call that does not read | is |
//! |---|---|
//! | that it came, and how it ended | counted, exactly |
//! | the times of its admission and release | the last reading of its thread, moved on by the mean time between events there |
//! | its latency, when it succeeds | that of a success on its thread that was timed shortly before |
//!
//! Every call adds its two times once and takes the first one along, so the sums stay in step with the counts: the integral
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

use super::shard::{Claim, SQUARE_UNIT_MICROS, Shard, add, square_micros};
use super::thresholds::Thresholds;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering, scatter};

/// Events (admissions and releases) of a thread in a slice from which on it samples: 2560 in a second.
const BUSY: u64 = 128;
/// An estimate moves on by at most this for each event, nanoseconds: the mean at [`BUSY`].
const LONGEST_STEP: u64 = 50_000_000 / BUSY;

/// A timed latency stands for untimed calls when so many more have been timed.
const STANDING_BY: usize = 4;

/// The time as one thread estimates it. All words are written under the shard's claim only.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// The time now, as far as it is known.
    now: AtomicU64,
    /// The mean time from event to event.
    step: AtomicU64,
    /// The slice of the last reading.
    slice: AtomicU64,
    /// The next reading is due when so many calls have been admitted.
    due: AtomicU64,
    /// Successes that were not timed and have not been added up yet. A report has them in its sums all the same, the
    /// histogram and the late ones follow.
    repeats: AtomicU64,
    /// What each of them counts as; 0: none was timed yet.
    latency: AtomicU64,
    /// Of the successes timed last, in turn: a new one takes the place of the oldest.
    timed: [AtomicU64; STANDING_BY],
    successes: AtomicU64,
    read_at: AtomicU64,
    /// Events there had been at the last reading, and at the beginning of the slice.
    events_read: AtomicU64,
    events_before: AtomicU64,
    /// Whether the slice before was busy.
    was_busy: AtomicU64,
    /// Readings ever: what lots are drawn from.
    readings: AtomicU64,
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
    /// The time of an admission, and whether it was read.
    #[inline]
    pub fn estimated_admission(&self, sampling: &Sampling, clock: impl FnOnce() -> u64) -> (u64, bool) {
        let admitted = self.admitted.load(Ordering::Relaxed);
        if admitted < self.pulse.due.load(Ordering::Relaxed) && self.pulse.is_of(sampling.slice()) {
            return (self.pulse.estimate(), false);
        }
        (self.read(sampling, clock), true)
    }

    /// Counts the release of a call whose admission was read, as its release was.
    #[inline(never)]
    pub fn timed_release(&self, outcome: Outcome, admitted_at: u64, at: u64, sampling: &Sampling) {
        if self.pulse.is_of(sampling.slice()) {
            self.pulse.now.store(at, Ordering::Relaxed);
        } else {
            self.read(sampling, || at);
        }
        if outcome == Outcome::Success {
            // It counts as one of those that it ends; its own latency stands for later ones.
            let latency = at.wrapping_sub(admitted_at).max(1);
            if self.pulse.latency.load(Ordering::Relaxed) == 0 {
                self.pulse.stand_in(latency);
            }
            add(&self.pulse.repeats, 1);
            self.add_up(&sampling.thresholds);
            self.pulse.stand_by(latency);
        }
        self.end(outcome, admitted_at, at, &sampling.thresholds);
    }

    /// Counts the release of a call whose admission was not read.
    #[inline]
    pub fn estimated_release(
        &self,
        outcome: Outcome,
        admitted_at: u64,
        sampling: &Sampling,
        clock: impl FnOnce() -> u64,
    ) {
        let at = if self.pulse.is_of(sampling.slice()) {
            self.pulse.estimate()
        } else {
            self.read(sampling, clock)
        };
        if outcome == Outcome::Success {
            if self.pulse.latency.load(Ordering::Relaxed) == 0 {
                self.pulse.stand_in(at.saturating_sub(admitted_at));
            }
            add(&self.pulse.repeats, 1);
        }
        self.end(outcome, admitted_at, at, &sampling.thresholds);
    }

    /// Adds the successes up that count as the last timed one.
    fn add_up(&self, thresholds: &Thresholds) {
        let repeats = self.pulse.repeats.load(Ordering::Relaxed);
        if repeats != 0 {
            self.success(self.pulse.latency.load(Ordering::Relaxed), thresholds, repeats);
            self.pulse.repeats.store(0, Ordering::Relaxed);
        }
    }

    /// Takes a reading that is due. Not inlined, like all that is done for one call in so many.
    #[inline(never)]
    fn read(&self, sampling: &Sampling, clock: impl FnOnce() -> u64) -> u64 {
        let now = clock();
        let pulse = &self.pulse;
        self.reckon(now);
        let events = pulse.events_read.load(Ordering::Relaxed);
        let slice = pulse.slice.load(Ordering::Relaxed);
        if slice != sampling.slice() {
            let busy = slice.wrapping_add(1) == sampling.slice() && pulse.is_busy(events);
            // The histogram and the late ones are at most a slice behind.
            self.add_up(&sampling.thresholds);
            pulse.was_busy.store(busy.into(), Ordering::Relaxed);
            pulse.events_before.store(events, Ordering::Relaxed);
            pulse.slice.store(sampling.slice(), Ordering::Relaxed);
        }
        let busy = pulse.was_busy.load(Ordering::Relaxed) != 0 || pulse.is_busy(events);
        let untimed = if busy { pulse.lot(sampling.every) } else { 0 };
        // The one that is admitted with this reading comes on top.
        let due = self.admitted.load(Ordering::Relaxed).wrapping_add(1 + untimed);
        pulse.due.store(due, Ordering::Relaxed);
        now
    }

    /// Works out how fast events come, from those since the last reading.
    fn reckon(&self, now: u64) {
        let pulse = &self.pulse;
        let all = self.events();
        let events = all.wrapping_sub(pulse.events_read.load(Ordering::Relaxed)).wrapping_add(1);
        let since = now.saturating_sub(pulse.read_at.load(Ordering::Relaxed));
        pulse.step.store((since / events.max(1)).min(LONGEST_STEP), Ordering::Relaxed);
        pulse.events_read.store(all.wrapping_add(1), Ordering::Relaxed);
        pulse.read_at.store(now, Ordering::Relaxed);
        pulse.now.store(now, Ordering::Relaxed);
    }
}

impl Shard {
    /// What the successes that have not been added up yet make of the sum of latencies and of the squares.
    pub fn repeated(&self) -> (u64, u64) {
        let repeats = self.pulse.repeats.load(Ordering::Relaxed);
        let latency = self.pulse.latency.load(Ordering::Relaxed);
        (latency.wrapping_mul(repeats), square_micros(latency).saturating_mul(repeats) / SQUARE_UNIT_MICROS)
    }

    /// Admissions and releases here.
    fn events(&self) -> u64 {
        let counters = [&self.admitted, &self.completed, &self.dropped, &self.failed, &self.cancelled];
        counters.iter().fold(0, |sum, counter| sum.wrapping_add(counter.load(Ordering::Relaxed)))
    }
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
    fn estimate(&self) -> u64 {
        let now = self.now.load(Ordering::Relaxed).wrapping_add(self.step.load(Ordering::Relaxed));
        self.now.store(now, Ordering::Relaxed);
        now
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
        add(&self.readings, 1);
        // 31 bits; `every` has at most 32, so the product fits.
        let share = scatter(self.readings.load(Ordering::Relaxed)) >> 33;
        (share * (2 * every - 1)) >> 31
    }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests;
