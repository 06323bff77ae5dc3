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

mod counting;
mod sampling;
mod series;

use super::shard::add;
use crate::sync::{AtomicU64, Ordering, scatter};
pub(crate) use sampling::Sampling;
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
