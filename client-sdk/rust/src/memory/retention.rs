//! How long freed memory is kept: a pure decision out of the pushed budget and what the allocator holds.
//!
//! An allocator keeps what is freed because asking the system again costs time. That is the right thing until memory is
//! short, and then the wrong one: what nobody uses is charged to the container, and the kernel kills for it. So the time for
//! which freed memory is kept follows the share of the budget that is in RAM.
//!
//! | pressure | from | until | freed memory is kept for |
//! |---|---|---|---|
//! | normal | | | as long as when the process started |
//! | watch | 75 % of the budget | below 65 % for 10 s | 1 s |
//! | shed | 90 % of the budget | below 80 % for 10 s | no time, and what is there is given back |
//!
//! Giving back takes locks and costs page faults later, so it happens at most every 30 s: while memory is shed and a twentieth of
//! the budget is there to give, or when the sidecar asks for it. Without a budget (no lease, switched off) everything is as
//! at the start, at once. Where the allocator does not say what it holds, a step down is due after the same ten seconds.

use std::time::Duration;

use setpoint_policies::envelope::GcTarget;

use super::HeapUse;

const WATCH: f64 = 0.75;
const WATCH_ENDS: f64 = 0.65;
const SHED: f64 = 0.90;
const SHED_ENDS: f64 = 0.80;
const QUIET: Duration = Duration::from_secs(10);
const KEPT_IN_WATCH: Duration = Duration::from_secs(1);
const GIVE_BACK_EVERY: Duration = Duration::from_secs(30);
/// Of the budget: less is not worth the locks.
const WORTH_IT: f64 = 0.05;

/// How hard memory presses, for caches that want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MemoryPressure {
    /// There is room, or nothing was pushed.
    #[default]
    Normal,
    /// Most of the budget is in RAM.
    Watch,
    /// Nearly all of it is.
    Shed,
}

impl MemoryPressure {
    const fn keep(self) -> Option<Duration> {
        match self {
            Self::Normal => None,
            Self::Watch => Some(KEPT_IN_WATCH),
            Self::Shed => Some(Duration::ZERO),
        }
    }
}

/// What to ask of the allocator now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orders {
    /// Something new is to be kept for.
    pub keep: Option<Option<Duration>>,
    pub give_back: bool,
}

/// The decision, and what it remembers.
#[derive(Debug, Default)]
pub(super) struct Retention {
    pressure: MemoryPressure,
    quiet_since: Option<Duration>,
    given_back: Option<Duration>,
    /// The sidecar asks for pages: what it said last, and whether that is still to be done.
    asked: bool,
    owed: bool,
}

impl Retention {
    pub(super) const fn pressure(&self) -> MemoryPressure {
        self.pressure
    }

    /// Looks at the time `now` since the start.
    pub(super) fn look(&mut self, now: Duration, target: Option<&GcTarget>, heap: Option<HeapUse>) -> Orders {
        let before = self.pressure.keep();
        let budget = target.and_then(|target| target.budget_bytes.or(target.memory_limit_bytes));
        let Some(budget) = budget.filter(|budget| *budget > 0) else {
            *self = Self { given_back: self.given_back, ..Self::default() };
            return Orders { keep: before.map(|_| None), give_back: false };
        };
        self.judge(now, heap.map(|heap| heap.resident_bytes as f64 / budget as f64));
        let asks = target.is_some_and(|target| target.return_memory);
        self.owed = asks && (self.owed || !self.asked);
        self.asked = asks;
        let keep = self.pressure.keep();
        let give_back = self.is_time_to_give(now, budget, heap);
        Orders { keep: (keep != before).then_some(keep), give_back }
    }

    /// Up at once, down by one after ten quiet seconds.
    fn judge(&mut self, now: Duration, ratio: Option<f64>) {
        use MemoryPressure::{Normal, Shed, Watch};
        let pressing = match ratio {
            Some(ratio) if ratio > SHED => Shed,
            Some(ratio) if ratio > WATCH => Watch,
            _ => Normal,
        };
        let (ends, below) = match self.pressure {
            Shed => (SHED_ENDS, Watch),
            Normal | Watch => (WATCH_ENDS, Normal),
        };
        if pressing > self.pressure {
            (self.pressure, self.quiet_since) = (pressing, None);
        } else if ratio.is_some_and(|ratio| ratio >= ends) {
            self.quiet_since = None;
        } else if now.saturating_sub(*self.quiet_since.get_or_insert(now)) >= QUIET {
            (self.pressure, self.quiet_since) = (below, None);
        }
    }

    fn is_time_to_give(&mut self, now: Duration, budget: u64, heap: Option<HeapUse>) -> bool {
        let worth_it = heap.is_none_or(|heap| heap.kept_bytes() as f64 > WORTH_IT * budget as f64);
        let wanted = self.owed || (self.pressure == MemoryPressure::Shed && worth_it);
        let long_ago = self.given_back.is_none_or(|at| now.saturating_sub(at) >= GIVE_BACK_EVERY);
        if wanted && long_ago {
            (self.given_back, self.owed) = (Some(now), false);
        }
        wanted && long_ago
    }
}

#[cfg(test)]
mod tests;
