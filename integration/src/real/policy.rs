//! The policy file of the real sidecar: what the simulator runs by default, as a person would write it.

use std::fmt::Write;

use setpoint_policies::sim::link::KNOB;
use setpoint_policies::sim::scenario::Scenario;

/// The policy for `limit.inbound` with the scenario's bounds, and its deadline where that may be known.
pub fn policy(scenario: &Scenario) -> String {
    let bounds = scenario.limit;
    let mut policy = format!(
        "version: setpoint/v1
name: scoreboard-real
defaults: {{tick: {}us}}
policies:
  - name: inbound
    adaptive_concurrency: {{knob: {KNOB}, min: {}, max: {}, initial: {}",
        (scenario.link.interval * 1e6).round(),
        bounds.min,
        bounds.max,
        bounds.initial,
    );
    if let Some(deadline) = scenario.known_deadline() {
        let _ = write!(policy, ", deadline: {}us", deadline.as_micros());
    }
    policy + "}\n"
}
