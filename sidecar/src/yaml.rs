//! YAML that people write: read so that everything wrong with a file is told at once, each with its place.
//!
//! ```text
//! bytes -- text --> characters -- tree --> keys and values with places -- reader --> fields
//! ```
//!
//! Policy files ([`crate::config`]) and scenario files ([`crate::simulate`]) are read through it. Rules: unknown and repeated
//! fields are refused, units are mandatory, nothing is expanded, and a hostile file costs a few milliseconds at most.

mod findings;
mod problem;
mod reader;
mod scalar;
mod suggest;
mod text;
mod tree;

pub use problem::{Position, Problem, Problems};

pub(crate) use findings::Findings;
pub(crate) use reader::Fields;
pub(crate) use scalar::{
    COUNT, DURATION, FLAG, KNOB, Kind, LONGEST, MODE, NAME, NUMBER, RATE, RATIO, SETTING, TEXT, describe,
};
pub(crate) use suggest::closest;
#[cfg(test)]
pub(crate) use text::lines;
pub(crate) use text::quoted;
pub(crate) use tree::{Entry, Node, Value};

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Largest file that is read, in bytes.
pub(crate) const LARGEST: usize = 256 * 1024;

/// What kind of file is read.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    /// The file's name, in front of every problem.
    pub(crate) file: Arc<str>,
    /// What such a file is called: "a policy file".
    pub(crate) kind: &'static str,
    /// What to do about an empty one.
    pub(crate) empty: &'static str,
}

/// Reads the content of a file with `read`, which gets the root of its tree. Pure, and no larger than [`LARGEST`].
///
/// # Errors
/// Everything that is wrong with it, in the order of the file. A syntax error ends the reading, so it comes last.
pub(crate) fn parse<T>(
    bytes: &[u8],
    format: Format,
    read: impl FnOnce(&Node, &mut Findings) -> Option<T>,
) -> Result<(T, Vec<Problem>), Problems> {
    if bytes.len() > LARGEST {
        return Err(Problems::of_file(&format.file, &too_large()));
    }
    let mut findings = Findings::new(format);
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err((at, why)) => {
            findings.problem(at, || why);
            return Err(findings.into_problems(String::from_utf8_lossy(bytes).into_owned()));
        }
    };
    let read = tree::parse(text, &mut findings).and_then(|root| read(&root, &mut findings));
    match read.filter(|_| findings.found() == 0) {
        Some(read) => Ok((read, findings.warnings)),
        None => Err(findings.into_problems(text.to_owned())),
    }
}

/// Reads a file of any name, no more of it than [`LARGEST`].
///
/// # Errors
/// When it cannot be read or is larger.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Problems> {
    read_from(&name(path), File::open(path))
}

/// Reads what is named `name` to its end, no more of it than [`LARGEST`].
///
/// # Errors
/// When it could not be opened, cannot be read or is larger.
pub(crate) fn read_from(name: &Arc<str>, input: io::Result<impl Read>) -> Result<Vec<u8>, Problems> {
    let mut bytes = Vec::new();
    let read = input.and_then(|input| input.take(LARGEST as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| Problems::of_file(name, &format!("cannot read it: {error}")))?;
    if bytes.len() > LARGEST { Err(Problems::of_file(name, &too_large())) } else { Ok(bytes) }
}

/// A file as it is named in front of its problems: as it was given.
pub(crate) fn name(path: &Path) -> Arc<str> {
    text::harmless(&path.to_string_lossy()).into()
}

/// Why a larger file is refused.
pub(crate) fn too_large() -> String {
    format!("is larger than {} KiB", LARGEST / 1024)
}
