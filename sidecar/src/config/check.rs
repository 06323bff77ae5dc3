//! `setpoint check PATH`: every error of a policy file, or what its policies will do.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::{FILE, Loaded, load, load_from, load_path};
use crate::yaml::{self, Problem, Problems};

/// Exit code of a good file.
pub const OK: u8 = 0;
/// Exit code of a bad one (`EX_USAGE`, as of every other bad input to the command).
pub const REFUSED: u8 = 64;

/// Checks a policy file and writes the outcome to `out`. `path` is its directory, as for `run`, or a file of any name, or `-` for
/// standard input. For people every error with its line of the file, or a
/// table of the policies; with `json` an array of `{file, line, column, severity, message}`, empty when there is nothing
/// to say. `line` and `column` are null for an error of the file as a whole. Returns the exit code, [`OK`] or [`REFUSED`].
///
/// # Errors
/// When `out` cannot be written.
pub fn check(path: &Path, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let (name, outcome) = read(path);
    let code = if outcome.is_ok() { OK } else { REFUSED };
    match outcome {
        Ok(loaded) if json => write_json(&loaded.warnings, "warning", out)?,
        Err(errors) if json => write_json(errors.problems(), "error", out)?,
        Ok(loaded) => summary(&name, &loaded, out)?,
        Err(errors) => writeln!(out, "{}", errors.with_source())?,
    }
    Ok(code)
}

#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    severity: &'a str,
    message: &'a str,
}

fn write_json(problems: &[Problem], severity: &str, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Row<'_>> = problems
        .iter()
        .map(|Problem { file, at, message }| {
            let (line, column) = (at.map(|at| at.line), at.map(|at| at.column));
            Row { file, line, column, severity, message }
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)
}

/// What is checked, as it is named in front of its problems, and what it says. What is not there is taken for a directory.
fn read(path: &Path) -> (Arc<str>, Result<Loaded, Problems>) {
    let name = yaml::name(path);
    if &*name == "-" {
        let loaded = load_from(&name, Ok(io::stdin().lock()));
        return (name, loaded);
    }
    if path.metadata().is_ok_and(|there| !there.is_dir()) {
        return (name, load_path(path));
    }
    (FILE.into(), load(path))
}

fn summary(name: &str, loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    let set = &loaded.set;
    for warning in &loaded.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "{name} is good: `{}`, revision {}", set.name, &set.revision[..12])?;
    let (lease, mode) = (&set.lease, set.mode.name());
    writeln!(
        out,
        "mode {mode}, tick {:?}, lease ttl {:?}, hold {:?}, decay {:?}\n",
        set.tick, lease.ttl, lease.hold, lease.decay
    )?;
    let head = ["POLICY", "CONTROLLER", "KNOB", "PARAMETERS"].map(str::to_owned);
    let rows = set.policies.iter().zip(&loaded.parameters).map(|(policy, parameters)| {
        let controller = &policy.controller;
        [&*policy.name, controller.name(), controller.knob().as_str(), parameters].map(str::to_owned)
    });
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (policy, controller, knob) = (width(0), width(1), width(2));
    for [a, b, c, d] in &rows {
        writeln!(out, "{a:policy$}  {b:controller$}  {c:knob$}  {d}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
