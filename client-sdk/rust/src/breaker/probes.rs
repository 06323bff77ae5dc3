//! The few calls that may find out whether the callee is well again.
//!
//! Each probe holds a slot with its generation and deadline. A probe that never comes back (a lost task, a hung callee)
//! would otherwise keep the breaker half open for ever; and a slot of an earlier generation counts as free, so nothing has
//! to be swept when the breaker moves on.

use std::time::Duration;

use setpoint_policies::probes::MOST_CONCURRENT;

use super::word::Probe;
use crate::sync::{AtomicU64, Ordering};

/// Most probes at once.
pub(super) const MAX_PROBES: usize = MOST_CONCURRENT as usize;
/// What a caller is told while all probes are out.
pub(super) const ALL_OUT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Probes([AtomicU64; MAX_PROBES]);

/// What became of the wish for a slot.
pub(super) enum Wished {
    Got(Probe),
    AllOut,
    /// The breaker has moved on to a later generation.
    Moved,
}

impl Probes {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Takes one of the first `most` slots for a probe of `generation` until `deadline_ms`.
    pub fn take(&self, generation: u64, most: u32, deadline_ms: u64) -> Wished {
        for (index, slot) in self.0.iter().enumerate().take(most as usize) {
            let held = slot.load(Ordering::Acquire);
            match Probe::unpack(held) {
                Some(probe) if probe.generation == generation => {}
                Some(probe) if !probe.is_before(generation) => return Wished::Moved,
                _ => {
                    let probe = Probe { generation, deadline_ms, index };
                    if slot.compare_exchange(held, probe.pack(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
                    {
                        return Wished::Got(probe);
                    }
                }
            }
        }
        Wished::AllOut
    }

    /// A probe of `generation` that is out for too long.
    pub fn expired(&self, generation: u64, now_ms: u64) -> Option<Probe> {
        let held = self.0.iter().filter_map(|slot| Probe::unpack(slot.load(Ordering::Acquire)));
        held.into_iter().find(|probe| probe.generation == generation && probe.expired(now_ms))
    }

    /// Gives a slot back; false when it was taken away meanwhile.
    pub fn give_back(&self, probe: Probe) -> bool {
        self.0[probe.index].compare_exchange(probe.pack(), 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
