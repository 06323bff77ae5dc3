//! The places of a limiter: who may take one, and how that costs as little as it can.
//!
//! One word, the gauge, says how many places are taken. It never exceeds the limit by an admission, because a place is taken
//! by a compare-and-swap against the limit. That is the *exact* regime, and the one that a limiter starts in. Two such
//! operations on a word that every core wants are most of the cost when many threads share a limiter.
//!
//! So a limiter whose limit is large for its threads ([`FEWEST_BATCHES`]) goes over to *spare places*: each thread keeps a few
//! that are taken from the gauge and used by nobody, and a call uses and gives back those, with plain loads and stores. What
//! is in flight is then at most what is taken, and that is at most the limit: the bound holds in both regimes and in between.
//!
//! What could go wrong with spare places is that they lie idle with one thread while another one is rejected. It does not,
//! because nobody is rejected on their account: as soon as the gauge is within an eighth of the limit, or a new limit is
//! small, or somebody waits, the thread that notices moves the limiter to the exact regime and takes back what all others
//! hold, idle or not, before it answers. For that it must know that no thread is using its spare places at that moment,
//! without those threads paying for it: it changes the regime, has the kernel put a barrier into every running thread of the
//! process (`membarrier`, a few microseconds, at most ten times a second), and then passes over those few that are inside
//! their shard; they find the new regime with their next call, and give back what they hold themselves. So what can be missing
//! for a moment, to a call that comes within the last eighth of the limit, is a batch of each thread that the kernel stopped
//! inside, until that thread goes on or the slice ends, and all of it while another thread is busy taking it back.
//!
//! | from | to | when | by |
//! |---|---|---|---|
//! | exact | spare | limit large, at most 3/4 taken, nobody waits, not moved back in the last slice | session, each 50 ms |
//! | spare | exact | 7/8 taken; a limit that is not large; somebody waits | whoever notices |
//!
//! Where the kernel has no such barrier, and for threads beyond [`super::seat::SEATS`], all of it stays exact and the shards
//! are claimed with a compare-and-swap.

mod reader;
mod upkeep;

use setpoint_policies::totals::PRIORITIES;

use super::gauge::Gauge;
use super::limits::{Limits, Regime};
use super::seat::Seat;
use super::shard::{Claim, Shard};
use crate::barrier;
use crate::sync::{ModelledMutex, Ordering, Padded, yield_now};
pub(crate) use reader::Reader;

/// Most spare places of a thread. It takes and gives back half of them at a time.
pub(super) const BATCH: u64 = 16;
/// Limits of at least so many batches for each thread are large.
const FEWEST_BATCHES: u64 = 8;
/// Shards that no thread owns.
const COMMON: usize = 4;

/// The places, and the counters of each thread.
#[derive(Debug)]
pub(crate) struct Places {
    limits: Padded<Limits>,
    gauge: Padded<Gauge>,
    /// By seat. The thread that sits there is the only one that writes.
    own: Box<[Padded<Shard>]>,
    /// For everybody else.
    common: Box<[Padded<Shard>]>,
    /// Held by whoever reads the shards or changes the regime, never on the way of a request.
    upkeep: ModelledMutex<()>,
}

impl Places {
    /// For threads on so many cores.
    pub fn new(cores: usize, limit: f64, shares: [f64; PRIORITIES]) -> Self {
        // Some more than cores: a thread that is alive but idle keeps its seat.
        let seats = if barrier::available() { cores + COMMON } else { 0 };
        Self::with_shards(seats, COMMON.max(cores - cores.min(seats)), limit, shares)
    }

    fn with_shards(own: usize, common: usize, limit: f64, shares: [f64; PRIORITIES]) -> Self {
        let shards = |count| (0..count).map(|_| Padded(Shard::new())).collect();
        Self {
            limits: Padded(Limits::new(limit, shares)),
            gauge: Padded::default(),
            own: shards(own),
            common: shards(common),
            upkeep: ModelledMutex::new(()),
        }
    }

    #[inline]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    pub fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// Takes so many places (no more than there are) for one call; `None` when there are not enough. The call is to be
    /// counted in the shard that comes with them.
    #[inline(always)]
    pub fn enter(&self, seat: Seat, class: usize, places: u64) -> Option<(Claim<'_>, u64)> {
        let cap = self.limits.cap(class);
        // Before anything is written: a rejection costs little more than this look.
        if self.gauge.has_room(places, cap) {
            let (shard, regime) = self.claim(seat);
            if self.take(&shard, regime, places, cap) {
                return Some((shard, places));
            }
        } else if self.limits.regime() == Regime::EXACT && (places <= cap || cap == 0) {
            self.gauge.note_limited();
            return None;
        }
        let places = self.take_exact(class, places)?;
        Some((self.claim(seat).0, places))
    }

    /// Gives the places of one call back, after its end was counted in the shard of [`Places::claim`].
    #[inline(always)]
    pub fn leave(&self, (shard, regime): (Claim<'_>, Regime), places: u64) {
        let held = shard.held.load(Ordering::Relaxed);
        if regime == Regime::SPARE {
            let held = held + places;
            let kept = if held > BATCH { BATCH / 2 } else { held };
            if held > kept {
                self.gauge.leave(held - kept);
            }
            shard.held.store(kept, Ordering::Relaxed);
            drop(shard);
            // Whoever waits and does not see this place is seen next.
            barrier::light();
        } else {
            let spare = if held == 0 { 0 } else { shard.held.swap(0, Ordering::AcqRel) };
            drop(shard);
            self.gauge.leave(places + spare);
        }
    }

    /// Counts a rejection. Returns a number that hardly ever comes twice, to draw lots from.
    #[inline]
    pub fn reject(&self, seat: Seat, class: usize) -> u64 {
        let Some(own) = self.own.get(seat.0) else { return self.reject_elsewhere(seat, class) };
        let before = own.rejected[class].load(Ordering::Relaxed);
        own.rejected[class].store(before.wrapping_add(1), Ordering::Relaxed);
        before ^ ((seat.0 as u64) << 48)
    }

    #[cold]
    fn reject_elsewhere(&self, seat: Seat, class: usize) -> u64 {
        if seat.is_none() {
            return self.reject(seat.taken(), class);
        }
        let common = &self.common[seat.0 % self.common.len()];
        common.rejected[class].fetch_add(1, Ordering::Relaxed) ^ ((seat.0 as u64) << 48)
    }

    /// Takes places, from the thread's own or from the gauge.
    #[inline(always)]
    fn take(&self, shard: &Shard, regime: Regime, places: u64, cap: u64) -> bool {
        if regime != Regime::SPARE {
            return self.gauge.try_enter(places, cap);
        }
        let held = shard.held.load(Ordering::Relaxed);
        if held >= places {
            shard.held.store(held - places, Ordering::Relaxed);
            return true;
        }
        let missing = places - held;
        let taken = self.gauge.try_take(missing + BATCH / 2, cap - cap / 8).is_some();
        if taken {
            shard.held.store(BATCH / 2, Ordering::Relaxed);
        }
        taken
    }

    /// Near the limit, or at it: spare places are needed, and a place comes from the gauge or not at all.
    #[cold]
    fn take_exact(&self, class: usize, places: u64) -> Option<u64> {
        self.tighten();
        let cap = self.limits.cap(class);
        let places = places.min(cap);
        if self.gauge.try_enter(places, cap) {
            return Some(places);
        }
        self.gauge.note_limited();
        None
    }

    /// The shard that this thread may write now, and the regime that it must go by while it does.
    #[inline(always)]
    pub fn claim(&self, seat: Seat) -> (Claim<'_>, Regime) {
        if let Some(own) = self.own.get(seat.0) {
            let claim = own.begin();
            let regime = self.limits.regime();
            // Each answer apart, so that nobody looks at the regime twice.
            if regime == Regime::SPARE {
                return (claim, Regime::SPARE);
            }
            if regime == Regime::EXACT {
                return (claim, Regime::EXACT);
            }
        }
        self.claim_elsewhere(seat)
    }

    #[cold]
    fn claim_elsewhere(&self, seat: Seat) -> (Claim<'_>, Regime) {
        if seat.is_none() { self.claim(seat.taken()) } else { (self.claim_common(seat), Regime::EXACT) }
    }

    fn claim_common(&self, seat: Seat) -> Claim<'_> {
        loop {
            for index in 0..self.common.len() {
                if let Some(claim) = self.common[(seat.0 + index) % self.common.len()].try_claim() {
                    return claim;
                }
            }
            yield_now();
        }
    }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests;

#[cfg(all(test, setpoint_loom))]
mod loom_tests;
