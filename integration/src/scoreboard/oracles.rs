//! The oracle's limits, found once and kept in a file: [`table::Known`] on disk, and the search for what it lacks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use setpoint::simulate::oracles as table;
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::oracle::{self, Oracle};

use super::set::Case;
use super::work::on_all_cores;

/// The limits that are known.
#[derive(Debug)]
pub struct Known {
    path: PathBuf,
    table: table::Known,
}

impl Known {
    /// Reads the file; there may be none yet.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let table = match std::fs::read(path) {
            Ok(bytes) => {
                table::Known::parse(&bytes).with_context(|| format!("{} is not sound", path.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => table::Known::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path: path.to_owned(), table })
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
                    self.table.insert(&case.scenario, &oracle);
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
        self.table.find(scenario)
    }

    fn write(&self) -> anyhow::Result<()> {
        std::fs::write(&self.path, self.table.text())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}
