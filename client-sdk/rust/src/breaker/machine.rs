//! The breaker's states and transitions, on a handful of atomic words.
//!
//! One word holds state, generation and the end of what the state waits for, so that every transition is one
//! compare-and-swap. Each transition begins a new generation, and a call carries the generation that it was let in under: what
//! a straggler of an earlier generation has to say never moves the state. Without that, calls that were already hanging when
//! the breaker opened decide the fate of the probes.
//!
//! | state | calls | leaves when |
//! |---|---|---|
//! | closed | pass | `failures` hard failures in a row: open |
//! | open | rejected | the wait is over and a call comes: half open |
//! | half open | a few probes: [`Budget`] | they failed, or did not come back: open, longer. They succeeded: recovering |
//! | recovering | more and more: [`super::ramp`] | `failures` in a row: open, longer. The ramp is over: closed |
//! | pushed closed, half open, open, forced open, disabled | as the sidecar or the owner says | it says something else |
//! | shadow | pass; what the rule would do is only told | it says something else |
//!
//! A stay in half open ends also when its probes say nothing or never come back; see [`Budget::judge`]. What time alone brings
//! about, the next call does or the session's thread, whichever comes first ([`Machine::tick`]).
//!
//! Time is an argument: nanoseconds of a clock that the caller owns. One that jumps back makes waits longer, never shorter
//! than they were meant to be.

mod settle;
mod upkeep;

use std::time::Duration;

use setpoint_policies::probes::Budget;
use setpoint_policies::value::Breaker;

use super::probes::{ALL_OUT, Probes, Wished};
use super::pushed::Pushed;
use super::ramp::Ramp;
use super::tally::{Ended, MovedOn, Tally};
use super::wait::{Wait, millis};
use super::word::{Probe, State, Word};
use crate::sync::{AtomicU64, Ordering};

/// When the local breaker trips, how long it stays open, and how long all calls take to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub failures: u32,
    pub wait: Duration,
    pub longest_wait: Duration,
    pub ramp: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { failures: 7, wait: seconds(1), longest_wait: seconds(30), ramp: seconds(10) }
    }
}

/// The right to go through the breaker once: a packed [`Probe`], or for a call that is none something without a deadline, the
/// word that it was let in under. One word, because every call carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass(u64);

impl Pass {
    /// Of a call that no breaker knows of.
    pub const NONE: Self = Self(0);

    #[inline]
    const fn free(generation: u64) -> Self {
        Self(Probe { generation, deadline_ms: 0, index: 0 }.pack())
    }

    #[cfg(test)]
    pub const fn generation(self) -> u64 {
        Word::unpack(self.0).generation
    }

    #[inline]
    pub(super) const fn probe(self) -> Option<Probe> {
        match Probe::unpack(self.0) {
            Some(probe) if probe.deadline_ms != 0 => Some(probe),
            _ => None,
        }
    }
}

/// The state machine of one breaker.
#[derive(Debug)]
pub(crate) struct Machine {
    word: AtomicU64,
    tally: Tally,
    /// As many failures in a row trip it; 0: it never trips by itself.
    failures: AtomicU64,
    /// Times that its rule would have tripped it, in shadow.
    would_have: AtomicU64,
    budget: Budget,
    wait: Wait,
    probes: Probes,
    pushed: Pushed,
    ramp: Ramp,
}

impl Machine {
    /// A closed breaker that does not trip by itself until it is [`Machine::arm`]ed.
    pub fn new(seed: u64) -> Self {
        Self {
            word: AtomicU64::new(0),
            tally: Tally::new(),
            failures: AtomicU64::new(0),
            would_have: AtomicU64::new(0),
            budget: Budget::default(),
            wait: Wait::new(seed),
            probes: Probes::new(),
            pushed: Pushed::new(),
            ramp: Ramp::new(Rules::default().ramp),
        }
    }

    /// Sets the rules of the local breaker.
    pub fn arm(&self, rules: Rules) {
        self.wait.set(rules.wait, rules.longest_wait);
        self.ramp.set(rules.ramp);
        self.failures.store(u64::from(rules.failures), Ordering::Relaxed);
        // What failed before there was a rule breaks none.
        self.tally.clear(self.load().generation);
    }

    /// Lets a call through, or says when to come back. The clock is read only where the answer depends on it.
    #[inline]
    pub fn admit(&self, now_nanos: impl FnOnce() -> u64) -> Result<Pass, Duration> {
        let packed = self.word.load(Ordering::Acquire);
        if Word::passes_all(packed) {
            return Ok(Pass(packed));
        }
        self.admit_unless_shut(packed, now_nanos)
    }

    /// Takes a state from outside; [`Breaker::Local`] hands the breaker back to its own rules.
    pub fn push(&self, pushed: &Breaker, now_nanos: u64) {
        let (asked, now_ms) = (self.pushed.take_in(pushed), now_nanos / 1_000_000);
        loop {
            let word = self.load();
            let (state, until_ms) = match (asked, pushed) {
                // A local breaker that is told to be local goes on as it was.
                (State::Closed, _) if word.state.is_local() => return,
                // It was shut for a reason. Rules of its own can find out whether that still holds.
                (State::Closed, _) if self.armed() && was_rejecting(word.state) => {
                    (State::HalfOpen, now_ms + millis(self.budget.patience()))
                }
                (State::Recovering, Breaker::Recovering { ramp }) => {
                    self.ramp.begin(millis(*ramp));
                    (State::Recovering, now_ms + millis(*ramp))
                }
                (state, _) => (state, 0),
            };
            if state == State::Closed {
                self.wait.closed(now_ms);
            }
            if self.transition(word, state, until_ms) {
                return;
            }
        }
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.load().state
    }

    #[cold]
    fn admit_unless_shut(&self, packed: u64, now_nanos: impl FnOnce() -> u64) -> Result<Pass, Duration> {
        let word = Word::unpack(packed);
        if word.state.is_shut() {
            return Err(self.pushed.retry_after());
        }
        self.admit_some(word, now_nanos() / 1_000_000)
    }

    fn admit_some(&self, mut word: Word, now_ms: u64) -> Result<Pass, Duration> {
        loop {
            match word.state {
                State::Closed | State::PushedClosed | State::Disabled | State::Shadow => {
                    return Ok(Pass::free(word.generation));
                }
                State::Recovering if now_ms >= word.until_ms => self.close(word, now_ms),
                State::Recovering => {
                    let share = || self.ramp.share(word.until_ms, now_ms);
                    let passes = self.ramp.passes(word.generation, share);
                    return if passes { Ok(Pass::free(word.generation)) } else { Err(ALL_OUT) };
                }
                State::Open if now_ms < word.until_ms => {
                    return Err(Duration::from_millis(word.until_ms - now_ms));
                }
                // Where a transition loses its race, the winner's word is looked at next.
                State::Open => {
                    _ = self.transition(word, State::HalfOpen, now_ms + millis(self.budget.patience()));
                }
                State::HalfOpen | State::PushedHalfOpen => {
                    self.look_after_probes(word, now_ms);
                    if let Ok(answer) = self.probe(word, now_ms) {
                        return answer;
                    }
                }
                State::PushedOpen | State::ForcedOpen => {
                    return Err(self.pushed.retry_after());
                }
            }
            word = self.load();
        }
    }

    /// Lets a probe out, if the budget has one left.
    fn probe(&self, word: Word, now_ms: u64) -> Result<Result<Pass, Duration>, MovedOn> {
        let (most, total, deadline_ms) = match word.state {
            State::PushedHalfOpen => self.pushed.probes(),
            _ => (self.budget.concurrent(), self.budget.total(), millis(self.budget.deadline())),
        };
        match self.probes.take(word.generation, most, now_ms + deadline_ms) {
            Wished::Moved => Err(MovedOn),
            Wished::AllOut => Ok(Err(ALL_OUT)),
            Wished::Got(probe) => {
                let let_out = self.tally.let_out(word.generation, total, || self.load().generation);
                if matches!(let_out, Ok(true)) {
                    return Ok(Ok(Pass(probe.pack())));
                }
                self.probes.give_back(probe);
                let_out.map(|_| Err(ALL_OUT))
            }
        }
    }

    fn armed(&self) -> bool {
        self.failures.load(Ordering::Relaxed) > 0
    }

    #[inline]
    pub(super) fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    /// Moves from exactly `from` to a new generation in `state`; false when it has moved already.
    fn transition(&self, from: Word, state: State, until_ms: u64) -> bool {
        let to = Word { state, generation: from.next_generation(), until_ms };
        self.word.compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

const fn was_rejecting(state: State) -> bool {
    matches!(state, State::PushedOpen | State::PushedHalfOpen)
}

#[cfg(all(test, setpoint_loom))]
mod loom_tests;
