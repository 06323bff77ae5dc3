//! Who takes part: ours, the laws of other projects, and limits that somebody set by hand.

use std::sync::Arc;

use setpoint_policies::knob::KnobName;
use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::link::{Connected, default_policies};
use setpoint_policies::sim::peers;
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::fixed::PhasedFixed;
use setpoint_policies::sim::score::oracle::Oracle;
use setpoint_policies::spec::PolicySet;

/// Our law's name.
pub(super) const OURS: &str = "setpoint";
/// The best limit of each phase, in hindsight.
pub(super) const ORACLE: &str = "oracle";
/// One limit all the time: the best one, or a factor away from it.
const STATIC: [(&str, f64, &str); 3] = [
    ("static-right", 1.0, "the best limit that never changes"),
    ("static-low", 0.5, "half of that"),
    ("static-high", 8.0, "eight times that"),
];

/// A law that takes part.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// Where its formulas come from.
    pub(super) source: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// The policies of a file, and which of its limits.
    Ours(Option<(Arc<PolicySet>, KnobName)>),
    Oracle,
    Static(f64),
    Peer(&'static peers::Peer),
}

impl Entry {
    /// Our engine with the policies of a file, or with the default ones.
    pub(super) fn ours(policies: Option<(Arc<PolicySet>, KnobName)>) -> Self {
        Self { name: OURS, source: "the engine of the sidecar", kind: Kind::Ours(policies) }
    }

    pub(super) const fn oracle() -> Self {
        Self { name: ORACLE, source: "the best limit of each phase, in hindsight", kind: Kind::Oracle }
    }

    /// New laws for the instances of a scenario.
    pub(super) fn laws(&self, scenario: &Scenario, oracle: Option<&Oracle>, seed: u64) -> Vec<Box<dyn Law>> {
        let fixed = |limits: &dyn Fn(&Oracle) -> Vec<f64>| {
            PhasedFixed::fleet(scenario, &oracle.map(limits).unwrap_or_default())
        };
        match &self.kind {
            Kind::Ours(policies) => {
                let plain = Arc::new(default_policies(scenario));
                let law = |instance| match policies {
                    Some((policies, knob)) => {
                        Connected::named(knob.clone(), scenario, policies, instance, seed)
                    }
                    None => Connected::new(scenario, &plain, instance, seed),
                };
                (0..scenario.instances.len())
                    .map(|instance| Box::new(law(instance)) as Box<dyn Law>)
                    .collect()
            }
            Kind::Oracle => fixed(&|oracle| oracle.phases.clone()),
            Kind::Static(factor) => {
                fixed(&|oracle| vec![(oracle.single * factor).floor().max(1.0); scenario.phases.len()])
            }
            Kind::Peer(peer) => scenario.instances.iter().map(|_| (peer.new)(scenario)).collect(),
        }
    }

    /// Whether it cannot be without the oracle.
    const fn needs_oracle(&self) -> bool {
        matches!(self.kind, Kind::Oracle | Kind::Static(_))
    }
}

/// Every law that can be named.
pub(super) fn others() -> Vec<Entry> {
    let fixed = STATIC.map(|(name, factor, source)| Entry { name, source, kind: Kind::Static(factor) });
    let peers = peers::all().iter().map(|peer| Entry {
        name: peer.name,
        source: peer.source,
        kind: Kind::Peer(peer),
    });
    peers.chain(fixed).collect()
}

/// The laws of these names; `all` stands for every one that is possible.
///
/// # Errors
/// The name that is unknown, or needs the oracle that there is not, in words.
pub(super) fn chosen(names: &[String], with_oracle: bool) -> Result<Vec<Entry>, String> {
    let others = others();
    let mut chosen: Vec<Entry> = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        if name == "all" {
            return Ok(others.into_iter().filter(|law| with_oracle || !law.needs_oracle()).collect());
        }
        let Some(law) = others.iter().find(|law| law.name == name) else {
            let known: Vec<_> = others.iter().map(|law| law.name).collect();
            let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("unknown law `{name}`, expected all or some of {}", known.join(", ")));
        };
        if law.needs_oracle() && !with_oracle {
            return Err(format!("`{name}` needs the oracle: leave --no-oracle out"));
        }
        if chosen.iter().all(|other| other.name != name) {
            chosen.push(law.clone());
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_chosen_by_name() {
        let names = |text: &[&str], oracle| {
            let names: Vec<_> = text.iter().map(|name| (*name).to_owned()).collect();
            chosen(&names, oracle).map(|laws| laws.iter().map(|law| law.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[], true), Ok(vec![]));
        assert_eq!(names(&["vegas", " aimd", "vegas"], false), Ok(vec!["vegas", "aimd"]));
        assert_eq!(
            names(&["all"], true).unwrap().len(),
            names(&["all"], false).unwrap().len() + STATIC.len()
        );
        assert!(
            names(&["vega"], true).unwrap_err().starts_with("unknown law `vega`, expected all or some of")
        );
        assert!(names(&["static-low"], false).unwrap_err().contains("--no-oracle"));
    }
}
