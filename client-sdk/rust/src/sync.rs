//! The atomics of the request path: the standard ones, or loom's when the memory-model tests are built.
//!
//! Words that different threads write lie 128 bytes apart ([`Padded`]): x86 fetches cache lines in pairs.

use std::ops::Deref;
use std::sync::PoisonError;

#[cfg(setpoint_loom)]
pub(crate) use loom::sync::{
    Mutex as ModelledMutex, MutexGuard as ModelledGuard,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};
use std::sync::{Mutex, MutexGuard};
#[cfg(not(setpoint_loom))]
pub(crate) use std::sync::{
    Mutex as ModelledMutex, MutexGuard as ModelledGuard,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};

/// A value on cache lines of its own.
#[repr(align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(setpoint_loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(not(setpoint_loom))]
pub(crate) use std::thread::yield_now;

/// Locks a mutex off the request path; a panic of an earlier holder left nothing half done in any of them.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a mutex that the memory-model tests know of.
pub(crate) fn locked_modelled<T>(mutex: &ModelledMutex<T>) -> ModelledGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spreads the bits of a counter evenly (the finaliser of splitmix64), for jitter without a random number generator.
pub(crate) const fn scatter(counter: u64) -> u64 {
    let x = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number from 0 to below 1 that looks random, out of a counter.
pub(crate) fn jitter(counter: u64) -> f64 {
    // The upper 53 bits fill the mantissa exactly.
    (scatter(counter) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Runs `model` under every schedule with up to three preemptions; more than that finds nothing new in a few words.
#[cfg(all(test, setpoint_loom))]
pub(crate) fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 10_000;
    builder.check(model);
}
