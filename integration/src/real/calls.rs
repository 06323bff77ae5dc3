//! The calls of a scenario: the very ones that the simulator makes with the same seed.

use std::time::Duration;

use fastrand::Rng;
use setpoint_policies::sim::arrivals::Arrivals;
use setpoint_policies::sim::scenario::Scenario;

use crate::load::plan::Planned;

/// A call to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// When, seconds since the start.
    pub at: f64,
    /// Seconds of work.
    pub work: f64,
}

/// All calls of a scenario with one class and one instance, in their order.
///
/// The draws follow those of the simulator's plant, one generator forked three times; a test compares the two.
pub fn calls(scenario: &Scenario, seed: u64) -> Vec<Call> {
    let mut rng = Rng::with_seed(seed);
    let mut arrivals = Arrivals::new(&scenario.clients, scenario.seconds, rng.fork());
    let _weather = rng.fork();
    let mut kinds = rng.fork();
    let factor = scenario.classes.first().map_or(1.0, |class| class.work);
    let mut calls = Vec::new();
    loop {
        let (at, together) = arrivals.take_next();
        if at >= scenario.seconds {
            return calls;
        }
        for _ in 0..together {
            calls.push(Call { at, work: scenario.server.work.at(at).draw(&mut kinds) * factor });
        }
    }
}

/// The requests that bring these calls to the service.
pub fn requests(calls: &[Call]) -> Vec<Planned> {
    let request = |call: &Call| Planned {
        at: Duration::from_secs_f64(call.at),
        path: format!("/call/{}", Duration::from_secs_f64(call.work).as_nanos()),
    };
    calls.iter().map(request).collect()
}
