//! How hard memory presses, in four states.
//!
//! | state | enter | leave, once it has held for 10 s |
//! |---|---|---|
//! | normal | - | - |
//! | watch | ratio > 0.75, stall > 5 %, or unreclaimable > 0.85 of the limit | ratio < 0.65, stall < 1 %, unreclaimable < 0.80 |
//! | shed | ratio > 0.90, share > cap, or the runtime's limiter fired | ratio < 0.80 and share < 0.7 cap |
//! | starved | ratio >= 1, or the live heap does not fit the budget | ratio < 0.90 |
//!
//! `ratio` is the live heap over the largest one that collections can keep up with; `share` is the share of usable CPUs
//! that collections take, over two seconds. What the collector can take back any time does not press, hence "unreclaimable":
//! a throughput target fills its budget by design.

use std::time::Duration;

pub(super) use crate::reason::HeapState as State;
use crate::time::Timestamp;

const LEAVE_AFTER: Duration = Duration::from_secs(10);

impl State {
    /// The ratio at which it begins.
    pub(super) const fn begins(self) -> f64 {
        match self {
            Self::Normal => 0.0,
            Self::Watch => 0.75,
            Self::Shed => 0.90,
            Self::Starved => 1.0,
        }
    }
}

/// What the state depends on. Ratios; what is not known does not press.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pressure {
    /// Live heap over the largest one that collections can keep up with.
    pub ratio: f64,
    /// The live heap does not fit the budget.
    pub infeasible: bool,
    /// What cannot be collected, over the limit.
    pub unreclaimable: f64,
    pub stall: Option<f64>,
    /// Share of CPUs for collections, over the largest wanted.
    pub share: Option<f64>,
    pub limiter_fired: bool,
}

impl Pressure {
    fn enters(&self) -> State {
        let above = |number: Option<f64>, bound| number.is_some_and(|number| number > bound);
        if self.ratio >= State::Starved.begins() || self.infeasible {
            State::Starved
        } else if self.ratio > State::Shed.begins() || above(self.share, 1.0) || self.limiter_fired {
            State::Shed
        } else if self.ratio > State::Watch.begins() || above(self.stall, 0.05) || self.unreclaimable > 0.85 {
            State::Watch
        } else {
            State::Normal
        }
    }

    /// The lowest state that may be gone down to.
    fn leaves_to(&self) -> State {
        let below = |number: Option<f64>, bound| number.is_none_or(|number| number < bound);
        if self.ratio >= 0.90 || self.infeasible {
            State::Starved
        } else if self.ratio >= 0.80 || !below(self.share, 0.7) || self.limiter_fired {
            State::Shed
        } else if self.ratio >= 0.65 || !below(self.stall, 0.01) || self.unreclaimable >= 0.80 {
            State::Watch
        } else {
            State::Normal
        }
    }
}

/// The state and since when it could be left.
#[derive(Debug, Default)]
pub(super) struct States {
    state: State,
    since: Option<Timestamp>,
}

impl States {
    /// The state now. Up at once, down after ten quiet seconds.
    pub(super) fn step(&mut self, now: Timestamp, pressure: &Pressure) -> State {
        let (enters, leaves_to) = (pressure.enters(), pressure.leaves_to());
        if enters > self.state {
            self.state = enters;
            self.since = None;
        } else if leaves_to >= self.state {
            self.since = None;
        } else if now.since(*self.since.get_or_insert(now)) >= LEAVE_AFTER {
            self.state = leaves_to;
            self.since = None;
        }
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm(ratio: f64) -> Pressure {
        Pressure {
            ratio,
            infeasible: false,
            unreclaimable: 0.3,
            stall: None,
            share: None,
            limiter_fired: false,
        }
    }

    #[test]
    fn each_sign_enters_its_state() {
        let cases = [
            (calm(0.5), State::Normal),
            (calm(0.76), State::Watch),
            (Pressure { stall: Some(0.06), ..calm(0.1) }, State::Watch),
            (Pressure { unreclaimable: 0.86, ..calm(0.1) }, State::Watch),
            (calm(0.91), State::Shed),
            (Pressure { share: Some(1.1), ..calm(0.1) }, State::Shed),
            (Pressure { limiter_fired: true, ..calm(0.1) }, State::Shed),
            (calm(1.0), State::Starved),
            (Pressure { infeasible: true, ..calm(0.1) }, State::Starved),
            (calm(f64::INFINITY), State::Starved),
        ];
        for (pressure, expected) in cases {
            assert_eq!(States::default().step(Timestamp::ZERO, &pressure), expected, "{pressure:?}");
        }
    }

    #[test]
    fn a_state_is_left_after_ten_quiet_seconds_and_never_flutters() {
        let mut states = States::default();
        let mut at = |seconds: u64, ratio| states.step(Timestamp::from_millis(1000 * seconds), &calm(ratio));
        assert_eq!(at(0, 0.95), State::Shed);
        assert_eq!(at(1, 0.85), State::Shed, "between the thresholds");
        assert_eq!(at(2, 0.70), State::Shed);
        assert_eq!(at(8, 0.85), State::Shed, "the wait begins anew");
        assert_eq!(at(9, 0.70), State::Shed);
        assert_eq!(at(18, 0.70), State::Shed);
        assert_eq!(at(19, 0.70), State::Watch);
        assert_eq!(at(20, 0.10), State::Watch);
        assert_eq!(at(30, 0.10), State::Normal);
    }
}
