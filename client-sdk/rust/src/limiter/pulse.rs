//! When it is, for calls that do not look at the clock.
//!
//! Two readings of the clock are four fifths of what a permit costs. With [`super::LimiterBuilder::sample_clocks`] only one
//! call in so many reads it, and what the sidecar learns stays true:
//!
//! | of a call that does not read | is |
//! |---|---|
//! | that it came, and how it ended | counted, exactly |
//! | the times of its admission and release | the last reading of its thread, moved on by the mean time between events there |
//! | its latency, when it succeeds | that of the last success on its thread that was timed |
//!
//! Every call adds its two times once and takes the first one along, so the sums stay in step with the counts: the integral
//! of calls in flight and their total age cannot drift, and are off by at most the errors of the few estimated times. The
//! latencies counted are a fair draw of one in so many, each standing for those after it, so means, squares, the histogram
//! and the late ones are unbiased; only their certainty is that of the calls that were timed.
//!
//! An estimate is only good while calls come fast. So a thread samples only in a slice of 50 ms that follows one in which it
//! had [`BUSY`] events or more, and the first event of each slice reads the clock whatever happens: a thread that is slow, or
//! that comes back after a rest, is always timed. The distance between readings is drawn by lot, since calls in step with it
//! would be judged by always the same one of them.

use super::shard::add;
use crate::sync::{AtomicU64, Ordering, scatter};

/// Events (admissions and releases) of a thread in a slice for it to sample in the next: 2560 in a second.
const BUSY: u64 = 128;
/// An estimate moves on by at most this for each event, nanoseconds: the mean at [`BUSY`].
const LONGEST_STEP: u64 = 50_000_000 / BUSY;

/// The time as one thread estimates it. All words are written under the shard's claim only.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Calls that may still be admitted without a reading.
    left: AtomicU64,
    /// The slice of the last reading.
    slice: AtomicU64,
    /// The time now, as far as it is known.
    now: AtomicU64,
    /// The mean time from event to event.
    step: AtomicU64,
    /// Events since the last reading.
    unread: AtomicU64,
    read_at: AtomicU64,
    /// Events since the slice began.
    events: AtomicU64,
    /// Calls for one reading in this slice.
    stride: AtomicU64,
    /// Readings ever: what lots are drawn from.
    readings: AtomicU64,
    /// That of the last success that was timed; 0: none was.
    latency: AtomicU64,
}

impl Pulse {
    /// The time of an admission, and whether it was read.
    #[inline]
    pub fn admission(&self, slice: u64, every: u64, clock: impl FnOnce() -> u64) -> (u64, bool) {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 || self.slice.load(Ordering::Relaxed) != slice {
            return (self.read(slice, every, clock()), true);
        }
        self.left.store(left - 1, Ordering::Relaxed);
        (self.estimate(), false)
    }

    /// The time of the release of a call whose admission was not read, and the latency that it counts as in a success.
    #[inline]
    pub fn released(
        &self,
        slice: u64,
        every: u64,
        admitted_at: u64,
        clock: impl FnOnce() -> u64,
    ) -> (u64, u64) {
        let at = if self.slice.load(Ordering::Relaxed) == slice {
            self.estimate()
        } else {
            self.read(slice, every, clock())
        };
        match self.latency.load(Ordering::Relaxed) {
            0 => (at, at.saturating_sub(admitted_at)),
            timed => (at, timed),
        }
    }

    /// Takes note of a reading that had to be made: the release of a call whose admission was read.
    #[inline]
    pub fn saw(&self, slice: u64, every: u64, now: u64) {
        if self.slice.load(Ordering::Relaxed) == slice {
            self.set(now);
        } else {
            self.read(slice, every, now);
        }
    }

    /// Takes note of the latency of a success that was timed.
    #[inline]
    pub fn timed(&self, latency: u64) {
        self.latency.store(latency.max(1), Ordering::Relaxed);
    }

    #[inline]
    fn estimate(&self) -> u64 {
        add(&self.unread, 1);
        add(&self.now, self.step.load(Ordering::Relaxed));
        self.now.load(Ordering::Relaxed)
    }

    fn set(&self, now: u64) {
        let events = self.unread.load(Ordering::Relaxed) + 1;
        let since = now.saturating_sub(self.read_at.load(Ordering::Relaxed));
        self.step.store((since / events).min(LONGEST_STEP), Ordering::Relaxed);
        self.read_at.store(now, Ordering::Relaxed);
        self.now.store(now, Ordering::Relaxed);
        self.unread.store(0, Ordering::Relaxed);
        add(&self.events, events);
    }

    fn read(&self, slice: u64, every: u64, now: u64) -> u64 {
        self.set(now);
        if self.slice.load(Ordering::Relaxed) != slice {
            let follows = self.slice.load(Ordering::Relaxed).wrapping_add(1) == slice;
            let busy = follows && self.events.load(Ordering::Relaxed) >= BUSY;
            self.stride.store(if busy { every } else { 1 }, Ordering::Relaxed);
            self.events.store(0, Ordering::Relaxed);
            self.slice.store(slice, Ordering::Relaxed);
        }
        add(&self.readings, 1);
        // From 0 to twice the stride, less one: the stride in the mean, with the reading itself.
        let stride = self.stride.load(Ordering::Relaxed);
        let lot = scatter(self.readings.load(Ordering::Relaxed)) % (2 * stride).saturating_sub(1).max(1);
        self.left.store(lot, Ordering::Relaxed);
        now
    }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests;
