//! Breakers on a clock that is moved by hand: the states of one, and a hundred callers in an outage.

mod handles;
mod model;
mod outage;
mod pushes;
mod rounds;
mod trips;

use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;
use BreakerSetpoint::{Closed, Disabled, ForcedOpen, HalfOpen, Local, Open, Recovering, Shadow};

const SECOND: u64 = 1_000_000_000;
const RULES: Rules = Rules {
    failures: 7,
    wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(30),
    ramp: Duration::from_secs(10),
};

/// A machine with its clock.
struct Rig {
    machine: Machine,
    now: u64,
}

impl Rig {
    fn new() -> Self {
        let machine = Machine::new(3);
        machine.arm(RULES);
        Self { machine, now: 5 * SECOND }
    }

    fn admit(&self) -> Result<Pass, Duration> {
        self.machine.admit(|| self.now)
    }

    fn settle(&self, pass: Pass, outcome: Outcome) {
        self.machine.settle(pass, outcome, || self.now);
    }

    fn call(&self, outcome: Outcome) {
        self.settle(self.admit().unwrap(), outcome);
    }

    fn push(&self, state: BreakerSetpoint) {
        self.machine.push(&state, self.now);
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    fn tick(&self) {
        self.machine.tick(self.now);
    }

    /// As many calls as it lets through, up to so many; the share of them.
    fn share(&self, calls: u32) -> f64 {
        f64::from((0..calls).map(|_| u32::from(self.admit().is_ok())).sum::<u32>()) / f64::from(calls)
    }

    /// Until it is closed again: probes succeed, and the ramp passes.
    fn recover(&mut self) {
        (0..8).for_each(|_| self.call(Outcome::Success));
        assert_eq!(self.state(), State::Recovering);
        self.now += 10 * SECOND;
        self.tick();
        assert_eq!(self.state(), State::Closed);
    }

    /// Fails until it opens; returns the wait.
    fn trip(&self) -> Duration {
        (0..RULES.failures).for_each(|_| self.call(Outcome::Failure));
        self.admit().unwrap_err()
    }

    /// Waits for the end of the wait and sends a probe.
    fn probe_after(&mut self, wait: Duration) -> Pass {
        self.now += crate::clock::nanos(wait);
        self.admit().unwrap()
    }
}

/// Within a fifth of so many seconds.
fn about(wait: Duration, seconds: f64) -> bool {
    (0.8 * seconds..=1.2 * seconds).contains(&wait.as_secs_f64())
}

fn half_open(round: u32, probe_max: u32, probe_total: u32) -> BreakerSetpoint {
    HalfOpen { round, probe_max, probe_total, deadline: Duration::from_secs(3) }
}

fn inner(hand: &Hand) -> Inner {
    Inner::new("test".into(), hand.clock(), 3)
}
