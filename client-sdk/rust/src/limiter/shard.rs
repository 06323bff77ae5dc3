//! The counters and spare places of one thread.
//!
//! The counters of one event (a count and the sum of its times) must be seen together or not at all: a reader that saw the
//! count without the time would be off by the age of the process. So a writer makes the shard's number odd, writes, and
//! makes it even again; a reader that finds it odd, or changed meanwhile, looks again. The thread that owns a shard does that
//! with plain stores. Threads without a shard of their own claim a common one, by the same number, with one
//! compare-and-swap; one that is taken is not waited for, the next will do.

use std::ops::Deref;

use setpoint_policies::totals::{MOST_WATCHED, PRIORITIES, SQUARE_UNIT_NANOS};

use super::histogram::{self, BUCKETS};
use super::pulse::Pulse;
use super::thresholds::Thresholds;
use crate::barrier;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering, fence};

/// See the module.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Odd while somebody writes.
    turn: AtomicU64,
    /// Places taken from the limiter and used by no call; see [`super::places`].
    pub held: AtomicU64,
    pub admitted: AtomicU64,
    pub admit_time_sum: AtomicU64,
    pub completed: AtomicU64,
    pub release_time_sum: AtomicU64,
    pub latency_sum: AtomicU64,
    pub success_latency_sum: AtomicU64,
    pub success_latency_sq_sum: AtomicU64,
    /// What is left of the squares below one unit, square microseconds.
    square_rest: AtomicU64,
    pub pulse: Pulse,
    pub dropped: AtomicU64,
    pub failed: AtomicU64,
    pub cancelled: AtomicU64,
    pub late: AtomicU64,
    /// Calls slower than each watched latency.
    pub slow: [AtomicU64; MOST_WATCHED],
    /// Alone of all these it stands for itself, so it is simply added to.
    pub rejected: [AtomicU64; PRIORITIES],
    pub histogram: [AtomicU64; BUCKETS],
}

/// Square microseconds in the unit of the squared latencies.
pub(super) const SQUARE_UNIT_MICROS: u64 = (SQUARE_UNIT_NANOS / 1000).pow(2);

/// The right to write a shard, until it is dropped.
pub(crate) struct Claim<'a> {
    shard: &'a Shard,
    /// What the number becomes.
    next: u64,
}

impl Shard {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            turn: zero(),
            held: zero(),
            admitted: zero(),
            admit_time_sum: zero(),
            completed: zero(),
            release_time_sum: zero(),
            latency_sum: zero(),
            success_latency_sum: zero(),
            success_latency_sq_sum: zero(),
            square_rest: zero(),
            pulse: Pulse::default(),
            dropped: zero(),
            failed: zero(),
            cancelled: zero(),
            late: zero(),
            slow: std::array::from_fn(|_| zero()),
            rejected: std::array::from_fn(|_| zero()),
            histogram: std::array::from_fn(|_| zero()),
        }
    }

    /// For its owner, which is never inside already.
    #[inline]
    pub fn begin(&self) -> Claim<'_> {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        // What the owner looks at from here on, it looks at after it has said that it is inside.
        barrier::light();
        Claim { shard: self, next: turn.wrapping_add(2) }
    }

    /// For any thread, unless another one is inside.
    #[inline]
    pub fn try_claim(&self) -> Option<Claim<'_>> {
        let turn = self.turn.load(Ordering::Relaxed);
        let claimed = turn.is_multiple_of(2)
            && self
                .turn
                .compare_exchange(turn, turn.wrapping_add(1), Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        fence(Ordering::Release);
        claimed.then(|| Claim { shard: self, next: turn.wrapping_add(2) })
    }

    /// Whether nobody is inside. Then what was written before is seen.
    pub fn at_rest(&self) -> bool {
        self.turn.load(Ordering::Acquire).is_multiple_of(2)
    }

    /// Whether nobody is inside at one of so many looks.
    pub fn comes_to_rest(&self, looks: usize) -> bool {
        (0..looks).any(|_| {
            let rests = self.at_rest();
            if !rests {
                std::hint::spin_loop();
            }
            rests
        })
    }

    /// Whether a thread has ever written here.
    pub fn used(&self) -> bool {
        self.turn.load(Ordering::Relaxed) != 0
    }

    /// What is seen, if nobody wrote meanwhile.
    pub fn read<T>(&self, see: impl Fn(&Self) -> T) -> Option<T> {
        let turn = self.turn.load(Ordering::Acquire);
        if !turn.is_multiple_of(2) {
            return None;
        }
        let seen = see(self);
        fence(Ordering::Acquire);
        (self.turn.load(Ordering::Relaxed) == turn).then_some(seen)
    }
}

impl Claim<'_> {
    /// Counts an admission.
    #[inline]
    pub fn admit(&self, at: u64) {
        add(&self.admitted, 1);
        add(&self.admit_time_sum, at);
    }

    /// Counts a release. All times in nanoseconds.
    #[inline]
    pub fn release(&self, outcome: Outcome, admitted_at: u64, at: u64, thresholds: &Thresholds) {
        if outcome == Outcome::Success {
            self.success(at.wrapping_sub(admitted_at), thresholds, 1);
        }
        self.end(outcome, admitted_at, at, thresholds);
    }

    /// Counts what every release has.
    #[inline]
    pub(super) fn end(&self, outcome: Outcome, admitted_at: u64, at: u64, thresholds: &Thresholds) {
        let latency = at.wrapping_sub(admitted_at);
        let ended = match outcome {
            Outcome::Success => &self.completed,
            Outcome::Dropped => &self.dropped,
            Outcome::Failure => &self.failed,
            Outcome::Ignore => &self.cancelled,
        };
        add(ended, 1);
        add(&self.release_time_sum, at);
        add(&self.latency_sum, latency);
        if matches!(outcome, Outcome::Dropped | Outcome::Failure) && thresholds.exceeded_by(latency) {
            thresholds.count(self, latency, 1);
        }
    }

    /// Counts so many successes of that latency, but for their number.
    #[inline]
    pub(super) fn success(&self, latency: u64, thresholds: &Thresholds, times: u64) {
        add(&self.success_latency_sum, latency.wrapping_mul(times));
        // The rest is carried: a service that answers in 50 us has squares below one unit.
        let squares = square_micros(latency).saturating_mul(times);
        let squares = squares.saturating_add(self.square_rest.load(Ordering::Relaxed));
        self.square_rest.store(squares % SQUARE_UNIT_MICROS, Ordering::Relaxed);
        add(&self.success_latency_sq_sum, squares / SQUARE_UNIT_MICROS);
        add(&self.histogram[histogram::bucket(latency)], times);
        if thresholds.exceeded_by(latency) {
            thresholds.count_successes(self, latency, times);
        }
    }
}

#[inline]
pub(super) fn square_micros(latency: u64) -> u64 {
    (latency / 1000).min(u64::from(u32::MAX)).pow(2)
}

impl Deref for Claim<'_> {
    type Target = Shard;

    #[inline]
    fn deref(&self) -> &Shard {
        self.shard
    }
}

impl Drop for Claim<'_> {
    #[inline]
    fn drop(&mut self) {
        self.shard.turn.store(self.next, Ordering::Release);
    }
}

/// Adds to a word that nobody else writes now: no atomic read-modify-write is needed.
#[inline]
pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}
