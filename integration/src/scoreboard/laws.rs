//! Who takes part: ours, the laws of other projects, and limits that somebody set by hand.

use std::sync::Arc;

use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::link::{Connected, default_policies};
use setpoint_policies::sim::peers::{self, Peer};
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::fixed::PhasedFixed;
use setpoint_policies::sim::score::oracle::Oracle;

/// Our law's name on the board.
pub const OURS: &str = "setpoint";
/// The best limit of each phase, in hindsight.
pub const ORACLE: &str = "oracle";

/// One number for the whole scenario: the best in hindsight, half of it, eight times it.
const STATIC: [(&str, f64, &str); 3] = [
    ("static-right", 1.0, "the best single limit, in hindsight"),
    ("static-low", 0.5, "half of the best single limit"),
    ("static-high", 8.0, "eight times the best single limit"),
];

/// A law on the board.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The flag: it is told the deadline, where the scenario lets it know.
    Ours(bool),
    Peer(&'static Peer),
    Static(f64),
}

impl Entry {
    /// Whether it is another project's law, or none at all.
    pub fn is_peer(&self) -> bool {
        matches!(self.kind, Kind::Peer(_))
    }

    /// New laws for the instances of a scenario.
    pub fn laws(&self, scenario: &Scenario, oracle: &Oracle, seed: u64) -> Vec<Box<dyn Law>> {
        match self.kind {
            Kind::Ours(true) => ours(scenario, seed),
            Kind::Ours(false) => ours(&Scenario { deadline_known: false, ..scenario.clone() }, seed),
            Kind::Peer(peer) => scenario.instances.iter().map(|_| (peer.new)(scenario)).collect(),
            Kind::Static(factor) => {
                let limit = (oracle.single * factor).floor().max(1.0);
                PhasedFixed::fleet(scenario, &vec![limit; scenario.phases.len()])
            }
        }
    }
}

/// Everybody; the oracle is not among them, because it runs in any case.
pub fn all() -> Vec<Entry> {
    let ours = [
        Entry {
            name: OURS,
            source: "our policy with its defaults and the calls' deadline",
            kind: Kind::Ours(true),
        },
        Entry {
            name: "setpoint-no-deadline",
            source: "our policy with its defaults, not told the deadline",
            kind: Kind::Ours(false),
        },
    ];
    let peers = peers::all().iter().map(|peer| Entry {
        name: peer.name,
        source: peer.source,
        kind: Kind::Peer(peer),
    });
    let by_hand =
        STATIC.iter().map(|(name, factor, source)| Entry { name, source, kind: Kind::Static(*factor) });
    ours.into_iter().chain(peers).chain(by_hand).collect()
}

fn ours(scenario: &Scenario, seed: u64) -> Vec<Box<dyn Law>> {
    let policies = Arc::new(default_policies(scenario));
    let instances = 0..scenario.instances.len();
    instances.map(|i| Box::new(Connected::new(scenario, &policies, i, seed)) as Box<dyn Law>).collect()
}
