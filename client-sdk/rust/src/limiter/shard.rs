//! The counters and spare places of one thread.
//!
//! The counters of one event (a count and the sum of its times) must be seen together or not at all: a reader that saw the
//! count without the time would be off by the age of the process. So a writer says that it is inside, writes, the count of
//! what happened last of all, and says that it is out again. A reader that finds somebody inside, or a count changed
//! meanwhile, looks again: who saw a part of an event without its count sees either its writer inside or its count change,
//! and who saw the count has seen all of it. So there is no number of turns to be read and moved on, which would tie each
//! event to the one before. The thread that owns a shard does all that with plain stores. Threads without a shard of their
//! own claim a common one, by the same word, with one compare-and-swap; one that is taken is not waited for, the next will
//! do.

use std::ops::Deref;

use setpoint_policies::totals::{MOST_WATCHED, PRIORITIES, SQUARE_UNIT_NANOS};

use super::histogram::{self, BUCKETS};
use super::pulse::Pulse;
use super::thresholds::Thresholds;
use crate::barrier;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering, fence};

/// See the module. What a call writes that does not look at the clock lies in the first cache line.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Shard {
    /// Whether somebody is inside: [`UNUSED`], [`INSIDE`] or [`OUTSIDE`].
    presence: AtomicU64,
    /// Places taken from the limiter and used by no call; see [`super::places`].
    pub held: AtomicU64,
    pub admitted: AtomicU64,
    pub completed: AtomicU64,
    pub latency_sum: AtomicU64,
    pub pulse: Pulse,
    pub admit_time_sum: AtomicU64,
    pub release_time_sum: AtomicU64,
    pub success_latency_sum: AtomicU64,
    pub success_latency_sq_sum: AtomicU64,
    /// What is left of the squares below one unit, square microseconds.
    square_rest: AtomicU64,
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

/// No thread has ever written here.
const UNUSED: u64 = 0;
const INSIDE: u64 = 1;
const OUTSIDE: u64 = 2;

/// The right to write a shard, until it is dropped.
pub(crate) struct Claim<'a>(pub(super) &'a Shard);

impl Shard {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            presence: AtomicU64::new(UNUSED),
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
        self.presence.store(INSIDE, Ordering::Relaxed);
        fence(Ordering::Release);
        // What the owner looks at from here on, it looks at after it has said that it is inside.
        barrier::light();
        Claim(self)
    }

    /// For any thread, unless another one is inside.
    #[inline]
    pub fn try_claim(&self) -> Option<Claim<'_>> {
        let presence = self.presence.load(Ordering::Relaxed);
        let claimed = presence != INSIDE
            && self.presence.compare_exchange(presence, INSIDE, Ordering::Acquire, Ordering::Relaxed).is_ok();
        fence(Ordering::Release);
        // Only then: to drop one says that nobody is inside.
        claimed.then(|| Claim(self))
    }

    /// Whether nobody is inside. Then what was written before is seen.
    pub fn at_rest(&self) -> bool {
        self.presence.load(Ordering::Acquire) != INSIDE
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
        self.presence.load(Ordering::Relaxed) != UNUSED
    }

    /// What is seen, if nobody wrote meanwhile.
    pub fn read<T>(&self, see: impl Fn(&Self) -> T) -> Option<T> {
        if !self.at_rest() {
            return None;
        }
        let events = self.events();
        // Who saw an event counted sees all of it.
        fence(Ordering::Acquire);
        let seen = see(self);
        // Who saw a part of an event sees its writer inside or, after that, the event counted.
        fence(Ordering::Acquire);
        (self.at_rest() && self.events() == events).then_some(seen)
    }

    /// Admissions and releases here. None of its parts ever falls, so two equal sums have equal parts.
    pub(super) fn events(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed).wrapping_add(self.released())
    }

    /// Releases here.
    pub(super) fn released(&self) -> u64 {
        let counters = [&self.completed, &self.dropped, &self.failed, &self.cancelled];
        counters.iter().fold(0, |sum, counter| sum.wrapping_add(counter.load(Ordering::Relaxed)))
    }

    /// Where calls are counted that ended like this.
    #[inline]
    pub(super) const fn ended(&self, outcome: Outcome) -> &AtomicU64 {
        match outcome {
            Outcome::Success => &self.completed,
            Outcome::Dropped => &self.dropped,
            Outcome::Failure => &self.failed,
            Outcome::Ignore => &self.cancelled,
        }
    }
}

impl Claim<'_> {
    /// Counts an admission.
    #[inline]
    pub fn admit(&self, at: u64) {
        add(&self.admit_time_sum, at);
        count(&self.admitted);
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
        add(&self.release_time_sum, at);
        add(&self.latency_sum, latency);
        thresholds.count_failure(self, outcome, latency);
        count(self.ended(outcome));
    }
}

impl Shard {
    /// Under the claim of the caller: counts so many successes of that latency, but for their number.
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
        self.0
    }
}

impl Drop for Claim<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.presence.store(OUTSIDE, Ordering::Release);
    }
}

/// Adds to a word that nobody else writes now: no atomic read-modify-write is needed.
#[inline]
pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

/// Counts one event, after all else that is written of it.
#[inline]
pub(super) fn count(events: &AtomicU64) {
    events.store(events.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
}
