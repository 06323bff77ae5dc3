//! The store of a rate for each key: a table of fixed size, without a lock.
//!
//! Keys come from outside, as many as somebody likes. A map of them grows without bound, or forgets the oldest, and then
//! whoever makes up keys fast enough makes it forget those that are being held back. What helps is that a bucket that is
//! *full* says nothing: an unknown key has a full one. So a place is taken from the key whose bucket will be full soonest:
//!
//! - **Memory is fixed** when the table is made, eight bytes a place.
//! - **No key is ever rejected because of other keys**: what a key loses by being forgotten is what it has spent.
//! - **A key that is held back is forgotten last**, only for keys that have spent as much: in its set of eight places, seven
//!   others must have spent more than it has, and an eighth comes. Keys that are made up for one call each push out each
//!   other, and then those that come rarely. Which keys share a set depends on a seed that nobody outside knows.
//!
//! A set is a cache line, a place one word: 24 bits of the key's hash, and 40 bits of the token time up to which its
//! bucket is spent. So every change is one compare-and-swap. What the short words cost: two keys of a set are taken for one
//! with a chance of one in 16 million; a key that comes back after exactly four billion tokens of its rate may find its
//! bucket as it left it, instead of full; and two threads that see a new key at the same moment may each give it a bucket.

use crate::rate::Store;
use crate::sync::{AtomicU64, Ordering};

/// Places of a set.
const WAYS: usize = 8;
const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// A time so little ahead of now is ahead, a thousand tokens: another thread has looked at the clock later. What seems
/// further ahead is long ago.
const AHEAD: u64 = 1 << 18;
/// 64 MiB.
const MOST_SETS: usize = 1 << 20;

/// See the module.
pub struct Table {
    sets: Box<[Set]>,
    forgotten: AtomicU64,
}

#[repr(align(64))]
struct Set([AtomicU64; WAYS]);

/// A key's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seat {
    pub hash: u64,
    /// The token time, about: the short times of the table are told apart by it.
    pub now: u64,
    /// Before that token time a bucket that is spent up to it is full.
    pub full: u64,
}

impl Table {
    /// For so many keys that are held back at once: twice as many places, so that a set with too many of them is rare.
    pub fn of_keys(keys: usize) -> Self {
        let sets = (keys.saturating_mul(2) / WAYS).clamp(1, MOST_SETS).next_power_of_two();
        let set = || Set(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { sets: std::iter::repeat_with(set).take(sets).collect(), forgotten: AtomicU64::new(0) }
    }

    /// How often a key was forgotten that had still something spent.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    fn set(&self, hash: u64) -> &[AtomicU64; WAYS] {
        // The sets are a power of two.
        &self.sets[(hash >> 24) as usize & (self.sets.len() - 1)].0
    }
}

/// The bits of a hash that are kept; never 0, which is an empty place.
fn tag(hash: u64) -> u64 {
    let tag = hash & 0xff_ffff;
    if tag == 0 { 1 } else { tag }
}

fn word(hash: u64, spent: u64) -> u64 {
    tag(hash) << TIME_BITS | spent & TIME_MASK
}

/// The time of a word, 0 for an empty place.
fn spent(word: u64, now: u64) -> u64 {
    if word == 0 {
        return 0;
    }
    let ago = now.wrapping_sub(word) & TIME_MASK;
    let ahead = TIME_MASK + 1 - ago;
    if ahead <= AHEAD { now + ahead } else { now.saturating_sub(ago) }
}

impl Seat {
    /// The place in the set that holds this key, or that it takes over, and the word there.
    fn find(&self, set: &[AtomicU64; WAYS]) -> (usize, u64, bool) {
        let mut soonest = (0, 0, u64::MAX);
        for (way, place) in set.iter().enumerate() {
            let word = place.load(Ordering::Acquire);
            if word >> TIME_BITS == tag(self.hash) {
                return (way, word, true);
            }
            let spent = spent(word, self.now);
            if spent < soonest.2 {
                soonest = (way, word, spent);
            }
        }
        (soonest.0, soonest.1, false)
    }
}

impl Store for &'static Table {
    type Key = Seat;

    #[inline]
    fn spend<T, E>(&self, seat: &Seat, decide: impl Fn(u64) -> Result<(T, u64), E>) -> Result<T, E> {
        let set = self.set(seat.hash);
        loop {
            let (way, found, known) = seat.find(set);
            let before = spent(found, seat.now);
            let (taken, next) = decide(if known { before } else { 0 })?;
            let next = word(seat.hash, next);
            if set[way].compare_exchange(found, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                if !known && before > seat.full {
                    self.forgotten.fetch_add(1, Ordering::Relaxed);
                }
                return Ok(taken);
            }
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("sets", &self.sets.len()).finish_non_exhaustive()
    }
}
