//! How many are inside: one word that is changed by compare-and-swap.

use crate::sync::{AtomicU64, Ordering};

/// How many have come and gone, and how many may be inside. Counters that only grow: a report of them is never behind
/// an earlier one.
#[derive(Debug)]
pub(super) struct Count {
    entered: AtomicU64,
    left: AtomicU64,
    limit: AtomicU64,
    peak: AtomicU64,
}

impl Count {
    pub(super) fn new(limit: u64) -> Self {
        let [entered, left, peak] = [0; 3].map(AtomicU64::new);
        Self { entered, left, limit: AtomicU64::new(limit), peak }
    }

    /// One more, unless as many are inside as may be, but for `reserve`.
    pub(super) fn enter(&self, reserve: u64) -> bool {
        let mut entered = self.entered.load(Ordering::Acquire);
        let inside = loop {
            // Looked at first or not, those who have left since only make room.
            let inside = entered.wrapping_sub(self.left.load(Ordering::Acquire));
            if inside >= self.limit.load(Ordering::Acquire).saturating_sub(reserve) {
                return false;
            }
            let next = entered.wrapping_add(1);
            match self.entered.compare_exchange_weak(entered, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break inside,
                Err(found) => entered = found,
            }
        };
        self.peak.fetch_max(inside + 1, Ordering::Relaxed);
        true
    }

    pub(super) fn leave(&self) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    /// Who came and who left, who left first.
    pub(super) fn come_and_gone(&self) -> (u64, u64) {
        let left = self.left.load(Ordering::Acquire);
        (self.entered.load(Ordering::Acquire), left)
    }

    pub(super) fn inside(&self) -> u64 {
        let (entered, left) = self.come_and_gone();
        entered.wrapping_sub(left)
    }

    /// So many may be inside from now on. Whether that is more than before.
    pub(super) fn limit(&self, limit: u64) -> bool {
        limit > self.limit.swap(limit, Ordering::AcqRel)
    }

    /// The most that were inside since this was asked last.
    pub(super) fn take_peak(&self) -> u64 {
        self.peak.swap(self.inside(), Ordering::Relaxed)
    }
}
