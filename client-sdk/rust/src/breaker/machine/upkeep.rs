//! What time alone brings about, and what the session's thread wants to know. No call needs any of this to go on.

use std::time::Duration;

use setpoint_policies::probes::Probed;

use super::{Ended, Machine, Ordering, State, Word};

impl Machine {
    /// Ends what is over: a ramp, probes that hang, a stay in half open.
    pub fn tick(&self, now_nanos: u64) {
        let (word, now_ms) = (self.load(), now_nanos / 1_000_000);
        match word.state {
            State::Recovering if now_ms >= word.until_ms => self.close(word, now_ms),
            State::HalfOpen | State::PushedHalfOpen => self.look_after_probes(word, now_ms),
            _ => {}
        }
    }

    /// Gives up probes that hang, and decides a round of which the time is over.
    pub(super) fn look_after_probes(&self, word: Word, now_ms: u64) {
        while let Some(probe) = self.probes.expired(word.generation, now_ms) {
            self.settle_probe(word, probe, Ended::Badly, now_ms);
        }
        if word.state == State::HalfOpen && now_ms >= word.until_ms {
            let probed = self.tally.probed(word.generation);
            self.judge(word, self.budget.judge(&probed, true), now_ms);
        }
    }

    /// The callee has asked to be left alone for so long.
    pub fn asked(&self, for_so_long: Duration, now_nanos: u64) {
        self.wait.asked(for_so_long, now_nanos / 1_000_000);
    }

    /// How much longer it has asked for.
    pub fn retry_after(&self, now_nanos: u64) -> Option<Duration> {
        Some(self.wait.asked_ms(now_nanos / 1_000_000)).filter(|left| *left > 0).map(Duration::from_millis)
    }

    /// Hard failures in a row while calls pass, for the report.
    pub fn failures_in_a_row(&self) -> u64 {
        let word = self.load();
        match word.state {
            State::HalfOpen | State::PushedHalfOpen => 0,
            _ => self.tally.row(word.generation),
        }
    }

    /// The probes of the round that was pushed, while it lasts.
    pub fn probed(&self) -> Option<Probed> {
        let word = self.load();
        let probed = Probed { round: self.pushed.round(), ..self.tally.probed(word.generation) };
        (word.state == State::PushedHalfOpen).then_some(probed)
    }

    /// In a recovery: its generation, and the share of calls that passes now.
    pub fn recovery(&self, now_nanos: u64) -> Option<(u64, f64)> {
        let word = self.load();
        let share = self.ramp.share(word.until_ms, now_nanos / 1_000_000);
        (word.state == State::Recovering).then_some((word.generation, share))
    }

    /// A limiter asks this breaker, and will hold its limit at the share of a recovery.
    pub fn limited(&self) {
        self.ramp.limited();
    }

    /// The limiter does so now.
    pub fn led(&self, generation: u64) {
        self.ramp.leads(generation);
    }

    /// Times that an enforced breaker would have opened by its own rule; in shadow only.
    pub fn would_have_opened(&self) -> u64 {
        self.would_have.load(Ordering::Relaxed)
    }

    /// Whether an enforced breaker would reject calls now, by the sidecar's word; in shadow only.
    pub fn would_reject(&self) -> bool {
        self.state() == State::Shadow && self.pushed.would_reject()
    }
}
