//! The oracle's limits, found once and kept in a file.
//!
//! The search takes some hundred runs for each scenario, so what it finds is checked in. An entry carries a mark of the
//! scenario that it was found for; one that has changed since is searched anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use setpoint_policies::sim::scenario::{Link, Scenario};
use setpoint_policies::sim::score::oracle::{self, Oracle};

use super::set::Case;
use super::work::on_all_cores;

/// The limits that are known.
#[derive(Debug)]
pub struct Known {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// As it is in the file; a limit of `null` is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    mark: String,
    single: Option<f64>,
    phases: Vec<Option<f64>>,
}

impl Known {
    /// Reads the file; there may be none yet.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let entries = match std::fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("{} is not sound", path.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path: path.to_owned(), entries })
    }

    /// The limits of all cases, in their order; those that are missing, or all with `anew`, are searched. What is found
    /// is stored when `keep` says so.
    pub fn limits(
        &mut self,
        cases: &[Case],
        anew: bool,
        keep: impl Fn(&Case) -> bool,
    ) -> anyhow::Result<Vec<Oracle>> {
        let missing: Vec<&Case> =
            cases.iter().filter(|case| anew || self.find(&case.scenario).is_none()).collect();
        let mut fresh = BTreeMap::new();
        if !missing.is_empty() {
            let search = |case: &&Case| oracle::search(&case.scenario, &case.search_seeds());
            let found = on_all_cores("searching the best limits", &missing, |case| case.calls, search);
            for (case, oracle) in missing.iter().zip(found) {
                if keep(case) {
                    self.entries.insert(case.scenario.name.clone(), Entry::new(&case.scenario, &oracle));
                }
                fresh.insert(case.scenario.name.clone(), oracle);
            }
            self.write()?;
        }
        let limits = cases.iter().map(|case| {
            let fresh = fresh.get(&case.scenario.name).cloned();
            fresh.or_else(|| self.find(&case.scenario)).context("limits were neither known nor found")
        });
        limits.collect()
    }

    /// The limits of a scenario; `None` if they are not known, or are those of an older form of it.
    pub fn find(&self, scenario: &Scenario) -> Option<Oracle> {
        let entry = self.entries.get(&scenario.name).filter(|entry| entry.mark == mark(scenario))?;
        let limit = |limit: &Option<f64>| limit.unwrap_or(f64::INFINITY);
        Some(Oracle { phases: entry.phases.iter().map(limit).collect(), single: limit(&entry.single) })
    }

    fn write(&self) -> anyhow::Result<()> {
        let mut text = String::from("{\n");
        for (index, (name, entry)) in self.entries.iter().enumerate() {
            let end = if index + 1 < self.entries.len() { ",\n" } else { "\n" };
            text += &format!("  {}: {}{end}", serde_json::to_string(name)?, serde_json::to_string(entry)?);
        }
        text += "}\n";
        std::fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Entry {
    fn new(scenario: &Scenario, oracle: &Oracle) -> Self {
        let limit = |limit: f64| limit.is_finite().then_some(limit);
        Self {
            mark: mark(scenario),
            single: limit(oracle.single),
            phases: oracle.phases.iter().copied().map(limit).collect(),
        }
    }
}

/// A hash (FNV-1a) of all that matters to a limit set by hand: not the words about it, and not the link.
fn mark(scenario: &Scenario) -> String {
    let bare = Scenario {
        about: String::new(),
        link: Link::default(),
        limit: setpoint_policies::sim::scenario::Bounds::default(),
        deadline_known: true,
        ..scenario.clone()
    };
    let hash = format!("{bare:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
