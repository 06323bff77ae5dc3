//! Who takes part: ours, the laws of other projects, and limits that somebody set by hand.

use std::sync::Arc;

use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::link::{Connected, default_policies};
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::fixed::PhasedFixed;
use setpoint_policies::sim::score::oracle::Oracle;

/// Our law's name on the board.
pub const OURS: &str = "setpoint";
/// Our law, not told what deadline the calls have.
pub const BLIND: &str = "setpoint-no-deadline";
/// The best limit of each phase, in hindsight.
pub const ORACLE: &str = "oracle";

type Build = Box<dyn Fn(&Scenario, &Oracle, u64) -> Vec<Box<dyn Law>> + Send + Sync>;

/// A law on the board.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// It is another project's, or a way that other projects go.
    pub peer: bool,
    build: Build,
}

impl Entry {
    /// New laws for the instances of a scenario.
    pub fn laws(&self, scenario: &Scenario, oracle: &Oracle, seed: u64) -> Vec<Box<dyn Law>> {
        (self.build)(scenario, oracle, seed)
    }
}

/// Everybody; the oracle is not among them, because it runs in any case.
pub fn all() -> Vec<Entry> {
    let mut all = vec![entry(OURS, false, |scenario, _, seed| ours(scenario, seed))];
    all.push(entry(BLIND, false, |scenario, _, seed| {
        ours(&Scenario { deadline_known: false, ..scenario.clone() }, seed)
    }));
    for (name, factor) in [("static-right", 1.0), ("static-low", 0.5), ("static-high", 8.0)] {
        all.push(entry(name, true, move |scenario, oracle, _| {
            let limit = (oracle.single * factor).floor().max(1.0);
            PhasedFixed::fleet(scenario, &vec![limit; scenario.phases.len()])
        }));
    }
    all
}

fn entry(
    name: &str,
    peer: bool,
    build: impl Fn(&Scenario, &Oracle, u64) -> Vec<Box<dyn Law>> + Send + Sync + 'static,
) -> Entry {
    Entry { name: name.to_owned(), peer, build: Box::new(build) }
}

fn ours(scenario: &Scenario, seed: u64) -> Vec<Box<dyn Law>> {
    let policies = Arc::new(default_policies(scenario));
    let instances = 0..scenario.instances.len();
    instances.map(|i| Box::new(Connected::new(scenario, &policies, i, seed)) as Box<dyn Law>).collect()
}
