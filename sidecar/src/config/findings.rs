//! What reading a file found so far: problems, warnings, and the parameters that will be in force.

use super::FILE;
use super::problem::{ConfigErrors, Position, Problem};

/// Problems that are kept; of more only the number.
const KEPT: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: Vec<Problem>,
    found: usize,
    /// What deserves a look and is not wrong.
    pub(super) warnings: Vec<Problem>,
    /// `name value` of each parameter of the policy that is being read, defaults included.
    pub(super) parameters: Vec<String>,
}

impl Findings {
    pub(super) fn problem(&mut self, at: Position, message: impl FnOnce() -> String) {
        self.found += 1;
        if self.problems.len() < KEPT {
            self.problems.push(Problem::new(FILE, Some(at), &message()));
        }
    }

    pub(super) fn warning(&mut self, at: Position, message: &str) {
        self.warnings.push(Problem::new(FILE, Some(at), message));
    }

    /// How many problems there are; what was read while the number stood still is sound.
    pub(super) const fn found(&self) -> usize {
        self.found
    }

    pub(super) fn into_errors(self, source: String) -> ConfigErrors {
        ConfigErrors::new(self.problems, self.found.saturating_sub(KEPT), source)
    }
}
