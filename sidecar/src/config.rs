//! The policy file: from a directory to a checked [`PolicySet`], or to all that is wrong with it.
//!
//! ```text
//! bytes -- text --> characters -- tree --> keys and values with places -- reader, file, controllers --> PolicySet
//! ```
//!
//! Rules: nothing is half applied (one problem refuses the whole file); nothing is guessed (units are mandatory, unknown
//! fields are refused, an empty file is an error and never "no limits"); everything wrong is told at once with file, line
//! and column; a hostile file costs a few milliseconds at most. `docs/policy-file.md` describes the format.

use std::path::Path;
use std::sync::Arc;

use setpoint_policies::spec::PolicySet;
use sha2::{Digest, Sha256};

mod check;
mod controllers;
mod file;
mod findings;
mod folder;
mod problem;
mod reader;
mod reload;
mod scalar;
mod settle;
mod suggest;
mod text;
mod tree;

pub use check::check;
pub use problem::{ConfigErrors, Position, Problem};
pub use reload::{ConfigState, Reloader, Status};
pub use settle::{PATIENCE, SETTLE};

use findings::Findings;

/// The name of the policy file in its directory.
pub const FILE: &str = "policy.yaml";

/// A good policy file.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says; its revision is the SHA-256 of the content in hex.
    pub set: Arc<PolicySet>,
    /// The parameters of each policy in words, defaults included.
    pub parameters: Vec<String>,
    /// What deserves a look and is not wrong.
    pub warnings: Vec<Problem>,
}

/// Reads `dir/policy.yaml`. Blocks for the time of reading one small local file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(dir: &Path) -> Result<Loaded, ConfigErrors> {
    loaded(folder::read(dir))
}

fn loaded(content: Result<folder::Content, String>) -> Result<Loaded, ConfigErrors> {
    let content = content.map_err(|why| ConfigErrors::of_file(FILE, &why))?;
    let mut loaded = parse(&content.bytes)?;
    let ignored = content.ignored.iter();
    loaded.warnings.extend(ignored.map(|file| Problem::new(file, None, "is ignored by this version")));
    Ok(loaded)
}

/// Reads the content of a policy file. Pure: no I/O, the same bytes give the same answer.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file. A syntax error ends the reading, so it comes last.
pub fn parse(bytes: &[u8]) -> Result<Loaded, ConfigErrors> {
    if bytes.len() > folder::LARGEST {
        return Err(ConfigErrors::of_file(FILE, &folder::too_large()));
    }
    let mut findings = Findings::default();
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err((at, why)) => {
            findings.problem(at, || why);
            return Err(findings.into_errors(String::from_utf8_lossy(bytes).into_owned()));
        }
    };
    let read = tree::parse(text, &mut findings)
        .map(|root| file::read(&root, revision(bytes), &mut findings))
        .filter(|_| findings.found() == 0);
    match read {
        Some((set, parameters)) => Ok(Loaded { set: Arc::new(set), parameters, warnings: findings.warnings }),
        None => Err(findings.into_errors(text.to_owned())),
    }
}

fn revision(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
