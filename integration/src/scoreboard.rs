//! The scoreboard: every law in every scenario.
//!
//! Runs on all cores and takes minutes, so it is a program and not a test. The figures are those of
//! [`setpoint_policies::sim::score`]; here is who takes part ([`laws`]), where ([`set`]), and what is told of it.

mod args;
pub mod board;
pub mod checks;
pub mod json;
pub mod laws;
pub mod oracles;
pub mod picture;
pub mod report;
pub mod set;
pub mod table;
pub mod work;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use setpoint_policies::sim::score::oracle::Oracle;

pub use args::Args;
use board::{Board, Line};
use checks::{Check, Sensitivity};
use laws::{Entry, ORACLE, OURS};
use set::Case;

/// Numbers of draws whose limits are checked in.
const KEPT_DRAWS: &str = "draw-";

/// Runs what the command line asks for and prints the board.
///
/// # Errors
/// A scenario, the oracle's file or a result that cannot be read or written; a name that nobody has.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = repository().join("policies/scenarios");
    let cases = set::load(&folder, args)?;
    let roster = laws::all();
    let chosen = choose(&roster, &args.laws)?;
    let mut known = oracles::Known::read(&folder.join("oracle.json"))?;
    let oracles = known.limits(&cases, args.search, is_kept)?;
    let board = play(&cases, &oracles, &chosen, args);
    let mut text = table::text(&board, args.verbose);
    if args.is_complete() {
        let sensitivity = sensitivity(&cases, &oracles, &chosen, args, &board);
        let checks = checks::all(&board, sensitivity);
        text += &checks::text(&checks);
        write(&repository().join("docs"), &board, &checks, &roster)?;
    } else if args.laws.is_empty() {
        text += &checks::text(&checks::all(&board, None));
    }
    std::io::stdout().write_all(text.as_bytes())?;
    match &args.json {
        Some(path) => json::write(&board, path),
        None => Ok(()),
    }
}

/// Our law over the named scenarios once more, with slow and with lossy messages.
fn sensitivity(
    cases: &[Case],
    oracles: &[Oracle],
    laws: &[&Entry],
    args: &Args,
    board: &Board,
) -> Option<Sensitivity> {
    let ours: Vec<&Entry> = laws.iter().copied().filter(|law| law.name == OURS).collect();
    let named = cases.iter().filter(|case| case.named).count();
    let mean =
        |args: Args| Some(play(&cases[..named], &oracles[..named], &ours, &args).summary(OURS, true)?.mean);
    Some(Sensitivity {
        plain: board.summary(OURS, true)?.mean,
        lagged: mean(Args { lag: Duration::from_millis(250), ..args.clone() })?,
        lossy: mean(Args { loss: 0.2, ..args.clone() })?,
    })
}

/// The page and its pictures.
fn write(docs: &Path, board: &Board, checks: &[Check], roster: &[Entry]) -> anyhow::Result<()> {
    for (name, content) in [
        ("scoreboard.md", report::markdown(board, checks, roster)),
        ("scoreboard-named.svg", picture::heat_map(board)),
        ("scoreboard-draws.svg", picture::dots(board)),
    ] {
        let path = docs.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Where the sources are.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Named scenarios, and the two hundred draws of the board.
fn is_kept(case: &Case) -> bool {
    let number = case.scenario.name.strip_prefix(KEPT_DRAWS).and_then(|number| number.parse().ok());
    case.named || number.is_some_and(|number: u64| number <= 200)
}

fn choose<'a>(roster: &'a [Entry], wanted: &[String]) -> anyhow::Result<Vec<&'a Entry>> {
    let names = || roster.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
    for name in wanted.iter().filter(|name| *name != ORACLE) {
        anyhow::ensure!(
            roster.iter().any(|entry| entry.name == *name),
            "no law `{name}`; there are {}",
            names()
        );
    }
    Ok(roster
        .iter()
        .filter(|entry| wanted.is_empty() || wanted.iter().any(|name| name == entry.name))
        .collect())
}

fn play(cases: &[Case], oracles: &[Oracle], laws: &[&Entry], args: &Args) -> Board {
    let started = Instant::now();
    let pairs: Vec<(&Case, &Oracle)> = cases.iter().zip(oracles).collect();
    let judge = |(case, oracle): &(&Case, &Oracle)| {
        let mut case = (*case).clone();
        case.scenario.link.delay += args.lag.as_secs_f64() / 2.0;
        case.scenario.link.loss = case.scenario.link.loss.max(args.loss);
        work::judge(&case, oracle, laws, args.base_seeds(case.named))
    };
    let outcomes = work::on_all_cores("simulating", &pairs, |(case, _)| case.calls, judge);
    let calls = outcomes.iter().map(|outcome| outcome.calls).sum();
    let lines = pairs.iter().zip(outcomes).map(|((case, oracle), outcome)| Line {
        name: case.scenario.name.clone(),
        about: case.scenario.about.clone(),
        overload: case.scenario.phases.iter().any(|phase| phase.overload),
        named: case.named,
        classes: case.scenario.classes.iter().map(|class| class.name.clone()).collect(),
        limits: oracle.phases.clone(),
        seeds: case.seeds(args.base_seeds(case.named)).len(),
        laws: outcome.scores.into_iter().collect(),
    });
    Board {
        lines: lines.collect(),
        laws: std::iter::once(ORACLE.to_owned()).chain(laws.iter().map(|law| law.name.to_owned())).collect(),
        peers: laws.iter().filter(|law| law.is_peer()).map(|law| law.name.to_owned()).collect(),
        seconds: started.elapsed().as_secs_f64(),
        calls,
    }
}
