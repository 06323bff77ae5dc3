//! Counters to rates.
//!
//! Why not "per tick": ticks are late exactly when the machine is in trouble, so every rate divides by the time that really passed
//! between two readings. Why not the kernel's own averages: see [`crate::parse::psi`]. A ring of readings gives any span up to
//! its length from one set of readings; it keeps at most one reading per [`SPACING`], so its length in time does
//! not depend on how often the caller looks, while the newest reading always counts.

use std::collections::VecDeque;
use std::time::Duration;

/// How many readings are kept.
const READINGS: usize = 128;

/// The least distance between two kept readings: 128 of them cover 10.2 s.
const SPACING: Duration = Duration::from_millis(80);

/// The least span over which a rate is given; less is mostly the grain of the counters.
const LEAST_SPAN: Duration = Duration::from_millis(300);

/// The history of `N` counters that are read together.
#[derive(Clone, Debug)]
pub struct Window<const N: usize> {
    kept: VecDeque<Reading<N>>,
    newest: Option<Reading<N>>,
}

#[derive(Clone, Copy, Debug)]
struct Reading<const N: usize> {
    at: Duration,
    totals: [u64; N],
}

/// By how much the counters grew, and in how much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth<const N: usize> {
    /// The time that really passed, at least 300 ms.
    pub over: Duration,
    /// The growth of each counter.
    pub by: [u64; N],
}

impl<const N: usize> Growth<N> {
    /// Growth of counter `index` per second, in the counter's unit.
    pub fn per_second(&self, index: usize) -> f64 {
        self.by[index] as f64 / self.over.as_secs_f64()
    }
}

impl<const N: usize> Window<N> {
    /// An empty history; allocates all that it will ever use.
    pub fn new() -> Self {
        Self { kept: VecDeque::with_capacity(READINGS), newest: None }
    }

    /// Adds a reading, or with `None` that it failed, which forgets the history: what comes after may count something else.
    ///
    /// A counter below its previous value means that whatever was counted is a new one (a group made again under the same
    /// name), and a time before the previous one that the caller's clock is; both restart the history.
    pub fn push(&mut self, at: Duration, totals: Option<[u64; N]>) {
        let Some(totals) = totals else { return self.clear() };
        let backwards =
            |last: Reading<N>| at < last.at || totals.iter().zip(last.totals).any(|(new, old)| *new < old);
        if self.newest.is_some_and(backwards) {
            self.clear();
        }
        let reading = Reading { at, totals };
        self.newest = Some(reading);
        if self.kept.back().is_some_and(|last| at - last.at < SPACING) {
            return;
        }
        if self.kept.len() == READINGS {
            self.kept.pop_front();
        }
        self.kept.push_back(reading);
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.newest = None;
    }

    /// Growth over the last `span` up to the newest reading; `None` until there are 300 ms of history. Over less than `span` while the
    /// history is young, and over more when the caller has paused for longer than that.
    pub fn growth(&self, span: Duration) -> Option<Growth<N>> {
        let newest = self.newest?;
        let age = |reading: &Reading<N>| newest.at - reading.at;
        let first_inside = self.kept.partition_point(|reading| age(reading) > span);
        let oldest_inside = self.kept.get(first_inside).filter(|reading| age(reading) >= LEAST_SPAN);
        let base = oldest_inside.or_else(|| self.kept.get(first_inside.checked_sub(1)?))?;
        let by = std::array::from_fn(|index| newest.totals[index] - base.totals[index]);
        Some(Growth { over: age(base), by })
    }
}

impl<const N: usize> Default for Window<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A time as a counter of whole microseconds, the grain of the kernel's totals.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
