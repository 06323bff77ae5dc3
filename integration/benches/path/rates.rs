//! A rate check: ours, governor alone, and a layer of another project, none of which rejects; and rejections.
//!
//! Ours is governor with terms that can be replaced, exact counters and a clock read for each call; so governor alone, with
//! the clock that it comes with, is the floor of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::{Quota, RateLimiter};
use setpoint_sdk::Setpoint;
use tower::Layer;
use tower_resilience_ratelimiter::RateLimiterLayer;

use super::interleaved::Case;
use super::peers::{service, work};

/// Out of reach, and not so far that anybody's arithmetic ends.
const PER_SECOND: u32 = 100_000_000;
/// Keys in turn, so that each of them is found and none is new.
const KEYS: u32 = 1024;

/// Each thread begins at another key.
fn keys() -> impl FnMut() -> (u32, &'static str) {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    let mut next = THREADS.fetch_add(KEYS / 2 + 1, Ordering::Relaxed);
    move || {
        next = next.wrapping_add(1);
        (next % KEYS, "/orders")
    }
}

/// Ours. The setpoint is to be kept while they run.
pub fn ours(setpoint: &Setpoint) -> Vec<Case> {
    let free = |name| setpoint.rate(name).bounds(1.0, 1e8).baseline(f64::from(PER_SECOND));
    let (rate, keyed) =
        (free("free").register(), free("free-keyed").for_each_key(KEYS as usize * 4).register());
    let slow = |name| setpoint.rate(name).bounds(0.001, 1.0).baseline(0.001);
    let (empty, empty_keyed) = (slow("empty").register(), slow("empty-keyed").for_each_key(16).register());
    _ = (empty.try_acquire(), empty_keyed.try_acquire("one"));
    vec![
        Case::new("rate", move || move || assert!(rate.try_acquire().is_ok())),
        Case::new("rate-rejected", move || move || assert!(empty.try_acquire().is_err())),
        Case::new("rate-of-a-key", move || {
            let mut next = keys();
            move || assert!(keyed.try_acquire(&next()).is_ok())
        }),
        Case::new("rate-of-a-key-rejected", move || move || assert!(empty_keyed.try_acquire("one").is_err())),
    ]
}

/// Other projects'.
pub fn peers() -> anyhow::Result<Vec<Case>> {
    let quota = Quota::per_second(NonZeroU32::new(PER_SECOND).expect("more than none"));
    let (direct, keyed) = (Arc::new(RateLimiter::direct(quota)), Arc::new(RateLimiter::dashmap(quota)));
    let hour = Quota::per_hour(NonZeroU32::MIN);
    let empty = Arc::new(RateLimiter::direct(hour));
    _ = empty.check();
    let layer = RateLimiterLayer::burst(PER_SECOND as usize, PER_SECOND as usize);
    let layer = layer.timeout_duration(Duration::ZERO).build()?;
    Ok(vec![
        Case::new("governor", move || {
            let limiter = direct.clone();
            move || assert!(limiter.check().is_ok())
        }),
        Case::new("governor-rejected", move || {
            let limiter = empty.clone();
            move || assert!(limiter.check().is_err())
        }),
        Case::new("governor-of-a-key", move || {
            let (limiter, mut next) = (keyed.clone(), keys());
            move || assert!(limiter.check_key(&next()).is_ok())
        }),
        service("tower-resilience-ratelimiter", layer.layer(work())),
    ])
}
