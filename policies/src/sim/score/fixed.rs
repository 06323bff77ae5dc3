//! A limit that somebody set by hand: one for each phase.
//!
//! Calls in flight carry over from phase to phase, so the phases cannot be run one by one: this is one law whose limit
//! changes when a phase begins. Several instances share a limit by the share of calls that each gets.

use crate::sim::law::{Arrival, Ended, Host, Law};
use crate::sim::scenario::Scenario;
use crate::time::Timestamp;

/// A limit for each phase of a scenario, of one instance.
#[derive(Debug, Clone)]
pub struct PhasedFixed {
    /// From when on, and how much; never empty.
    limits: Vec<(Timestamp, f64)>,
    /// Index of the limit in force.
    phase: usize,
}

impl PhasedFixed {
    /// A law for each instance of `scenario`; `limits` has a limit for each phase, all instances together, infinite for
    /// none. A phase without a limit gets none.
    pub fn fleet(scenario: &Scenario, limits: &[f64]) -> Vec<Box<dyn Law>> {
        let law = |instance| {
            let phases = scenario.phases.iter().enumerate();
            let limits = phases
                .map(|(index, phase)| {
                    let whole = limits.get(index).copied().unwrap_or(f64::INFINITY);
                    (at(phase.at), part(whole, &scenario.instances, instance))
                })
                .collect();
            Box::new(Self { limits, phase: 0 }) as Box<dyn Law>
        };
        (0..scenario.instances.len()).map(law).collect()
    }

    fn advance(&mut self, now: Timestamp) {
        while self.limits.get(self.phase + 1).is_some_and(|(from, _)| *from <= now) {
            self.phase += 1;
        }
    }
}

impl Law for PhasedFixed {
    fn admit(&mut self, call: &Arrival) -> bool {
        self.advance(call.at);
        f64::from(call.in_flight) < self.limit()
    }

    fn ended(&mut self, _call: &Ended) {}

    fn wake_at(&self) -> Option<Timestamp> {
        self.limits.get(self.phase + 1).map(|(from, _)| *from)
    }

    fn wake(&mut self, at: Timestamp, _host: &Host) {
        self.advance(at);
    }

    fn limit(&self) -> f64 {
        self.limits.get(self.phase).map_or(f64::INFINITY, |(_, limit)| *limit)
    }
}

/// The whole numbers of an instance that add up to `whole` over all of them, at least 1 each.
fn part(whole: f64, shares: &[f64], instance: usize) -> f64 {
    let below = |index| (whole * shares[..index].iter().sum::<f64>()).round();
    if whole.is_finite() { (below(instance + 1) - below(instance)).max(1.0) } else { whole }
}

/// The time so many seconds after the start of a run.
fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos((seconds * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let shares = [0.4, 0.3, 0.2, 0.1];
        for whole in [10.0, 37.0, 128.0] {
            let sum: f64 = (0..4).map(|instance| part(whole, &shares, instance)).sum();
            assert_eq!(sum, whole);
        }
        assert_eq!(part(1.0, &shares, 3), 1.0);
        assert_eq!(part(f64::INFINITY, &shares, 0), f64::INFINITY);
    }
}
