//! The oracle's limits that need no search: those of the scoreboard, which keeps them in `policies/scenarios/oracle.json`.
//!
//! The search takes some hundred runs for each scenario, so what it finds is checked in and built in. An entry carries a mark
//! of the scenario that it was found for: one that has changed since, or that only has the name of another, is not known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use setpoint_policies::sim::scenario::{Bounds, Link, Scenario};
use setpoint_policies::sim::score::oracle::Oracle;

/// The content of `policies/scenarios/oracle.json`.
const BUILT_IN: &str = include!(concat!(env!("OUT_DIR"), "/oracle.rs"));

/// The limits that are known, by the names of their scenarios.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Known(BTreeMap<String, Entry>);

/// A limit of `null` is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    mark: String,
    single: Option<f64>,
    phases: Vec<Option<f64>>,
}

impl Known {
    /// Those of the scenarios that are built in.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN.as_bytes()).expect("a test reads what is built in")
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// It is not the JSON that [`Known::text`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The content of a file, a line for each scenario.
    pub fn text(&self) -> String {
        let line = |(name, entry): (&String, &Entry)| {
            let json = |part: Result<String, _>| part.expect("plain data with names as keys");
            format!("  {}: {}", json(serde_json::to_string(name)), json(serde_json::to_string(entry)))
        };
        format!("{{\n{}\n}}\n", self.0.iter().map(line).collect::<Vec<_>>().join(",\n"))
    }

    /// The limits of a scenario; `None` if they are not known, or are those of another form of it.
    pub fn find(&self, scenario: &Scenario) -> Option<Oracle> {
        let entry = self.0.get(&scenario.name).filter(|entry| entry.mark == mark(scenario))?;
        let limit = |limit: &Option<f64>| limit.unwrap_or(f64::INFINITY);
        Some(Oracle { phases: entry.phases.iter().map(limit).collect(), single: limit(&entry.single) })
    }

    /// Keeps what was found for a scenario.
    pub fn insert(&mut self, scenario: &Scenario, oracle: &Oracle) {
        let limit = |limit: f64| limit.is_finite().then_some(limit);
        let phases = oracle.phases.iter().copied().map(limit).collect();
        let entry = Entry { mark: mark(scenario), single: limit(oracle.single), phases };
        self.0.insert(scenario.name.clone(), entry);
    }
}

/// A hash (FNV-1a) of all that matters to a limit set by hand: not the words about it, and not the link.
fn mark(scenario: &Scenario) -> String {
    let bare = Scenario {
        about: String::new(),
        link: Link::default(),
        limit: Bounds::default(),
        deadline_known: true,
        ..scenario.clone()
    };
    let hash = format!("{bare:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;

    #[test]
    fn every_built_in_scenario_is_known_and_no_other_one() {
        let known = Known::built_in();
        let named = builtin::names().chain(["draw-1", "draw-200"]);
        for scenario in named.map(|name| builtin::find(name).expect("listed").expect("sound")) {
            let oracle = known.find(&scenario).expect("`make scoreboard ARGS=--search` was run");
            assert_eq!(oracle.phases.len(), scenario.phases.len(), "{}", scenario.name);
            let other = Scenario { seconds: scenario.seconds + 1.0, ..scenario.clone() };
            assert_eq!(known.find(&other), None, "only the name is that of {}", other.name);
            let same = Scenario { about: "other words".to_owned(), deadline_known: false, ..scenario };
            assert_eq!(known.find(&same), Some(oracle), "a limit set by hand stays the best");
        }
        assert_eq!(known.text(), BUILT_IN);
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let scenario = builtin::find("T01").expect("listed").expect("sound");
        let oracle = Oracle { phases: vec![3.0, f64::INFINITY, 5.0], single: f64::INFINITY };
        let mut known = Known::default();
        assert_eq!(known.find(&scenario), None);
        known.insert(&scenario, &oracle);
        assert_eq!(known.find(&scenario), Some(oracle));
        assert_eq!(Known::parse(known.text().as_bytes()).expect("its own text"), known);
        assert!(Known::parse(b"{\"T01\": {}}").is_err());
    }
}
