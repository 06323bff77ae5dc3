//! What is done with the places of a limiter off the way of a request: changes of regime and of the limit.

use super::super::limits::{Limits, Regime};
use super::{BATCH, FEWEST_BATCHES, Places, Reader};
use crate::barrier;
use crate::sync::{Ordering, locked_modelled};

/// Looks at a shard that is being written to before it is passed over, about a microsecond.
const PATIENCE: usize = if cfg!(setpoint_loom) { 1 } else { 64 };

impl Places {
    /// Calls in flight now; with spare places about, as near as can be seen from outside.
    pub fn in_flight(&self) -> u64 {
        let spare = self.spare();
        self.gauge.taken().saturating_sub(spare)
    }

    /// The most that were in flight at once since the last call; up to an eighth of the limit more where there were spare
    /// places in between.
    pub fn take_peak(&self) -> u64 {
        let spare = self.spare();
        self.gauge.take_peak().saturating_sub(spare).max(self.in_flight())
    }

    pub(super) fn spare(&self) -> u64 {
        self.own.iter().map(|shard| shard.held.load(Ordering::Relaxed)).sum()
    }

    /// Chooses the regime for the next slice.
    pub fn close_slice(&self) {
        let _alone = locked_modelled(&self.upkeep);
        let rested = !self.gauge.take_tightened();
        match self.limits.regime() {
            Regime::SPARE if self.is_large() => {}
            Regime::SPARE => self.drain(),
            _ if rested && self.is_large() && self.is_roomy() => self.limits.set_regime(Regime::SPARE),
            // What threads held that were inside their shard at the time, and have not come back since.
            _ => self.take_back(),
        }
    }

    /// Puts a limit in force; see [`Limits::set`].
    pub fn change(&self, put: impl FnOnce(&Limits)) {
        put(&self.limits);
        let _alone = locked_modelled(&self.upkeep);
        if !self.is_large() {
            self.drain();
        }
    }

    /// Says that one more caller waits for a place; see [`super::queue`].
    pub fn begin_wait(&self) {
        self.limits.begin_wait();
        self.gauge.synchronize();
        if self.limits.largest_cap() >= FEWEST_BATCHES * BATCH {
            let _alone = locked_modelled(&self.upkeep);
            self.drain();
        }
    }

    /// The right to read all shards.
    pub fn reader(&self) -> Reader<'_> {
        Reader { places: self, _alone: locked_modelled(&self.upkeep) }
    }

    fn is_large(&self) -> bool {
        let threads = self.own.iter().filter(|shard| shard.used()).count() as u64;
        self.limits.largest_cap() >= FEWEST_BATCHES * BATCH * threads.max(1)
    }

    fn is_roomy(&self) -> bool {
        // Whoever began to wait before this is seen, whoever does later sees that the limit is large.
        self.gauge.synchronize();
        let largest = self.limits.largest_cap();
        self.gauge.has_room(0, largest - largest / 4) && !self.limits.awaited()
    }

    /// Goes over to the exact regime, unless somebody else is about to.
    pub(super) fn tighten(&self) {
        if self.limits.regime() == Regime::EXACT {
            return;
        }
        if let Ok(_alone) = self.upkeep.try_lock() {
            self.gauge.note_tightened();
            self.drain();
        }
    }

    /// Goes over to the exact regime and takes the spare places back.
    fn drain(&self) {
        if self.limits.regime() == Regime::SPARE {
            self.limits.set_regime(Regime::EXACT);
            // Failing that, the timer of the next slice will have gone through every processor.
            if barrier::heavy() {
                self.take_back();
            }
        }
    }

    /// In the exact regime: takes back what is held by threads that are not inside their shard.
    fn take_back(&self) {
        for shard in &self.own {
            // Whoever comes inside from now on sees the regime and does not use what it holds.
            if shard.held.load(Ordering::Relaxed) != 0 && shard.comes_to_rest(PATIENCE) {
                self.gauge.leave_unused(shard.held.swap(0, Ordering::AcqRel));
            }
        }
    }
}
