//! What reading a file found so far: problems, warnings, and the parameters that will be in force.

use super::Format;
use super::problem::{Position, Problem, Problems};

/// Problems that are kept; of more only the number.
const KEPT: usize = 100;

#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) format: Format,
    problems: Vec<Problem>,
    found: usize,
    /// What deserves a look and is not wrong.
    pub(crate) warnings: Vec<Problem>,
    /// `name value` of each parameter of the policy that is being read, defaults included.
    pub(crate) parameters: Vec<String>,
}

impl Findings {
    pub(crate) fn new(format: Format) -> Self {
        let (problems, warnings, parameters) = (Vec::new(), Vec::new(), Vec::new());
        Self { format, problems, found: 0, warnings, parameters }
    }

    pub(crate) fn problem(&mut self, at: Position, message: impl FnOnce() -> String) {
        self.found += 1;
        if self.problems.len() < KEPT {
            self.problems.push(Problem::new(&self.format.file, Some(at), &message()));
        }
    }

    pub(crate) fn warning(&mut self, at: Position, message: &str) {
        self.warnings.push(Problem::new(&self.format.file, Some(at), message));
    }

    /// How many problems there are; what was read while the number stood still is sound.
    pub(crate) const fn found(&self) -> usize {
        self.found
    }

    pub(crate) fn into_problems(self, source: String) -> Problems {
        Problems::new(self.problems, self.found.saturating_sub(KEPT), source)
    }
}
