//! What a limiter did in the last [`WINDOW`], from counters that only grow.

use std::collections::VecDeque;

use super::WINDOW;
use crate::time::Timestamp;
use crate::totals::Totals;

/// The counters of one instant, as far as they are needed.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Timestamp,
    completed: u64,
    dropped: u64,
    rejected: u64,
}

/// What happened in the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recent {
    pub(super) seconds: f64,
    pub(super) completed: u64,
    pub(super) dropped: u64,
    pub(super) rejected: u64,
}

/// Counters of late, oldest first; the first ones are at least [`WINDOW`] old once there have been enough.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks(VecDeque<Mark>);

impl Marks {
    /// Whether nothing was taken in for so long that the last ones say nothing about now.
    pub(super) fn is_gap(&self, now: Timestamp) -> bool {
        self.0.back().is_some_and(|last| now.since(last.at) > WINDOW)
    }

    /// Takes the counters in. `None` until there is a window.
    pub(super) fn take(&mut self, now: Timestamp, totals: &Totals) -> Option<Recent> {
        let rejected = totals.rejected.iter().fold(0, |sum: u64, n| sum.wrapping_add(*n));
        let mark = Mark { at: now, completed: totals.completed, dropped: totals.dropped, rejected };
        while self.0.get(1).is_some_and(|second| now.since(second.at) >= WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back(mark);
        let first = self.0.front().filter(|first| now.since(first.at) >= WINDOW)?;
        Some(Recent {
            seconds: now.since(first.at).as_secs_f64(),
            completed: mark.completed.wrapping_sub(first.completed),
            dropped: mark.dropped.wrapping_sub(first.dropped),
            rejected: mark.rejected.wrapping_sub(first.rejected),
        })
    }
}
