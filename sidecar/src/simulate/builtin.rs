//! Scenarios that can be named without a file: those of the scoreboard, and the random ones by number.

use setpoint_policies::sim::draw;
use setpoint_policies::sim::scenario::Scenario;

use super::scenario_file;
use crate::yaml::Problems;

/// Name and content of each file of `policies/scenarios`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// What the names of random scenarios begin with: `draw-017`.
const DRAW: &str = "draw-";

/// The scenario of this name; `None` when there is none.
pub(super) fn find(name: &str) -> Option<Result<Scenario, Problems>> {
    if let Some(number) = name.strip_prefix(DRAW) {
        return number.parse().ok().map(|number| Ok(draw::scenario(number)));
    }
    let (name, text) = FILES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(scenario_file::parse(&format!("{name}.yaml"), text.as_bytes()))
}

/// All that have a name of their own.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_is_sound_and_named_after_its_file() {
        for name in names() {
            let scenario = find(name).expect("listed").unwrap_or_else(|problems| panic!("{problems}"));
            assert!(scenario.name.eq_ignore_ascii_case(name), "{}", scenario.name);
        }
        assert_eq!(find("draw-017").expect("any number").expect("sound").name, "draw-017");
        assert!(find("draw-x").is_none() && find("no-such").is_none());
    }
}
