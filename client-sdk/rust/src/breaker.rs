//! Circuit breakers: stop calling what is down, find out gently when it is up again.
//!
//! A limiter has a breaker of the same name and asks it itself; use a breaker on its own for calls that have no limiter.
//! The local rules are few on purpose, they are what still works without a sidecar: several hard failures in a row trip, a
//! few probes find out, traffic comes back by and by. Failure rates, latencies and confidence are judged in the sidecar,
//! which pushes a state.

mod machine;
mod probes;
mod pushed;
mod ramp;
mod tally;
mod wait;
mod word;

use std::sync::Mutex;
use std::time::Duration;

use setpoint_policies::knob::Knob;
use setpoint_policies::probes::Probed;
use setpoint_policies::value::{Breaker as BreakerSetpoint, Value};
pub use setpoint_proto::message::BreakerState;

use crate::actuator::{Actuator, Entry, Inner};
use crate::clock::Clock;
use crate::declare::Declaration;
use crate::limiter::Place;
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::rejected::{RejectReason, Rejected};
use crate::slot::Slot;
use crate::sync::{Padded, locked};
pub(crate) use machine::Pass;
use machine::{Machine, Rules};
use word::State;

/// A circuit breaker, knob `breaker.NAME`. Copies are the same breaker, which lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub struct Breaker(&'static Core);

#[derive(Debug)]
pub(crate) struct Core {
    slot: Slot,
    machine: Padded<Machine>,
    clock: Clock,
    /// The state that was logged last: transitions happen on the request path, their log lines do not.
    logged: Mutex<State>,
}

impl Breaker {
    /// Lets a call through or rejects it. For calls without a limiter; a limiter of the same name asks by itself.
    ///
    /// # Errors
    /// [`Rejected`] with [`RejectReason::BreakerOpen`].
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit, Rejected> {
        match self.0.admit() {
            Ok(pass) => Ok(Permit::new(None, self.0, pass, Place::NONE)),
            Err(retry_after) => Err(self.0.rejected(retry_after)),
        }
    }

    /// The state now. An open breaker whose wait is over stays open until a call comes.
    pub fn state(&self) -> BreakerState {
        match self.0.machine.state() {
            State::Closed | State::PushedClosed => BreakerState::Closed,
            State::Recovering => BreakerState::Recovering,
            State::HalfOpen | State::PushedHalfOpen => BreakerState::HalfOpen,
            State::Open | State::PushedOpen => BreakerState::Open,
            State::ForcedOpen => BreakerState::ForcedOpen,
            State::Disabled => BreakerState::Disabled,
            State::Shadow => BreakerState::Shadow,
        }
    }

    /// How often it would have opened by its own rule while it was in [`BreakerState::Shadow`].
    pub fn would_have_opened(&self) -> u64 {
        self.0.machine.would_have_opened()
    }

    /// The callee has asked to be left alone for so long (Retry-After; an hour at most). If the breaker opens before that is
    /// over, it stays open for as long, within its longest wait.
    pub fn retry_after(&self, for_so_long: Duration) {
        self.0.asked(for_so_long);
    }

    /// Holds the breaker in a state, whatever is pushed, until [`Breaker::unpin`].
    pub fn pin(&self, state: BreakerSetpoint) {
        // The only kind of value that a breaker takes cannot be refused.
        let _ = self.0.slot.pin(Some(Value::Breaker(state)), |value| self.0.put(value));
    }

    /// Gives the breaker back to what is pushed.
    pub fn unpin(&self) {
        let _ = self.0.slot.pin(None, |value| self.0.put(value));
    }

    /// The one of that name, made if need be, without local rules.
    pub(crate) fn registered(inner: &Inner, name: &str) -> Self {
        let knob = Declaration::breaker(name);
        let name = knob.name().clone();
        let make = || Entry::Breaker(Self::leak(inner, knob.checked()));
        match inner.registry.register(&name, make) {
            Some(Entry::Breaker(breaker)) => breaker,
            _ => inner.open(&name).limiter.breaker(),
        }
    }

    /// A breaker that lives for ever, like the handles and permits that point to it.
    pub(crate) fn leak(inner: &Inner, knob: Knob) -> Self {
        Self(Box::leak(Box::new(Core {
            slot: Slot::new(knob),
            machine: Padded(Machine::new(inner.seed)),
            clock: inner.clock.clone(),
            logged: Mutex::new(State::Closed),
        })))
    }

    pub(crate) const fn of(core: &'static Core) -> Self {
        Self(core)
    }

    pub(crate) const fn core(self) -> &'static Core {
        self.0
    }
}

/// In place of a time.
const NOT_READ: u64 = u64::MAX;

impl Core {
    /// Lets a call through, or says when to come back.
    #[inline]
    pub fn admit(&self) -> Result<Pass, Duration> {
        self.machine.admit(|| self.clock.now())
    }

    /// What a call is told that is not let through.
    #[inline]
    pub fn rejected(&'static self, retry_after: Duration) -> Rejected {
        let limit = self.slot.knob().name.as_str();
        Rejected { limit, reason: RejectReason::BreakerOpen, retry_after }
    }

    /// `at`: when the call ended, if the clock was looked at.
    #[inline]
    pub fn settle(&self, pass: Pass, outcome: Outcome, at: Option<u64>) {
        // One word, since two and the clock would be written to memory for each call.
        let at = at.unwrap_or(NOT_READ);
        self.machine.settle(pass, outcome, move || if at == NOT_READ { self.clock.now() } else { at });
    }

    pub fn give_back(&self, pass: Pass) {
        self.machine.give_back(pass);
    }

    pub fn failures_in_a_row(&self) -> u64 {
        self.machine.failures_in_a_row()
    }

    /// The probes of the round that was pushed, while it lasts.
    pub fn probed(&self) -> Option<Probed> {
        self.machine.probed()
    }

    /// The callee has asked to be left alone for so long.
    pub fn asked(&self, for_so_long: Duration) {
        self.machine.asked(for_so_long, self.clock.now());
    }

    /// How much longer the callee wants to be left alone.
    pub fn left_alone_for(&self) -> Option<Duration> {
        self.machine.retry_after(self.clock.now())
    }

    /// A limiter asks this breaker.
    pub fn limited(&self) {
        self.machine.limited();
    }

    /// In a recovery: its generation, and the share of its limit that the limiter may use.
    pub fn recovery(&self, at_nanos: u64) -> Option<(u64, f64)> {
        self.machine.recovery(at_nanos)
    }

    /// The limiter goes by the share of the recovery of this generation.
    pub fn led(&self, generation: u64) {
        self.machine.led(generation);
    }

    fn put(&self, value: Option<Value>) {
        let state = match value {
            Some(Value::Breaker(state)) => state,
            // The kill switch: let everything through.
            _ => BreakerSetpoint::Disabled,
        };
        self.machine.push(&state, self.clock.now());
    }
}

impl Actuator for Breaker {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        self.0.put(value);
    }

    fn breaker(&self) -> Option<BreakerState> {
        Some(self.state())
    }

    fn close_slice(&self, at_nanos: u64) -> bool {
        let machine = &self.0.machine;
        machine.tick(at_nanos);
        let state = machine.state();
        let logged = std::mem::replace(&mut *locked(&self.0.logged), state);
        if logged != state {
            let (knob, would_reject) = (&self.0.slot.knob().name, machine.would_reject());
            tracing::info!(%knob, from = logged.name(), to = state.name(), would_reject, "breaker moved");
        }
        false
    }
}

/// Declares a breaker that also trips by itself. See [`crate::Setpoint::breaker`].
#[must_use = "nothing happens before `register`"]
pub struct BreakerBuilder<'a> {
    inner: &'a Inner,
    name: String,
    rules: Rules,
}

impl<'a> BreakerBuilder<'a> {
    pub(crate) fn new(inner: &'a Inner, name: &str) -> Self {
        Self { inner, name: name.to_owned(), rules: Rules::default() }
    }

    /// Trips after so many hard failures in a row. Default 7; 0: never by itself.
    pub fn failures(mut self, in_a_row: u32) -> Self {
        self.rules.failures = in_a_row;
        self
    }

    /// The first wait in open and the longest, to which it doubles. Default 1 s and 30 s.
    pub fn wait_in_open(mut self, shortest: Duration, longest: Duration) -> Self {
        (self.rules.wait, self.rules.longest_wait) = (shortest, longest.max(shortest));
        self
    }

    /// How long it takes until all calls pass again, once probes have succeeded. Default 10 s; 0: at once.
    pub fn ramp(mut self, ramp: Duration) -> Self {
        self.rules.ramp = ramp;
        self
    }

    /// Registers the breaker, or finds the one of that name and gives it these local rules.
    pub fn register(self) -> Breaker {
        let breaker = Breaker::registered(self.inner, &self.name);
        breaker.0.machine.arm(self.rules);
        breaker
    }
}

#[cfg(test)]
mod tests;
