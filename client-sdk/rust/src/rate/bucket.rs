//! A bucket of governor's that can be filled to a given level, which governor itself does not offer.
//!
//! governor's quota cannot be changed and a new limiter starts full, so a rate that is pushed ten times a second would
//! hand out ten bursts a second. Its state store can be replaced, though: ours is the same one word, a theoretical arrival
//! time, that we can also read and write. So the level of the old bucket is carried over, with its fraction of a call:
//! without that, a slow rate that is pushed often would never come to a whole one.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter, clock::Clock as _};

use crate::clock::Clock;
use crate::sync::{AtomicU64, Ordering};

/// The slowest rate, one call in 31 years.
const SLOWEST_PER_SECOND: f64 = 1e-9;
/// The most that a full bucket may be worth, nanoseconds (73 years): governor's times must not overflow.
const LONGEST_NANOS: u64 = 1 << 61;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    limiter: RateLimiter<NotKeyed, Arrival, Time, NoOpMiddleware<Nanos>>,
    arrival: Arrival,
    per_call_nanos: u64,
    burst: u32,
}

impl Bucket {
    /// A bucket that holds `tokens` (at most its burst) now. `None` lets nothing through: the rate is zero.
    pub fn holding(tokens: f64, per_second: f64, burst: Option<f64>, clock: &Clock) -> Option<Self> {
        if per_second <= 0.0 {
            return None;
        }
        let per_call_nanos = ((1e9 / per_second.max(SLOWEST_PER_SECOND)).round() as u64).max(1);
        let most = u32::try_from(LONGEST_NANOS / per_call_nanos).unwrap_or(u32::MAX).max(1);
        let burst = (burst.unwrap_or(per_second).ceil() as u32).clamp(1, most);
        let quota = Quota::with_period(Duration::from_nanos(per_call_nanos))?;
        let missing = f64::from(burst) - tokens.clamp(0.0, f64::from(burst));
        let arrival = clock.now() + (missing * per_call_nanos as f64) as u64;
        let arrival = Arrival(Arc::new(AtomicU64::new(arrival)));
        // governor takes the first reading of its clock as the origin of all its times: zero here, so that the arrival
        // times of all buckets mean the same.
        let time = Time(OnceLock::new());
        let limiter = RateLimiter::new(quota.allow_burst(NonZeroU32::new(burst)?), arrival.clone(), time);
        limiter.clock().0.set(clock.clone()).expect("nobody else has seen this clock");
        Some(Self { limiter, arrival, per_call_nanos, burst })
    }

    /// Takes a token, or says how long until there is one.
    pub fn take(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|not_until| not_until.wait_time_from(self.limiter.clock().now()))
    }

    /// Tokens in the bucket, with the fraction that has already dripped in.
    pub fn tokens(&self) -> f64 {
        let now = self.limiter.clock().now().as_u64();
        let missing = self.arrival.0.load(Ordering::Acquire).saturating_sub(now);
        f64::from(self.burst) - missing as f64 / self.per_call_nanos as f64
    }
}

/// When the next call would arrive if calls came evenly: the whole state of a bucket.
#[derive(Debug, Clone)]
struct Arrival(Arc<AtomicU64>);

impl StateStore for Arrival {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut held = self.0.load(Ordering::Acquire);
        loop {
            let (taken, next) = decide(Some(held.into()))?;
            match self.0.compare_exchange_weak(held, next.as_u64(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(taken),
                Err(found) => held = found,
            }
        }
    }
}

/// The SDK's clock, which stands at zero until it is set.
#[derive(Debug)]
struct Time(OnceLock<Clock>);

impl governor::clock::Clock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.get().map_or(0, Clock::now).into()
    }
}
