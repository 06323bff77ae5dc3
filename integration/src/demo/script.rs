//! What happens in the demo, in order.

use std::time::Duration;

/// What is done to the services or the sidecar during a phase, beside the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Load only.
    Nothing,
    /// Load only; afterwards whoever is still choked by its backlog is restarted, as an operator would do.
    RestartTheChoked,
    /// The dependency of both takes ten times as long.
    SlowDependency,
    /// Twice as many spinning processes as there are cores run beside everything.
    CpuHog,
    /// The policy file is edited, again and again: the limit is pinned to other values.
    EditPolicy,
    /// The sidecar is killed with SIGKILL and comes back after a while.
    KillSidecar,
}

/// One phase of the story.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// Its name in table and JSON.
    pub name: &'static str,
    /// What a spectator should know.
    pub caption: &'static str,
    /// Load in multiples of the true capacity.
    pub load_ratio: f64,
    /// How long it lasts.
    pub lasts: Duration,
    /// What is done meanwhile.
    pub act: Act,
}

/// The phase whose p99 counts as unloaded.
pub const WARM_UP: &str = "warm-up";
/// The phase of overload.
pub const OVERLOAD: &str = "overload";

/// The whole story: about a minute, or under half of it when `quick`. The warm-up is as long as a new sidecar learns, so
/// that the overload meets one that may act.
pub fn story(quick: bool) -> Vec<Phase> {
    let phase = |name, caption, load_ratio, full: f64, short: f64, act| Phase {
        name,
        caption,
        load_ratio,
        lasts: Duration::from_secs_f64(if quick { short } else { full }),
        act,
    };
    vec![
        phase(WARM_UP, "half of what it can do", 0.5, 10.0, 9.0, Act::Nothing),
        phase(OVERLOAD, "three times what it can do", 3.0, 10.0, 3.0, Act::Nothing),
        phase("recovery", "back to half", 0.5, 5.0, 1.5, Act::RestartTheChoked),
        phase(
            "dependency-slow",
            "its dependency takes ten times as long",
            0.7,
            9.0,
            2.0,
            Act::SlowDependency,
        ),
        phase("cpu-hog", "somebody else wants all the cores", 0.7, 6.0, 1.5, Act::CpuHog),
        phase("policy-edit", "the policy file is edited, live", 0.7, 8.0, 3.5, Act::EditPolicy),
        phase("sidecar-killed", "kill -9 of the sidecar, and its return", 0.7, 12.0, 3.5, Act::KillSidecar),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_the_time_of_a_spectator() {
        let total = |quick| story(quick).iter().map(|phase| phase.lasts).sum::<Duration>();
        assert!((55..=62).contains(&total(false).as_secs()), "{:?}", total(false));
        assert!(total(true) <= Duration::from_secs(24), "{:?}", total(true));
    }
}
