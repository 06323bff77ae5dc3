//! jemalloc: how long it keeps what is freed, and giving it back.
//!
//! Four traps, each of which makes a setting look done that is not:
//!
//! - The process may use another allocator although jemalloc is linked in: then all calls succeed and nothing happens.
//!   [`Jemalloc::of_this_process`] allocates and looks whether jemalloc has counted it.
//! - `arenas.dirty_decay_ms` is for arenas that come later. The present ones have settings of their own, each.
//! - Arenas that were never used refuse theirs. That is no error.
//! - `arena.N.purge` takes no value, which a safe write cannot express. A decay time of zero gives back everything at once
//!   as well, and then the time before is put back.
//!
//! One is left: time passes for an arena only while its threads allocate, so what an idle thread has freed stays. With
//! [`Jemalloc::with_background_thread`] a thread of jemalloc's looks after that.

use std::hint::black_box;
use std::time::Duration;

use tikv_jemalloc_ctl::{Access, AsName, background_thread, epoch, stats, thread};
/// The allocator that this controls, of the same version: make it the process's with `#[global_allocator]`.
pub use tikv_jemallocator::Jemalloc as GlobalJemalloc;

use super::HeapUse;

const PROBE_BYTES: usize = 64 * 1024;

/// jemalloc as the allocator of this process.
#[derive(Debug)]
pub struct Jemalloc {
    /// Milliseconds, negative for ever: what new arenas got when the process started.
    at_start: isize,
    keep: isize,
}

/// Why there is nothing to control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotJemalloc {
    /// What this process allocates is not counted by jemalloc.
    #[error("another allocator is in use")]
    OtherAllocator,
    /// It does not say how long it keeps what is freed.
    #[error("jemalloc has no decay time")]
    NoDecay,
}

impl Jemalloc {
    /// Looks whether jemalloc is what this process allocates with. Allocates 64 KB and frees them.
    ///
    /// # Errors
    /// It is not.
    pub fn of_this_process() -> Result<Self, NotJemalloc> {
        let counter = thread::allocatedp::read().map_err(|_| NotJemalloc::OtherAllocator)?;
        let before = counter.get();
        drop(black_box(vec![1_u8; PROBE_BYTES]));
        if counter.get().wrapping_sub(before) < PROBE_BYTES as u64 {
            return Err(NotJemalloc::OtherAllocator);
        }
        let at_start = "arenas.dirty_decay_ms\0".name().read().map_err(|_| NotJemalloc::NoDecay)?;
        Ok(Self { at_start, keep: at_start })
    }

    /// Has a thread of jemalloc's give back what idle threads have freed, when its time has come.
    #[must_use]
    pub fn with_background_thread(self) -> Self {
        if let Err(error) = background_thread::write(true) {
            tracing::warn!(%error, "jemalloc has no background thread here");
        }
        self
    }

    /// Every arena there is, and those to come.
    fn set_decay(&self, millis: isize) {
        let all: Result<(), _> = "arenas.dirty_decay_ms\0".name().write(millis);
        let arenas: u32 = "arenas.narenas\0".name().read().unwrap_or(0);
        let taken = (0..arenas).filter(|arena| {
            let one: Result<(), _> = format!("arena.{arena}.dirty_decay_ms\0").name().write(millis);
            one.is_ok()
        });
        if all.is_err() || taken.count() == 0 {
            tracing::warn!(millis, "jemalloc did not take a decay time");
        }
    }
}

impl super::Allocator for Jemalloc {
    /// Merges the counters of all arenas first (62 us with one in use).
    fn heap(&mut self) -> Option<HeapUse> {
        epoch::advance().ok()?;
        let bytes = |read: Result<usize, _>| read.ok().map(|bytes: usize| bytes as u64);
        let live = bytes(stats::allocated::read())?;
        let (active, books) = (bytes(stats::active::read())?, bytes(stats::metadata::read())?);
        Some(HeapUse {
            resident_bytes: bytes(stats::resident::read())?,
            live_bytes: live,
            overhead_bytes: active.saturating_sub(live) + books,
        })
    }

    fn keep_freed(&mut self, keep: Option<Duration>) {
        let millis = |keep: Duration| isize::try_from(keep.as_millis()).unwrap_or(isize::MAX);
        let asked = keep.map_or(self.at_start, millis);
        // Never for longer than the service has it; negative is for ever.
        self.keep = if self.at_start < 0 { asked } else { asked.min(self.at_start) };
        self.set_decay(self.keep);
    }

    fn give_back(&mut self) {
        self.set_decay(0);
        self.set_decay(self.keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_out_that_the_process_has_another_allocator() {
        assert_eq!(Jemalloc::of_this_process().err(), Some(NotJemalloc::OtherAllocator));
    }
}
