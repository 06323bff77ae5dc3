//! The policy file: from a directory to a checked [`PolicySet`], or to all that is wrong with it.
//!
//! ```text
//! bytes -- yaml --> keys and values with places -- file, controllers --> PolicySet
//! ```
//!
//! Rules: nothing is half applied (one problem refuses the whole file); nothing is guessed (units are mandatory, unknown
//! fields are refused, an empty file is an error and never "no limits"); everything wrong is told at once with file, line
//! and column; a hostile file costs a few milliseconds at most. `docs/policy-file.md` describes the format.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use setpoint_policies::spec::PolicySet;
use sha2::{Digest, Sha256};

mod check;
mod controllers;
mod file;
mod folder;
mod last_good;
mod reload;
mod settle;
mod watched;

pub use check::check;
pub use last_good::{LastGood, Written};
pub use reload::{ConfigState, Reloader, Status};
pub use settle::{PATIENCE, SETTLE};

use crate::yaml::{self, Format, Problem, Problems};

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
    /// The bytes that say so.
    pub content: Arc<[u8]>,
}

/// Reads `dir/policy.yaml`. Blocks for the time of reading one small local file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(dir: &Path) -> Result<Loaded, Problems> {
    loaded(folder::read(dir))
}

/// Reads one policy file of any name, or `policy.yaml` of a directory.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_path(path: &Path) -> Result<Loaded, Problems> {
    if path.is_dir() { load(path) } else { parse_as(yaml::name(path), &yaml::read(path)?) }
}

/// Reads a policy file from an open input that is named `name`.
fn load_from(name: &Arc<str>, input: io::Result<impl Read>) -> Result<Loaded, Problems> {
    parse_as(Arc::clone(name), &yaml::read_from(name, input)?)
}

fn loaded(content: Result<folder::Content, String>) -> Result<Loaded, Problems> {
    let content = content.map_err(|why| Problems::of_file(&FILE.into(), &why))?;
    let mut loaded = parse(&content.bytes)?;
    let ignored = content.ignored.iter();
    loaded
        .warnings
        .extend(ignored.map(|file| Problem::new(&Arc::from(*file), None, "is ignored by this version")));
    Ok(loaded)
}

/// Reads the content of a policy file. Pure: no I/O, the same bytes give the same answer.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file. A syntax error ends the reading, so it comes last.
pub fn parse(bytes: &[u8]) -> Result<Loaded, Problems> {
    parse_as(FILE.into(), bytes)
}

fn parse_as(file: Arc<str>, bytes: &[u8]) -> Result<Loaded, Problems> {
    let empty = "to see without acting, write a policy with `mode: observe`";
    let format = Format { file, kind: "a policy file", empty };
    let ((set, parameters), warnings) =
        yaml::parse(bytes, format, |root, findings| Some(file::read(root, revision(bytes), findings)))?;
    Ok(Loaded { set: Arc::new(set), parameters, warnings, content: bytes.into() })
}

fn revision(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
