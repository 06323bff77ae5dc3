//! How calls end: what moves the state, and what does not.

use setpoint_policies::probes::Verdict;

use super::{Ended, Machine, Ordering, Pass, Probe, State, Word};
use crate::outcome::Outcome;

impl Machine {
    /// Takes the result of a call that was let through. The clock is read only where something depends on it.
    #[inline]
    pub fn settle(&self, pass: Pass, outcome: Outcome, now_nanos: impl FnOnce() -> u64) {
        let packed = self.word.load(Ordering::Acquire);
        // The usual case by as few comparisons as can be: let in under this very word, and no failures to be forgotten.
        if packed == pass.0 && Word::passes_all(packed) && outcome == Outcome::Success {
            if !self.tally.is_clear() {
                self.tally.clear(Word::unpack(packed).generation);
            }
        } else if Word::generation_bits(packed) == Word::generation_bits(pass.0) {
            self.settle_exception(packed, pass, outcome, now_nanos);
        }
    }

    /// Gives a pass back unused.
    pub fn give_back(&self, pass: Pass) {
        if let Some(probe) = pass.probe()
            && self.probes.give_back(probe)
        {
            // Of a generation that is over it does not matter.
            let _ = self.tally.ended(probe.generation, Ended::GivenBack, || self.load().generation);
        }
    }

    #[cold]
    fn settle_exception(&self, packed: u64, pass: Pass, outcome: Outcome, now_nanos: impl FnOnce() -> u64) {
        let word = Word::unpack(packed);
        match (word.state, pass.probe()) {
            (State::HalfOpen | State::PushedHalfOpen, Some(probe)) => {
                let now_ms = now_nanos() / 1_000_000;
                let ended = match outcome {
                    _ if probe.expired(now_ms) => Ended::Badly,
                    Outcome::Success => Ended::Well,
                    Outcome::Ignore => Ended::Ignored,
                    Outcome::Dropped | Outcome::Failure => Ended::Badly,
                };
                self.settle_probe(word, probe, ended, now_ms);
            }
            (state, None) if outcome == Outcome::Success && state.has_row() => {
                self.tally.clear(word.generation);
            }
            (_, None) if outcome == Outcome::Failure => self.failed(word, now_nanos() / 1_000_000),
            _ => {}
        }
    }

    /// A hard failure while calls pass.
    fn failed(&self, word: Word, now_ms: u64) {
        let Ok(row) = self.tally.fail(word.generation, || self.load().generation) else { return };
        let failures = self.failures.load(Ordering::Relaxed);
        if failures == 0 || row < failures {
            return;
        }
        match word.state {
            State::Closed => self.open(word, self.wait.forgiven_doublings(now_ms), now_ms),
            State::Recovering => self.reopen(word, now_ms),
            State::Shadow => {
                self.would_have.fetch_add(1, Ordering::Relaxed);
                self.tally.clear(word.generation);
            }
            _ => {}
        }
    }

    /// A probe has come back, or is given up.
    pub(super) fn settle_probe(&self, word: Word, probe: Probe, ended: Ended, now_ms: u64) {
        if !self.probes.give_back(probe) {
            return; // It was given up before.
        }
        let Ok(probed) = self.tally.ended(word.generation, ended, || self.load().generation) else { return };
        if word.state == State::HalfOpen {
            self.judge(word, self.budget.judge(&probed, now_ms >= word.until_ms), now_ms);
        }
    }

    /// Draws the consequence of a round of the local breaker's probes.
    pub(super) fn judge(&self, word: Word, verdict: Verdict, now_ms: u64) {
        match verdict {
            Verdict::Undecided => {}
            Verdict::Failed => self.reopen(word, now_ms),
            Verdict::Recovered if self.ramp.own_ms() == 0 => self.close(word, now_ms),
            Verdict::Recovered => {
                self.ramp.begin(self.ramp.own_ms());
                self.transition(word, State::Recovering, now_ms + self.ramp.own_ms());
            }
        }
    }

    pub(super) fn close(&self, word: Word, now_ms: u64) {
        if self.transition(word, State::Closed, 0) {
            self.wait.closed(now_ms);
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
}
