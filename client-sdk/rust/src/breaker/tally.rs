//! What is counted of one generation, in one word: failures in a row while calls pass, or the probes while it is half open.
//!
//! The word carries the generation that it is about, so nothing has to be taken back to zero when the breaker moves on, and a
//! count of an earlier generation can never be taken for one of this. Whoever adds to it says which generation the calls
//! were of; where the breaker has moved on meanwhile, nothing is added.

use setpoint_policies::probes::Probed;

use crate::sync::{AtomicU64, Ordering};

const GENERATION_BITS: u32 = 21;
const GENERATION: u64 = (1 << GENERATION_BITS) - 1;
/// Of each of the four counts of probes, of which there are 100 at the most.
const COUNT_BITS: u32 = 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Tally(AtomicU64);

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    /// It says nothing.
    Ignored,
    /// It was never used.
    GivenBack,
}

/// The breaker is in another generation.
#[derive(Debug)]
pub(super) struct MovedOn;

impl Tally {
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds a failure to the row and returns how many it has.
    pub fn fail(&self, generation: u64, newest: impl Fn() -> u64) -> Result<u64, MovedOn> {
        self.change(generation, newest, |row| Some(row + 1)).map(|row| row.unwrap_or(0))
    }

    /// Whether nothing is counted, of whatever generation.
    #[inline]
    pub fn is_clear(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= GENERATION
    }

    /// Ends the row, if there is one.
    #[cold]
    pub fn clear(&self, generation: u64) {
        let held = self.0.load(Ordering::Relaxed);
        if held >> GENERATION_BITS != 0 && held & GENERATION == generation {
            // Lost to another completion: either order of the two is as true as the other.
            let _ = self.0.compare_exchange(held, generation, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Failures in a row.
    pub fn row(&self, generation: u64) -> u64 {
        let held = self.0.load(Ordering::Relaxed);
        if held & GENERATION == generation { held >> GENERATION_BITS } else { 0 }
    }

    /// Lets one of `total` probes out; false when all have been.
    pub fn let_out(&self, generation: u64, total: u32, newest: impl Fn() -> u64) -> Result<bool, MovedOn> {
        let grant = |counts| (probed(counts).let_out < total).then(|| counts + 1);
        self.change(generation, newest, grant).map(|counts| counts.is_some())
    }

    /// Counts the end of a probe and returns all of the round.
    pub fn ended(&self, generation: u64, ended: Ended, newest: impl Fn() -> u64) -> Result<Probed, MovedOn> {
        let add = |counts: u64| match ended {
            Ended::Well => Some(counts + (1 << COUNT_BITS)),
            Ended::Badly => Some(counts + (1 << (2 * COUNT_BITS))),
            Ended::Ignored => Some(counts + (1 << (3 * COUNT_BITS))),
            Ended::GivenBack => counts.checked_sub(1),
        };
        self.change(generation, newest, add).map(|counts| probed(counts.unwrap_or(0)))
    }

    /// The probes of a generation.
    pub fn probed(&self, generation: u64) -> Probed {
        let held = self.0.load(Ordering::Relaxed);
        if held & GENERATION == generation { probed(held >> GENERATION_BITS) } else { Probed::default() }
    }

    /// Changes the counts of a generation, which are 0 if there are none; `None` when `edit` wants no change.
    fn change(
        &self,
        generation: u64,
        newest: impl Fn() -> u64,
        edit: impl Fn(u64) -> Option<u64>,
    ) -> Result<Option<u64>, MovedOn> {
        // Acquire and release: whoever sees the counts of a later generation must see that generation as well.
        let mut held = self.0.load(Ordering::Acquire);
        loop {
            let own = held & GENERATION == generation;
            if !own && newest() != generation {
                return Err(MovedOn);
            }
            let Some(counts) = edit(if own { held >> GENERATION_BITS } else { 0 }) else { return Ok(None) };
            let next = counts << GENERATION_BITS | generation;
            match self.0.compare_exchange_weak(held, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Some(counts)),
                Err(found) => held = found,
            }
        }
    }
}

fn probed(counts: u64) -> Probed {
    let count = |place: u32| (counts >> (place * COUNT_BITS)) as u32 & ((1 << COUNT_BITS) - 1);
    Probed { round: 0, let_out: count(0), succeeded: count(1), failed: count(2), ignored: count(3) }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_belong_to_a_generation() {
        let tally = Tally::new();
        assert_eq!(tally.fail(0, || 0).ok(), Some(1));
        assert_eq!(tally.fail(0, || 0).ok(), Some(2));
        assert!(tally.fail(9, || 0).is_err(), "of a generation that is not there");
        assert_eq!(tally.fail(1, || 1).ok(), Some(1), "a new one begins at zero");
        assert!(tally.fail(0, || 1).is_err(), "and the old one is over");
        tally.clear(0);
        assert_eq!((tally.row(1), tally.row(0)), (1, 0));
        tally.clear(1);
        assert_eq!(tally.row(1), 0);
    }

    #[test]
    fn probes_are_counted_apart_and_never_beyond_their_number() {
        let tally = Tally::new();
        for expected in [true, true, true, false] {
            assert_eq!(tally.let_out(7, 3, || 7).ok(), Some(expected));
        }
        tally.ended(7, Ended::GivenBack, || 7).expect("of this generation");
        assert_eq!(tally.let_out(7, 3, || 7).ok(), Some(true));
        for ended in [Ended::Well, Ended::Badly, Ended::Ignored] {
            tally.ended(7, ended, || 7).expect("of this generation");
        }
        let probed = tally.probed(7);
        assert_eq!((probed.let_out, probed.succeeded, probed.failed, probed.ignored), (3, 1, 1, 1));
        assert_eq!(tally.probed(8), Probed::default());
    }
}
