//! What a pushed state carries beside its name. Written before the state is, so that whoever sees the state sees these.

use std::time::Duration;

use setpoint_policies::value::Breaker;

use super::probes::MAX_PROBES;
use super::word::State;
use crate::sync::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Pushed {
    retry_after_nanos: AtomicU64,
    probe_ratio_bits: AtomicU64,
    probe_max: AtomicU64,
    /// Calls that asked while half open by push.
    tickets: AtomicU64,
}

impl Pushed {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { retry_after_nanos: zero(), probe_ratio_bits: zero(), probe_max: zero(), tickets: zero() }
    }

    /// Stores the details of a pushed state and names it.
    pub fn take_in(&self, pushed: &Breaker) -> State {
        match *pushed {
            Breaker::Local => State::Closed,
            Breaker::Closed => State::PushedClosed,
            Breaker::HalfOpen { probe_ratio, probe_max } => {
                self.probe_ratio_bits.store(probe_ratio.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
                self.probe_max.store(u64::from(probe_max), Ordering::Relaxed);
                State::PushedHalfOpen
            }
            Breaker::Open { retry_after } => self.shut(State::PushedOpen, retry_after),
            Breaker::ForcedOpen { retry_after } => self.shut(State::ForcedOpen, retry_after),
        }
    }

    /// What callers of a shut breaker are told.
    #[inline]
    pub fn retry_after(&self) -> Duration {
        Duration::from_nanos(self.retry_after_nanos.load(Ordering::Relaxed))
    }

    /// Whether the next call belongs to the share that is let through, evenly spread.
    pub fn lot_falls(&self) -> bool {
        let ratio = f64::from_bits(self.probe_ratio_bits.load(Ordering::Relaxed));
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed) as f64;
        (ticket * ratio).floor() < ((ticket + 1.0) * ratio).floor()
    }

    /// Probes at once.
    pub fn probes(&self) -> usize {
        let most = self.probe_max.load(Ordering::Relaxed);
        usize::try_from(most).map_or(MAX_PROBES, |most| most.min(MAX_PROBES))
    }

    fn shut(&self, state: State, retry_after: Duration) -> State {
        let nanos = u64::try_from(retry_after.as_nanos()).unwrap_or(u64::MAX);
        self.retry_after_nanos.store(nanos, Ordering::Relaxed);
        state
    }
}
