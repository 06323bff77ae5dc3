//! The breaker's states and transitions, on a handful of atomic words.
//!
//! One word holds state, generation and the end of the wait, so that every transition is one compare-and-swap. Each
//! transition begins a new generation, and a call carries the generation that it was let in under: what a straggler of an
//! earlier generation has to say is counted, but never moves the state. Without that, calls that were already hanging when
//! the breaker opened decide the fate of the probes.
//!
//! | state | calls | leaves when |
//! |---|---|---|
//! | closed | pass | `failures` hard failures in a row: open |
//! | open | rejected | the wait is over and a call comes: half open |
//! | half open | at most 2 probes at once | 3 probes succeed: closed. One fails, is dropped or is out for 3 s: open, longer |
//! | pushed closed, half open, open, forced open | as the sidecar says | it says something else |
//!
//! Time is an argument: nanoseconds of a clock that the caller owns.

use std::time::Duration;

use setpoint_policies::value::Breaker;

use super::probes::{ALL_OUT, Probes, Wished};
use super::pushed::Pushed;
use super::wait::Wait;
use super::word::{Probe, State, Tally, Word};
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering};

/// When the local breaker trips and how long it stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub failures: u32,
    pub wait: Duration,
    pub longest_wait: Duration,
}

/// Probes at once when the local breaker is half open.
const LOCAL_PROBES: usize = 2;
/// Probes that must succeed.
const PROBES_TO_CLOSE: u64 = 3;

/// The right to go through the breaker once: a packed [`Probe`], or one without a deadline for a call that is none. One
/// word, because every call carries it.
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
    const fn probe(self) -> Option<Probe> {
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
    /// Failures in a row (closed) or successful probes (half open) of one generation.
    tally: AtomicU64,
    /// Hard failures in a row of whatever generation: for the report, never for a decision.
    in_a_row: AtomicU64,
    /// As many in a row trip it; 0: it never trips by itself.
    failures: AtomicU64,
    wait: Wait,
    probes: Probes,
    pushed: Pushed,
}

impl Machine {
    /// A closed breaker that does not trip by itself until it is [`Machine::arm`]ed.
    pub fn new(seed: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            word: zero(),
            tally: zero(),
            in_a_row: zero(),
            failures: zero(),
            wait: Wait::new(seed),
            probes: Probes::new(),
            pushed: Pushed::new(),
        }
    }

    /// Sets the rules of the local breaker.
    pub fn arm(&self, rules: Rules) {
        self.wait.set(rules.wait, rules.longest_wait);
        self.failures.store(u64::from(rules.failures), Ordering::Relaxed);
    }

    /// Lets a call through, or says when to come back. The clock is read only where the answer depends on it.
    #[inline]
    pub fn admit(&self, now_nanos: impl FnOnce() -> u64) -> Result<Pass, Duration> {
        let packed = self.word.load(Ordering::Acquire);
        if Word::passes_all(packed) {
            return Ok(Pass(Word::generation_bits(packed)));
        }
        self.admit_unless_shut(packed, now_nanos)
    }

    /// Takes the result of a call that was let through. The clock is read only where something depends on it.
    #[inline]
    pub fn settle(&self, pass: Pass, outcome: Outcome, now_nanos: impl FnOnce() -> u64) {
        match outcome {
            Outcome::Success if self.in_a_row.load(Ordering::Relaxed) != 0 => {
                self.in_a_row.store(0, Ordering::Relaxed);
            }
            Outcome::Failure => _ = self.in_a_row.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
        let packed = self.word.load(Ordering::Acquire);
        if Word::generation_bits(packed) != Word::generation_bits(pass.0) {
            return;
        }
        if Word::passes_all(packed) && outcome == Outcome::Success {
            self.clear(packed);
            return;
        }
        self.settle_exception(packed, pass, outcome, now_nanos);
    }

    #[cold]
    fn settle_exception(&self, packed: u64, pass: Pass, outcome: Outcome, now_nanos: impl FnOnce() -> u64) {
        let word = Word::unpack(packed);
        match (word.state, pass.probe()) {
            (State::Closed, _) if outcome == Outcome::Failure => {
                self.failed_closed(word, now_nanos() / 1_000_000);
            }
            (State::HalfOpen | State::PushedHalfOpen, Some(probe)) => {
                self.settle_probe(word, probe, outcome, now_nanos() / 1_000_000);
            }
            _ => {}
        }
    }

    /// The callee has asked to be left alone for so long.
    pub fn asked(&self, for_so_long: Duration, now_nanos: u64) {
        self.wait.asked(for_so_long, now_nanos / 1_000_000);
    }

    /// Gives a pass back unused.
    pub fn give_back(&self, pass: Pass) {
        if let Some(probe) = pass.probe() {
            self.probes.give_back(probe);
        }
    }

    /// Takes a state from outside; [`Breaker::Local`] hands the breaker back to its own rules, closed.
    pub fn push(&self, pushed: &Breaker, now_nanos: u64) {
        let state = self.pushed.take_in(pushed);
        loop {
            let word = self.load();
            if state == State::Closed && word.state.is_local() {
                return; // A local breaker that is told to be local goes on as it was.
            }
            if self.transition(word, state, 0) {
                break;
            }
        }
        if state == State::Closed {
            self.wait.closed(now_nanos / 1_000_000);
        }
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.load().state
    }

    /// Hard failures in a row, for the report.
    pub fn failures_in_a_row(&self) -> u64 {
        self.in_a_row.load(Ordering::Relaxed)
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
                State::Closed | State::PushedClosed => {
                    return Ok(Pass::free(word.generation));
                }
                State::Open if now_ms < word.until_ms => {
                    return Err(Duration::from_millis(word.until_ms - now_ms));
                }
                // Where a transition loses its race, the winner's word is looked at next.
                State::Open => _ = self.transition(word, State::HalfOpen, 0),
                State::HalfOpen => match self.probes.take(word.generation, LOCAL_PROBES, now_ms) {
                    Wished::Expired(_) => self.reopen(word, now_ms),
                    Wished::Moved => {}
                    wished => return into_pass(&wished),
                },
                State::PushedHalfOpen if self.pushed.lot_falls() => {
                    match self.probes.take(word.generation, self.pushed.probes(), now_ms) {
                        // The sidecar judges here: a probe that hangs only gives its place up.
                        Wished::Expired(probe) => _ = self.probes.give_back(probe),
                        Wished::Moved => {}
                        wished => return into_pass(&wished),
                    }
                }
                State::PushedHalfOpen => return Err(ALL_OUT),
                State::PushedOpen | State::ForcedOpen => {
                    return Err(self.pushed.retry_after());
                }
            }
            word = self.load();
        }
    }

    #[cold]
    fn failed_closed(&self, word: Word, now_ms: u64) {
        let failures = self.failures.load(Ordering::Relaxed);
        if failures > 0 && self.count(word) >= failures {
            self.open(word, self.wait.forgiven_doublings(now_ms), now_ms);
        }
    }

    #[cold]
    fn settle_probe(&self, word: Word, probe: Probe, outcome: Outcome, now_ms: u64) {
        if !self.probes.give_back(probe) || word.state != State::HalfOpen {
            return;
        }
        match outcome {
            _ if probe.expired(now_ms) => self.reopen(word, now_ms),
            Outcome::Dropped | Outcome::Failure => self.reopen(word, now_ms),
            Outcome::Success if self.count(word) >= PROBES_TO_CLOSE => {
                if self.transition(word, State::Closed, 0) {
                    self.wait.closed(now_ms);
                }
            }
            Outcome::Success | Outcome::Ignore => {}
        }
    }

    fn reopen(&self, word: Word, now_ms: u64) {
        self.open(word, self.wait.doublings(), now_ms);
    }

    /// Opens the breaker, unless it has moved on from `word`: then somebody else had the last word.
    fn open(&self, word: Word, doublings: u64, now_ms: u64) {
        let wait_ms = self.wait.length_ms(doublings, word.generation, now_ms);
        if self.transition(word, State::Open, now_ms + wait_ms) {
            self.wait.opened(doublings, wait_ms);
        }
    }

    #[inline]
    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    /// Moves from exactly `from` to a new generation in `state`; false when it has moved already.
    fn transition(&self, from: Word, state: State, until_ms: u64) -> bool {
        let to = Word { state, generation: from.next_generation(), until_ms };
        self.word.compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Adds one to the tally of the generation of `word` and returns it; 0 when that generation is over.
    fn count(&self, word: Word) -> u64 {
        // Acquire and release: whoever sees the tally of a later generation must see that generation as well.
        let mut held = self.tally.load(Ordering::Acquire);
        loop {
            let tally = Tally::unpack(held);
            if tally.generation != word.generation && self.load().generation != word.generation {
                return 0;
            }
            let before = if tally.generation == word.generation { tally.count } else { 0 };
            let next = Tally { generation: word.generation, count: before + 1 };
            match self.tally.compare_exchange_weak(held, next.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return next.count,
                Err(found) => held = found,
            }
        }
    }

    /// Sets the tally back, if it is of that generation and not at zero already (the usual case, which writes nothing).
    #[inline]
    fn clear(&self, packed: u64) {
        let held = self.tally.load(Ordering::Relaxed);
        let tally = Tally::unpack(held);
        if tally.count != 0 && tally.generation == Word::unpack(packed).generation {
            let zero = Tally { count: 0, ..tally }.pack();
            // Lost to another completion: either order of the two is as true as the other.
            let _ = self.tally.compare_exchange(held, zero, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

fn into_pass(wished: &Wished) -> Result<Pass, Duration> {
    match wished {
        Wished::Got(probe) => Ok(Pass(probe.pack())),
        _ => Err(ALL_OUT),
    }
}

#[cfg(all(test, setpoint_loom))]
mod loom_tests;
