//! Two incidents of field reports on real processes: a regional spike of load, and a slow database that piles up tasks.
//!
//! ```text
//! script: phases, arms --> arena: for each arm a service, its sidecar, its load; all at the same time --> record
//!                                                                          record --> judge --> report, picture, json
//! ```
//!
//! An arm is the service without Setpoint, or with one policy file. All arms of a repetition run at the same time and get the same
//! load, so whatever the machine does, it does to all, and the ratio between them is what the policy does. The load is open-loop
//! and measures from the scheduled time.

pub mod arena;
mod args;
pub mod json;
pub mod judge;
pub mod picture;
pub mod record;
pub mod report;
pub mod script;

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::real::progress::Progress;
use crate::real::rig::Programs;
use arena::Sidecars;
pub use args::Args;
use judge::Judged;
use script::Incident;

/// Plays what the command line asks for, prints and writes the figures. Whether every promise was kept.
///
/// # Errors
/// A process or a request of the arena's own fails; a file cannot be written.
pub async fn run(args: &Args, programs: &Programs, repository: &Path) -> anyhow::Result<bool> {
    let incidents: Vec<Incident> = args.incidents();
    let jobs: Vec<(usize, u64)> = (1..=args.repetitions())
        .flat_map(|seed| (0..incidents.len()).map(move |index| (index, seed)))
        .collect();
    let mut judged: Vec<Judged> = incidents.iter().cloned().map(Judged::new).collect();
    let mut next = start(programs, &incidents, jobs.first()).await?;
    for (job, (index, seed)) in jobs.iter().enumerate() {
        let sidecars = next.take().context("there are some for each job")?;
        // They learn while the present ones are at work, and are idle meanwhile.
        next = start(programs, &incidents, jobs.get(job + 1)).await?;
        let incident = &incidents[*index];
        let progress =
            Progress { what: format!("{}, repetition {seed} of {}", incident.name, args.repetitions()) };
        let played = arena::play(programs, incident, *seed, &sidecars, &progress).await?;
        progress.end(&report::line(incident, &played));
        judged[*index].repetitions.push(played);
    }
    std::io::stdout().write_all(report::text(&judged).as_bytes())?;
    if let Some(path) = &args.json {
        json::write(&judged, path)?;
    }
    if args.is_complete() {
        report::write(&judged, &repository.join("docs"))?;
    }
    Ok(judged.iter().all(Judged::kept))
}

/// The sidecars of a job, if there is one.
async fn start(
    programs: &Programs,
    incidents: &[Incident],
    job: Option<&(usize, u64)>,
) -> anyhow::Result<Option<Sidecars>> {
    let Some((index, _)) = job else { return Ok(None) };
    Ok(Some(Sidecars::start(programs, &incidents[*index]).await?))
}
