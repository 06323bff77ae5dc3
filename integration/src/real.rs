//! Scenarios on real processes, judged by the scoreboard's own code and compared with the simulator.
//!
//! The scoreboard's claims stand on a simulation. This is the check that they hold where it counts: a real sidecar that talks
//! with a real SDK in a real service, under a real clock. For each scenario and seed
//!
//! ```text
//! scenario, seed --> calls --> rig: two services, a sidecar, open-loop load --> record --> Run --+
//!                      |                                                                         +--> judge --> report, json, page
//!                      +-----> simulator: our engine behind its link, the oracle -----> Run -----+
//! ```
//!
//! The oracle of the real run is played on the rig as well, at the same time, so that what the rig costs costs both.

mod args;
pub mod calls;
pub mod json;
pub mod judge;
pub mod machine;
pub mod policy;
pub mod progress;
pub mod record;
pub mod report;
pub mod rig;
pub mod rows;
pub mod scale;
pub mod spread;
pub mod trace;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use setpoint::simulate::oracles::Known;
use setpoint::simulate::scenario_file;
use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::link::{Connected, default_policies};
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::oracle;

use crate::service::plant::works::unsupported;
use crate::sidecar::Sidecar;
pub use args::Args;
use judge::{Line, Pair, Repetition};
use progress::Progress;
use rig::{Play, Programs};

/// Seeds of a search for limits that are not known: others than those of the runs.
const SEARCH_SEEDS: [u64; 4] = [1_000_001, 1_000_002, 1_000_003, 1_000_004];

/// Plays what the command line asks for, prints and writes the figures. Whether all scenarios are close enough.
///
/// # Errors
/// A scenario that cannot be read or played; a process of the rig that fails; a file that cannot be written.
pub async fn run(args: &Args, programs: &Programs, repository: &Path) -> anyhow::Result<bool> {
    if let Some(directory) = &args.trace {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let folder = repository.join("policies/scenarios");
    let known = Known::built_in();
    let plays = args.only.iter().map(|name| load(&folder, name, args.scale, &known));
    let plays = plays.collect::<anyhow::Result<Vec<_>>>()?;
    let jobs: Vec<(&Play, u64)> =
        plays.iter().flat_map(|play| (1..=args.repetitions).map(move |seed| (play, seed))).collect();
    let mut lines: Vec<Line> = plays.iter().map(line).collect();
    let mut next = start(programs, args, jobs.first()).await?;
    for (index, (play, seed)) in jobs.iter().enumerate() {
        let sidecar = next.take().context("there is one for each job")?;
        // It learns while the present one is at work, and is idle meanwhile.
        next = start(programs, args, jobs.get(index + 1)).await?;
        let repetition = repeat(args, programs, play, *seed, &sidecar).await?;
        lines[index / args.repetitions as usize].repetitions.push(repetition);
    }
    std::io::stdout().write_all(report::text(&lines, args.scale).as_bytes())?;
    if let Some(path) = &args.json {
        json::write(&lines, args.scale, path)?;
    }
    if args.is_complete() {
        let page = repository.join("docs/scoreboard-real.md");
        std::fs::write(&page, report::markdown(&lines))
            .with_context(|| format!("cannot write {}", page.display()))?;
    }
    Ok(lines.iter().all(Line::is_close))
}

/// The scenario of a name or file, scaled, with its limits by hand.
fn load(folder: &Path, name: &str, scale: f64, known: &Known) -> anyhow::Result<Play> {
    let file = match name.ends_with(".yaml") {
        true => PathBuf::from(name),
        false => folder.join(format!("{}.yaml", name.to_lowercase())),
    };
    let scenario = scenario_file::read(&file).map_err(|problems| anyhow!("{problems}"))?;
    let missing = unsupported(&scenario);
    ensure!(missing.is_empty(), "{name}: the real service has no {}", missing.join(", "));
    let scenario = scale::scaled(&scenario, scale);
    let oracle = known.find(&scenario).unwrap_or_else(|| oracle::search(&scenario, &SEARCH_SEEDS));
    Ok(Play { file, scale, scenario, limits: oracle.phases })
}

fn line(play: &Play) -> Line {
    Line {
        name: play.scenario.name.clone(),
        about: play.scenario.about.clone(),
        limits: play.limits.clone(),
        repetitions: Vec::new(),
    }
}

/// The sidecar of a job, if there is one.
async fn start(
    programs: &Programs,
    args: &Args,
    job: Option<&(&Play, u64)>,
) -> anyhow::Result<Option<Sidecar>> {
    let Some((play, seed)) = job else { return Ok(None) };
    let record = args.trace.as_ref().map(|dir| trace::file(dir, &play.scenario.name, *seed, "ndjson"));
    Ok(Some(rig::sidecar(programs, &play.scenario, record.as_deref()).await?))
}

/// One repetition: on the rig, then in the simulator.
async fn repeat(
    args: &Args,
    programs: &Programs,
    play: &Play,
    seed: u64,
    sidecar: &Sidecar,
) -> anyhow::Result<Repetition> {
    let scenario = &play.scenario;
    let what = format!("{}, repetition {seed} of {}", scenario.name, args.repetitions);
    let progress = Progress { what };
    let played = rig::play(programs, play, seed, sidecar, &progress).await?;
    let simulated = Pair::simulated(scenario, seed, ours(scenario, seed), &play.limits);
    let real = Pair::real(scenario, &played);
    if let Some(directory) = &args.trace {
        let file = |extension| trace::file(directory, &scenario.name, seed, extension);
        trace::write(&file("csv"), &simulated, &real, &played)?;
        std::fs::copy(sidecar.log(), file("log")).context("cannot copy the sidecar's log")?;
    }
    let repetition = Repetition::of(scenario, seed, &simulated, &real, &played);
    let ratio = |figures: &judge::Figures| figures.score.goodput_ratio;
    progress.end(&format!(
        "simulated {:.3}, real {:.3} of the oracle's; load average {:.2}{}",
        ratio(&repetition.simulated),
        ratio(&repetition.real),
        repetition.busy.load_average,
        if repetition.is_disturbed() { ", disturbed" } else { "" },
    ));
    Ok(repetition)
}

fn ours(scenario: &Scenario, seed: u64) -> Vec<Box<dyn Law>> {
    vec![Box::new(Connected::new(scenario, &Arc::new(default_policies(scenario)), 0, seed))]
}
