//! The terms in force: a rate and a burst, and governor's decision under them.
//!
//! Terms are immutable and replaced as a whole; what callers have spent lies outside of them, in a [`Store`], as the token
//! time up to which a bucket is spent. So the level of a bucket is a matter of definition:
//!
//! ```text
//! level = min(burst, now - max(spent, floor))        in token time, see `pace`
//! ```
//!
//! The `floor` is the same for all buckets of the terms: at the moment of a swap no bucket held more than the old burst.
//! Without it a larger burst would give back what ran over before. So at a swap every level becomes `min(level, burst)`,
//! whoever is just taking a token, on the old terms or the new ones.
//!
//! A rate of zero rejects everything, and what the buckets held is gone: to let a burst go at the moment at which a callee
//! that could take nothing can take something again would be unkind.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

use super::pace::{Pace, TOKEN};
use crate::clock::Clock;
use crate::sync::{AtomicBool, Ordering};

/// What callers have spent.
pub trait Store: Copy {
    /// Finds a bucket.
    type Key: Hash + Eq + Clone;

    /// Changes up to what token time a bucket is spent to what `decide` says of it; 0 for one that is not known.
    fn spend<T, E>(&self, key: &Self::Key, decide: impl Fn(u64) -> Result<(T, u64), E>) -> Result<T, E>;
}

/// A rate and a burst.
pub struct Terms<S: Store> {
    limiter: RateLimiter<S::Key, View<S>, TokenTime, NoOpMiddleware<Nanos>>,
    burst: NonZeroU32,
    floor: u64,
    open: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Calls per second.
    pub per_second: f64,
    /// Calls; what is not a whole number is rounded up, and less than one is one.
    pub burst: f64,
}

/// What a caller is told when nothing will be there soon.
pub const NOT_SOON: Duration = Duration::from_secs(5);

impl<S: Store> Terms<S> {
    /// The first terms: every bucket is full.
    pub fn start(store: S, asked: Asked, clock: &Clock) -> Self {
        Self::new(store, asked, Pace::start(asked.per_second, clock.now()), 0, clock)
    }

    /// The terms that follow these. Nobody else may replace them at the same time.
    pub fn followed_by(&self, store: S, asked: Asked) -> Self {
        let TokenTime { clock, pace, .. } = self.limiter.clock();
        let full = if self.open && asked.per_second > 0.0 { self.capacity() } else { 0 };
        let floor = self.floor.max(self.now().saturating_sub(full));
        let pace = pace.followed_by(asked.per_second, || clock.now());
        Self::new(store, asked, pace, floor, clock)
    }

    fn new(store: S, asked: Asked, pace: Pace, floor: u64, clock: &Clock) -> Self {
        // As many as fit: more than four billion calls at once is no bound at all.
        let burst = NonZeroU32::new(asked.burst.ceil() as u32).unwrap_or(NonZeroU32::MIN);
        let view = View { store, floor, capacity: capacity(burst) };
        let time = TokenTime { clock: clock.clone(), pace, runs: AtomicBool::new(false) };
        let quota = Quota::with_period(Duration::from_nanos(TOKEN)).expect("a token is longer than nothing");
        let limiter = RateLimiter::new(quota.allow_burst(burst), view, time);
        limiter.clock().runs.store(true, Ordering::Release);
        Self { limiter, burst, floor, open: asked.per_second > 0.0 }
    }

    /// Takes so many tokens (as many as the burst, if it is less), or says how long until they are there.
    pub fn take(&self, key: &S::Key, tokens: u32) -> Result<(), Duration> {
        if !self.open {
            return Err(NOT_SOON);
        }
        let answer = match NonZeroU32::new(tokens.min(self.burst.get())) {
            // The common case is the cheaper one.
            None | Some(NonZeroU32::MIN) => Ok(self.limiter.check_key(key)),
            Some(tokens) => self.limiter.check_key_n(key, tokens),
        };
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(self.wait(not_until.earliest_possible().as_u64())),
            // More than the burst, which is never asked for.
            Err(_) => Err(NOT_SOON),
        }
    }

    /// How long until that token time, to the nanosecond; at most [`NOT_SOON`], for by then the rate may be another one.
    #[cold]
    fn wait(&self, time: u64) -> Duration {
        let TokenTime { clock, pace, .. } = self.limiter.clock();
        let wait = pace.when(time).map(|when| Duration::from_nanos(when.saturating_sub(clock.now())));
        wait.unwrap_or(NOT_SOON).min(NOT_SOON)
    }

    /// The token time.
    #[inline]
    pub fn now(&self) -> u64 {
        self.limiter.clock().now().as_u64()
    }

    /// The tokens of a bucket that is spent up to that token time.
    #[cfg(test)]
    pub fn tokens(&self, spent: u64) -> f64 {
        let held = self.now().saturating_sub(spent.max(self.floor)).min(self.capacity());
        held as f64 / TOKEN as f64
    }

    /// The burst in force.
    #[cfg(test)]
    pub fn burst(&self) -> u32 {
        self.burst.get()
    }

    /// The burst in force, in token time.
    pub fn capacity(&self) -> u64 {
        capacity(self.burst)
    }
}

impl<S: Store> std::fmt::Debug for Terms<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms").field("burst", &self.burst).field("open", &self.open).finish_non_exhaustive()
    }
}

fn capacity(burst: NonZeroU32) -> u64 {
    u64::from(burst.get()) * TOKEN
}

/// A store as governor sees it: for each bucket the time at which it is full, as calls arrive at the rate.
struct View<S> {
    store: S,
    floor: u64,
    capacity: u64,
}

impl<S: Store> StateStore for View<S> {
    type Key = S::Key;

    #[inline]
    fn measure_and_replace<T, F, E>(&self, key: &S::Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.store.spend(key, |spent| {
            let full_at = spent.max(self.floor) + self.capacity;
            decide(Some(full_at.into())).map(|(taken, full_at)| (taken, full_at.as_u64() - self.capacity))
        })
    }
}

/// governor's clock: token time, whose units it takes for nanoseconds.
struct TokenTime {
    clock: Clock,
    pace: Pace,
    /// governor takes the first reading as the origin of all its times: zero here, so that the times of all terms mean the
    /// same.
    runs: AtomicBool,
}

impl governor::clock::Clock for TokenTime {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        if !self.runs.load(Ordering::Acquire) {
            return 0.into();
        }
        // The clock before the stretch's end: see `pace`.
        let now = self.clock.now();
        self.pace.at(now).into()
    }
}
