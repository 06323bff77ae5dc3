//! The service's own door: what it refuses by itself, whatever limiter stands before it.

use std::collections::VecDeque;

use crate::sim::scenario::Accepts;

/// Length of the window in which calls are counted, seconds.
const WINDOW: f64 = 1.0;

/// Counts what a service has accepted.
#[derive(Debug)]
pub struct Gate {
    accepts: Accepts,
    in_flight: u32,
    /// When the calls of the last second came, refused ones too.
    asked: VecDeque<f64>,
}

impl Gate {
    pub fn new(accepts: Accepts) -> Self {
        Self { accepts, in_flight: 0, asked: VecDeque::new() }
    }

    /// A call comes in; whether it is accepted.
    pub fn enter(&mut self, now: f64) -> bool {
        let crowded = self.accepts.in_flight.is_some_and(|most| self.in_flight >= most);
        let accepted = !crowded && !self.is_too_fast(now);
        self.in_flight += u32::from(accepted);
        accepted
    }

    /// A call that was accepted is answered.
    pub fn leave(&mut self) {
        self.in_flight -= 1;
    }

    /// How long the client waits for the refusal; `None` = for as long as it is willing to.
    pub fn refusal(&self) -> Option<f64> {
        (!self.accepts.silent).then_some(self.accepts.refused_after)
    }

    fn is_too_fast(&mut self, now: f64) -> bool {
        let Some(most) = self.accepts.rate else { return false };
        while self.asked.front().is_some_and(|at| *at <= now - WINDOW) {
            self.asked.pop_front();
        }
        self.asked.push_back(now);
        self.asked.len() as f64 > most * WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(in_flight: Option<u32>, rate: Option<f64>) -> Gate {
        Gate::new(Accepts { in_flight, rate, refused_after: 0.1, silent: false })
    }

    #[test]
    fn only_so_many_are_in_flight() {
        let mut gate = gate(Some(2), None);
        assert_eq!([0.0, 0.1, 0.2].map(|now| gate.enter(now)), [true, true, false]);
        gate.leave();
        assert_eq!([0.3, 0.4].map(|now| gate.enter(now)), [true, false]);
    }

    #[test]
    fn refused_calls_count_for_the_rate_too() {
        let mut gate = gate(None, Some(2.0));
        assert_eq!([0.0, 0.4, 0.8, 1.1, 1.3].map(|now| gate.enter(now)), [true, true, false, false, false]);
        assert!(gate.enter(2.2));
    }
}
