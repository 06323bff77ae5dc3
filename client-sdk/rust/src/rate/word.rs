//! The store of a single bucket: one word.

use super::terms::Store;
use crate::sync::{AtomicU64, Ordering};

/// Up to what token time the bucket is spent.
#[derive(Debug)]
pub struct Word(AtomicU64);

impl Word {
    /// Of a bucket that is full.
    pub fn full() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Up to what token time it is spent.
    #[cfg(test)]
    pub fn spent(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Store for &'static Word {
    type Key = ();

    #[inline]
    fn spend<T, E>(&self, _key: &(), decide: impl Fn(u64) -> Result<(T, u64), E>) -> Result<T, E> {
        let mut spent = self.0.load(Ordering::Acquire);
        loop {
            let (taken, next) = decide(spent)?;
            match self.0.compare_exchange_weak(spent, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(taken),
                Err(found) => spent = found,
            }
        }
    }
}
