//! What a pushed state carries beside its name. Written before the state is, so that whoever sees the state sees these.

use std::time::Duration;

use setpoint_policies::value::Breaker;

use super::probes::MAX_PROBES;
use super::wait::millis;
use super::word::State;
use crate::sync::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Pushed {
    retry_after_nanos: AtomicU64,
    round: AtomicU64,
    probe_max: AtomicU64,
    probe_total: AtomicU64,
    deadline_ms: AtomicU64,
    would_reject: AtomicU64,
}

impl Pushed {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            retry_after_nanos: zero(),
            round: zero(),
            probe_max: zero(),
            probe_total: zero(),
            deadline_ms: zero(),
            would_reject: zero(),
        }
    }

    /// Stores the details of a pushed state and names it.
    pub fn take_in(&self, pushed: &Breaker) -> State {
        match *pushed {
            Breaker::Local => State::Closed,
            Breaker::Closed => State::PushedClosed,
            Breaker::HalfOpen { round, probe_max, probe_total, deadline } => {
                let words = [&self.round, &self.probe_max, &self.probe_total, &self.deadline_ms];
                let numbers = [round.into(), probe_max.into(), probe_total.into(), millis(deadline)];
                words.iter().zip(numbers).for_each(|(word, number)| word.store(number, Ordering::Relaxed));
                State::PushedHalfOpen
            }
            Breaker::Open { retry_after } => self.shut(State::PushedOpen, retry_after),
            Breaker::ForcedOpen { retry_after } => self.shut(State::ForcedOpen, retry_after),
            Breaker::Recovering { .. } => State::Recovering,
            Breaker::Disabled => State::Disabled,
            Breaker::Shadow { would_reject } => {
                self.would_reject.store(would_reject.into(), Ordering::Relaxed);
                State::Shadow
            }
        }
    }

    /// What callers of a shut breaker are told.
    #[inline]
    pub fn retry_after(&self) -> Duration {
        Duration::from_nanos(self.retry_after_nanos.load(Ordering::Relaxed))
    }

    /// The stay in half open that was pushed last.
    pub fn round(&self) -> u32 {
        self.round.load(Ordering::Relaxed) as u32
    }

    /// Probes at once, in all, and the milliseconds that each has. Of those in all, a tally can hold 1000.
    pub fn probes(&self) -> (u32, u32, u64) {
        let [most, total, deadline] =
            [&self.probe_max, &self.probe_total, &self.deadline_ms].map(|word| word.load(Ordering::Relaxed));
        (most.min(MAX_PROBES as u64) as u32, total.min(1000) as u32, deadline)
    }

    /// Whether an enforced breaker would reject calls now; in shadow only.
    pub fn would_reject(&self) -> bool {
        self.would_reject.load(Ordering::Relaxed) != 0
    }

    fn shut(&self, state: State, retry_after: Duration) -> State {
        let nanos = u64::try_from(retry_after.as_nanos()).unwrap_or(u64::MAX);
        self.retry_after_nanos.store(nanos, Ordering::Relaxed);
        state
    }
}
