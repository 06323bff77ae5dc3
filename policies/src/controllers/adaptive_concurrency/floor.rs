//! The latency floor: how long a call takes that does not wait.
//!
//! The smallest mean over blocks of calls, of those seen in the last minute without overload. A mean of many calls, because
//! the minimum of single latencies is that of the smallest request; the smallest of several, because a mean of all includes
//! the waiting of busy times. In overload nothing is forgotten: the floor cannot be seen there, and a law that lets it
//! age takes the queue for the floor after a while.

use std::collections::VecDeque;

use super::sample::Sample;

/// Calls in a block ...
const CALLS: f64 = 150.0;
/// ... or so many, when that takes longer than [`SLOW`].
const FEW_CALLS: f64 = 60.0;
const SLOW: f64 = 3.0;
/// The very first block may be smaller, so that a quiet service has a floor at all.
const FIRST_CALLS: f64 = 20.0;
const SHORTEST: f64 = 1.0;
/// Calls that end in the first half second are the short ones.
const START: f64 = 0.5;
const REMEMBERED: f64 = 60.0;
/// Seconds without overload after which it is no queue.
const CERTAIN: f64 = 1.0;
const BLOCKS: usize = 400;

#[derive(Debug, Default)]
pub(super) struct Floor {
    /// Seconds without overload at its end, mean latency.
    blocks: VecDeque<(f64, f64)>,
    open: Block,
    /// Seconds without overload so far.
    calm: f64,
    seconds: f64,
    latency: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Block {
    seconds: f64,
    calls: f64,
    latency_sum: f64,
}

impl Floor {
    /// Seconds; `None` while too few calls have ended.
    pub(super) const fn latency(&self) -> Option<f64> {
        self.latency
    }

    /// Whether it was seen without overload; if not, it may be a queue that has stood since the start.
    pub(super) fn is_certain(&self) -> bool {
        self.calm >= CERTAIN
    }

    /// Takes a sample; `calm`: without overload.
    pub(super) fn see(&mut self, sample: &Sample, calm: bool) {
        self.seconds += sample.seconds;
        if self.seconds <= START {
            return;
        }
        if calm {
            self.calm += sample.seconds;
        }
        self.open.seconds += sample.seconds;
        self.open.calls += sample.answered;
        self.open.latency_sum += sample.latency_sum;
        let Block { seconds, calls, latency_sum } = self.open;
        let full = calls >= CALLS
            || (calls >= FEW_CALLS && seconds >= SLOW)
            || (calls >= FIRST_CALLS && self.blocks.is_empty());
        if full && seconds >= SHORTEST {
            self.open = Block::default();
            self.push(latency_sum / calls);
        }
    }

    fn push(&mut self, latency: f64) {
        self.blocks.push_back((self.calm, latency));
        while self.blocks.len() > BLOCKS
            || (self.blocks.len() > 1
                && self.blocks.front().is_some_and(|(at, _)| self.calm - at > REMEMBERED))
        {
            self.blocks.pop_front();
        }
        self.latency = self.blocks.iter().map(|(_, latency)| *latency).min_by(f64::total_cmp);
    }
}
