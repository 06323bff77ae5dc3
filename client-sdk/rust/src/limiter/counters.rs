//! What a limiter has seen, counted on the request path without a shared cache line.
//!
//! Each thread writes a shard of its own choice. The counters of one event (a count and the sum of its times) must be seen
//! together or not at all: a reader that saw the count without the time would be off by the age of the process. So a writer
//! claims a shard for the few nanoseconds of its writes, with one compare-and-swap, and then needs no other atomic operation;
//! that is also cheaper than a `fetch_add` for each of five counters. A shard that is taken is not waited for: any other
//! one will do. Only if all of them are held by threads that the kernel stopped in the middle of those few nanoseconds, the
//! writer gives its processor to them; that is why there are at least [`FEWEST_SHARDS`].
//!
//! The reader claims shard after shard, all releases first and then all admissions. A release that it saw was admitted
//! before, so the difference, the calls in flight, is never negative. Calls that come and go between the two passes would
//! make it too large; so it looks again at the releases, and does it over when there were any.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;

use setpoint_policies::totals::{PRIORITIES, SQUARE_UNIT_NANOS};

use super::histogram::{self, BUCKETS};
use crate::outcome::Outcome;
use crate::sync::{AtomicBool, AtomicU64, Ordering, Padded, yield_now};

/// The counters of all shards together, as far as they come from finished calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Released {
    pub completed: u64,
    pub dropped: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub late: u64,
    pub release_time_sum: u64,
    pub latency_sum: u64,
    pub success_latency_sum: u64,
    pub success_latency_sq_sum: u64,
}

impl Released {
    /// Calls released in whatever way.
    pub const fn count(&self) -> u64 {
        self.completed.wrapping_add(self.dropped).wrapping_add(self.failed).wrapping_add(self.cancelled)
    }
}

/// The counters of all shards together, as far as they come from admissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub admitted: u64,
    pub admit_time_sum: u64,
    pub rejected: [u64; PRIORITIES],
}

/// A call that ends: all times in nanoseconds of the same clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Release {
    pub outcome: Outcome,
    pub admitted_at: u64,
    pub at: u64,
    /// A success that took longer than this is late.
    pub deadline: u64,
}

#[derive(Debug)]
struct Shard {
    claimed: AtomicBool,
    admitted: AtomicU64,
    admit_time_sum: AtomicU64,
    completed: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    late: AtomicU64,
    release_time_sum: AtomicU64,
    latency_sum: AtomicU64,
    success_latency_sum: AtomicU64,
    success_latency_sq_sum: AtomicU64,
    /// What is left of the squares below one unit, square microseconds.
    square_rest: AtomicU64,
    histogram: [AtomicU64; BUCKETS],
    /// Alone of all these it stands for itself, so it is simply added to.
    rejected: [AtomicU64; PRIORITIES],
}

/// The counters of one limiter.
#[derive(Debug)]
pub(crate) struct Counters(Box<[Padded<Shard>]>);

/// However few the cores are.
const FEWEST_SHARDS: usize = 4;
/// How often a reader that was overtaken tries again.
const SNAPSHOT_ATTEMPTS: usize = 8;
/// Square microseconds in the unit of the squared latencies.
const SQUARE_UNIT_MICROS: u64 = (SQUARE_UNIT_NANOS / 1000).pow(2);

impl Counters {
    /// Counters for threads on so many cores.
    pub fn new(cores: usize) -> Self {
        Self::with_shards(cores.max(FEWEST_SHARDS).next_power_of_two())
    }

    /// Counters in so many shards, a power of two.
    fn with_shards(shards: usize) -> Self {
        Self((0..shards).map(|_| Padded(Shard::new())).collect())
    }

    /// Counts an admission.
    #[inline]
    pub fn admit(&self, at: u64) {
        let shard = self.claim();
        add(&shard.admitted, 1);
        add(&shard.admit_time_sum, at);
        shard.unclaim();
    }

    /// Counts a release.
    #[inline]
    pub fn release(&self, release: Release) {
        let latency = release.at.wrapping_sub(release.admitted_at);
        let shard = self.claim();
        match release.outcome {
            Outcome::Success => shard.success(latency, release.deadline),
            Outcome::Dropped => add(&shard.dropped, 1),
            Outcome::Failure => add(&shard.failed, 1),
            Outcome::Ignore => add(&shard.cancelled, 1),
        }
        add(&shard.release_time_sum, release.at);
        add(&shard.latency_sum, latency);
        shard.unclaim();
    }

    /// Counts a rejection. Returns a number that hardly ever comes twice, to draw lots from.
    #[inline]
    pub fn reject(&self, class: usize) -> u64 {
        let shard = home() & (self.0.len() - 1);
        let before = self.0[shard].rejected[class].fetch_add(1, Ordering::Relaxed);
        before ^ ((shard as u64) << 48)
    }

    /// Both halves, as of one moment if the limiter is quiet for the microsecond that it takes: a reader that is
    /// interrupted half way tries again, one that cannot keep up with the calls takes the closest that it got.
    pub fn snapshot(&self) -> (Released, Admitted) {
        let mut released = self.released();
        let mut closest = (u64::MAX, released, Admitted::default());
        for _ in 0..SNAPSHOT_ATTEMPTS {
            let admitted = self.admitted();
            let after = self.released();
            let between = after.count().wrapping_sub(released.count());
            if between < closest.0 {
                closest = (between, released, admitted);
            }
            if between == 0 {
                break;
            }
            released = after;
        }
        (closest.1, closest.2)
    }

    /// What the finished calls left.
    pub fn released(&self) -> Released {
        let mut sum = Released::default();
        self.visit(|shard| {
            for (sum, counter) in [
                (&mut sum.completed, &shard.completed),
                (&mut sum.dropped, &shard.dropped),
                (&mut sum.failed, &shard.failed),
                (&mut sum.cancelled, &shard.cancelled),
                (&mut sum.late, &shard.late),
                (&mut sum.release_time_sum, &shard.release_time_sum),
                (&mut sum.latency_sum, &shard.latency_sum),
                (&mut sum.success_latency_sum, &shard.success_latency_sum),
                (&mut sum.success_latency_sq_sum, &shard.success_latency_sq_sum),
            ] {
                *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
            }
        });
        sum
    }

    /// What the admissions left.
    fn admitted(&self) -> Admitted {
        let mut sum = Admitted::default();
        self.visit(|shard| {
            sum.admitted = sum.admitted.wrapping_add(shard.admitted.load(Ordering::Relaxed));
            sum.admit_time_sum =
                sum.admit_time_sum.wrapping_add(shard.admit_time_sum.load(Ordering::Relaxed));
            for (sum, counter) in sum.rejected.iter_mut().zip(&shard.rejected) {
                *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
            }
        });
        sum
    }

    /// How many successes fell into each bucket of latency.
    pub fn histogram(&self) -> [u64; BUCKETS] {
        let mut sum = [0_u64; BUCKETS];
        self.visit(|shard| {
            for (sum, counter) in sum.iter_mut().zip(&shard.histogram) {
                *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
            }
        });
        sum
    }

    /// Shows each shard at rest.
    fn visit(&self, mut see: impl FnMut(&Shard)) {
        for shard in &self.0 {
            while !shard.try_claim() {
                yield_now();
            }
            see(shard);
            shard.unclaim();
        }
    }

    /// The thread's own shard, or the next one that nobody is writing to.
    #[inline]
    fn claim(&self) -> &Shard {
        let home = home();
        loop {
            for index in home..home + self.0.len() {
                let shard = &self.0[index & (self.0.len() - 1)];
                if shard.try_claim() {
                    return shard;
                }
            }
            yield_now();
        }
    }
}

impl Shard {
    fn new() -> Self {
        Self {
            claimed: AtomicBool::new(false),
            admitted: AtomicU64::new(0),
            admit_time_sum: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            late: AtomicU64::new(0),
            release_time_sum: AtomicU64::new(0),
            latency_sum: AtomicU64::new(0),
            success_latency_sum: AtomicU64::new(0),
            success_latency_sq_sum: AtomicU64::new(0),
            square_rest: AtomicU64::new(0),
            histogram: std::array::from_fn(|_| AtomicU64::new(0)),
            rejected: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    #[inline]
    fn try_claim(&self) -> bool {
        self.claimed.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn unclaim(&self) {
        self.claimed.store(false, Ordering::Release);
    }

    #[inline]
    fn success(&self, latency: u64, deadline: u64) {
        add(&self.completed, 1);
        add(&self.success_latency_sum, latency);
        // The rest is carried: a service that answers in 50 us has squares below one unit.
        let micros = (latency / 1000).min(u64::from(u32::MAX));
        let squares = (micros * micros).saturating_add(self.square_rest.load(Ordering::Relaxed));
        self.square_rest.store(squares % SQUARE_UNIT_MICROS, Ordering::Relaxed);
        add(&self.success_latency_sq_sum, squares / SQUARE_UNIT_MICROS);
        add(&self.histogram[histogram::bucket(latency)], 1);
        if latency > deadline {
            add(&self.late, 1);
        }
    }
}

/// Adds to a counter of a claimed shard, which nobody else writes: no atomic read-modify-write is needed.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

/// Where the current thread begins to look for a shard: threads are dealt out in turn.
#[inline]
fn home() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static HOME: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    HOME.with(|home| {
        if home.get() == usize::MAX {
            home.set(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) & (usize::MAX >> 1));
        }
        home.get()
    })
}

#[cfg(all(test, setpoint_loom))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;
    use loom::sync::Arc;

    #[test]
    fn loom_c1_a_reader_never_sees_half_an_event_or_a_negative_in_flight() {
        explore(|| {
            let counters = Arc::new(Counters::with_shards(2));
            let writer = {
                let counters = counters.clone();
                loom::thread::spawn(move || {
                    counters.admit(1000);
                    counters.release(Release {
                        outcome: Outcome::Success,
                        admitted_at: 1000,
                        at: 1500,
                        deadline: u64::MAX,
                    });
                })
            };
            let (released, admitted) = counters.snapshot();
            assert!(admitted.admitted >= released.count());
            assert_eq!(admitted.admit_time_sum, 1000 * admitted.admitted);
            assert_eq!(released.release_time_sum, 1500 * released.completed);
            assert_eq!(released.latency_sum, 500 * released.completed);
            writer.join().expect("no panic");
            let (released, admitted) = counters.snapshot();
            assert_eq!((admitted.admitted, released.count()), (1, 1));
        });
    }

    #[test]
    fn loom_c1_writers_that_meet_in_one_shard_lose_nothing() {
        explore(|| {
            let counters = Arc::new(Counters::with_shards(1));
            let writer = {
                let counters = counters.clone();
                loom::thread::spawn(move || counters.admit(3))
            };
            counters.admit(4);
            writer.join().expect("no panic");
            let sum = counters.admitted();
            assert_eq!((sum.admitted, sum.admit_time_sum), (2, 7));
        });
    }
}
