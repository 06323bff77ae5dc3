//! `setpoint simulate`: scenarios through our engine and the laws of others, without a service and without waiting.
//!
//! ```text
//! scenario_file, builtin --> report: every law, every seed, on all cores --> table | json | plot | html
//! ```
//!
//! The plant, the laws and the figures are those of the scoreboard (`setpoint_policies::sim`); here is only what a person or
//! a script needs around them. Names of scenarios are unique in a call, so that reports can be told apart.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use setpoint_policies::knob::KnobName;
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::spec::PolicySet;

use crate::cli;
use crate::config;

mod builtin;
mod html;
mod json;
mod laws;
mod mix;
pub mod oracles;
mod plot;
mod report;
pub mod scenario_file;
mod series;
mod table;
mod work;

use laws::Entry;
use oracles::Known;
use report::{Plan, Report};
use work::Progress;

/// Where the output goes.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Characters in a line.
    pub width: usize,
    /// Whether colours are understood and wanted.
    pub colours: bool,
    /// Whether a person follows standard error.
    pub progress: bool,
}

/// Why nothing was simulated, or not told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// A scenario file, a policy file or a name is wrong; all that is wrong, one problem a line.
    #[error("{0}")]
    Refused(String),
    /// The page cannot be written.
    #[error("cannot write {file}")]
    Page {
        /// Which.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
}

/// Does what `options` say and writes the result to `out`. Takes as long as all runs together, on all cores.
///
/// # Errors
/// See [`SimulateError`].
pub fn simulate(options: &cli::Simulate, screen: Screen, out: &mut dyn Write) -> Result<(), SimulateError> {
    if options.list {
        return Ok(out.write_all(list().as_bytes())?);
    }
    let plan = plan(options)?;
    // Opened before the work, which may take an hour, and overwritten after it.
    let page = options.html.as_deref().map(Page::open).transpose()?;
    let reports = report::run(plan, Progress { shown: screen.progress });
    if let Some(page) = page {
        page.write(&html::page(&reports))?;
    }
    if options.json {
        return Ok(out.write_all(json::text(&reports).as_bytes())?);
    }
    for (number, report) in reports.iter().enumerate() {
        let between = if number == 0 { "" } else { "\n" };
        write!(out, "{between}{}", table::text(report))?;
        if options.plot {
            plots(report, options, screen, out)?;
        }
    }
    Ok(())
}

/// A file that is known to be writable.
struct Page<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Page<'a> {
    fn open(path: &'a Path) -> Result<Self, SimulateError> {
        let file = File::options().create(true).write(true).truncate(false).open(path);
        file.map(|file| Self { path, file }).map_err(|source| Self::error(path, source))
    }

    fn write(mut self, text: &str) -> Result<(), SimulateError> {
        // What cannot be truncated is a pipe or a device, and need not be.
        let _ = self.file.set_len(0);
        self.file.write_all(text.as_bytes()).map_err(|source| Self::error(self.path, source))
    }

    fn error(path: &Path, source: io::Error) -> SimulateError {
        SimulateError::Page { file: path.display().to_string(), source }
    }
}

/// Ours, and the laws that were asked for by name.
fn plots(report: &Report, options: &cli::Simulate, screen: Screen, out: &mut dyn Write) -> io::Result<()> {
    let named = |name: &str| name == laws::OURS || options.against.iter().any(|asked| asked == name);
    for law in report.laws.iter().filter(|law| named(law.name)) {
        write!(out, "\n{}", plot::text(report, law, screen))?;
    }
    Ok(())
}

fn plan(options: &cli::Simulate) -> Result<Plan, SimulateError> {
    let mut problems = Vec::new();
    let mut scenarios = Vec::new();
    for name in &options.scenarios {
        match scenario(name) {
            Ok(scenario) => scenarios.push(scenario),
            Err(why) => problems.push(why),
        }
    }
    let mut names = BTreeSet::new();
    let twice = scenarios.iter().filter(|scenario: &&Scenario| !names.insert(scenario.name.clone()));
    problems.extend(twice.map(|scenario| format!("two scenarios are named `{}`", scenario.name)));
    let policies = options.policy.as_ref().map(|file| policies(file, &options.knob)).transpose();
    let policies = policies.unwrap_or_else(|why| {
        problems.push(why);
        None
    });
    let mut laws = vec![Entry::ours(policies)];
    match laws::chosen(&options.against, !options.no_oracle) {
        Ok(others) => laws.extend(others),
        Err(why) => problems.push(why),
    }
    if !problems.is_empty() {
        return Err(SimulateError::Refused(problems.join("\n")));
    }
    let seeds = (0..u64::from(options.seeds)).map(|number| options.seed.wrapping_add(number)).collect();
    Ok(Plan { scenarios, laws, seeds, oracles: (!options.no_oracle).then(Known::built_in) })
}

/// A built-in scenario, or that of a file. A file with the name of a built-in one is meant only when the name looks like one.
fn scenario(name: &str) -> Result<Scenario, String> {
    let looks_like_a_file = name == "-" || name.contains(['/', '.']);
    let read = match builtin::find(name).filter(|_| !looks_like_a_file) {
        Some(found) => found,
        None if !looks_like_a_file && !Path::new(name).exists() => {
            let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(format!(
                "no scenario is named `{name}`: --list tells those that are built in, a file needs its path"
            ));
        }
        None => scenario_file::read(Path::new(name)),
    };
    read.map_err(|problems| problems.with_source().to_string())
}

/// The policies of a file, and the limit that they are played with; some of them must be about it.
fn policies(file: &Path, knob: &str) -> Result<(Arc<PolicySet>, KnobName), String> {
    let set = config::load_path(file).map_err(|problems| problems.with_source().to_string())?.set;
    let knobs = set.policies.iter().map(|policy| policy.controller.knob());
    let limits: BTreeSet<&KnobName> = knobs.filter(|knob| knob.as_str().starts_with("limit.")).collect();
    if let Some(name) = limits.iter().find(|limit| limit.as_str() == knob) {
        return Ok((Arc::clone(&set), KnobName::clone(name)));
    }
    let (file, names) = (file.display(), limits.iter().map(|limit| limit.as_str()).collect::<Vec<_>>());
    let knob: String = knob.chars().filter(|c| !c.is_control()).take(60).collect();
    Err(match names.is_empty() {
        true => format!(
            "{file}: no policy for {knob}, nor for any other limit: the simulated service has no other knob"
        ),
        false => format!("{file}: no policy for {knob}, say --knob with one of {}", names.join(", ")),
    })
}

/// What `--against` takes.
pub fn law_names() -> Vec<&'static str> {
    laws::others().iter().map(|law| law.name).chain(["all"]).collect()
}

fn list() -> String {
    let scenarios = builtin::names().filter_map(builtin::find).flatten();
    let mut scenarios: Vec<_> = scenarios.map(|scenario| (scenario.name, scenario.about)).collect();
    scenarios
        .push(("draw-N".to_owned(), "a random scenario; any number gives one, always the same".to_owned()));
    let laws = laws::others().into_iter().map(|law| (law.name.to_owned(), law.source.to_owned()));
    format!("Scenarios:\n{}\nLaws:\n{}", named(&scenarios), named(&laws.collect::<Vec<_>>()))
}

/// Names and what they stand for, in two columns.
fn named(things: &[(String, String)]) -> String {
    let width = things.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    things.iter().map(|(name, about)| format!("  {name:width$}  {about}\n")).collect()
}

#[cfg(test)]
mod tests;
