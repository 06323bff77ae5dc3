//! The policy file of the demo.

use std::time::Duration;

/// Name under which the demo's service reports, and the knob that is watched.
pub const SERVICE: &str = "demo";
/// The knob that the demo watches.
pub const KNOB: &str = "limit.inbound";
/// What the policy allows unless it is edited.
pub const FREE: Bounds = Bounds { min: 4, max: 500 };
/// How often the sidecar's status is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The smallest and the largest limit that a policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub min: u32,
    /// The largest.
    pub max: u32,
}

/// The policy file with these bounds of the limit.
pub fn policy(Bounds { min, max }: Bounds) -> String {
    format!(
        "version: setpoint/v1
name: demo
defaults: {{mode: enforce, tick: 100ms, lease: {{ttl: 5s, hold: 30s, decay: 60s}}}}
policies:
  - name: inbound
    adaptive_concurrency: {{knob: {KNOB}, min: {min}, max: {max}, initial: {}}}
  - name: memory
    memory_cap: {{knob: {KNOB}}}
  - name: scheduler
    scheduler_cap: {{knob: {KNOB}}}
",
        50.clamp(min, max)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_begins_within_its_bounds() {
        let pinned = Bounds { min: 40, max: 40 };
        assert!(policy(pinned).contains("{knob: limit.inbound, min: 40, max: 40, initial: 40}"));
        assert!(policy(FREE).contains("min: 4, max: 500, initial: 50}"));
    }
}
