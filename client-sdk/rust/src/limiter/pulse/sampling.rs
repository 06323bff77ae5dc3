//! What the calls of a limiter are told about sampling: which slice it is, and one call in how many.

use std::time::Duration;

use super::FIRST_SLICE;
use crate::limiter::thresholds::Thresholds;
use crate::sync::{AtomicU64, Ordering};

/// What a limiter says about it. The request path passes a reference on: three words would be written first.
#[derive(Debug)]
pub(crate) struct Sampling {
    /// Slices of 50 ms since the start.
    pub(super) slice: AtomicU64,
    /// One call in so many.
    pub(super) every: u64,
    pub(super) thresholds: Thresholds,
}

impl Sampling {
    /// 0 is the same as 1.
    pub fn new(every: u32, deadline: Option<Duration>) -> Self {
        let thresholds = Thresholds::new(deadline);
        Self { slice: AtomicU64::new(FIRST_SLICE), every: u64::from(every.max(1)), thresholds }
    }

    /// Whether every call reads the clock.
    #[inline]
    pub const fn is_off(&self) -> bool {
        self.every == 1
    }

    #[inline]
    pub const fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Begins the next slice.
    pub fn close_slice(&self) {
        self.slice.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn slice(&self) -> u64 {
        self.slice.load(Ordering::Relaxed)
    }
}
