//! The scenarios: the named ones are files, the others are drawn.

use std::path::Path;

use anyhow::Context;
use setpoint::simulate::scenario_file;
use setpoint_policies::sim::draw;
use setpoint_policies::sim::scenario::Scenario;

use super::Args;

/// A scenario on the board.
#[derive(Debug, Clone)]
pub struct Case {
    /// What happens.
    pub scenario: Scenario,
    /// From a file, not drawn.
    pub named: bool,
    /// Attempts of one run without retries, to plan with.
    pub calls: f64,
}

impl Case {
    fn new(scenario: Scenario, named: bool) -> Self {
        let calls = expected_calls(&scenario);
        Self { scenario, named, calls }
    }

    /// The seeds of its runs: more of them where few calls would leave much to chance.
    pub fn seeds(&self, base: u64) -> Vec<u64> {
        let factor = (20_000.0 / self.calls).clamp(1.0, 4.0);
        (1..=(base as f64 * factor).ceil() as u64).collect()
    }

    /// Seeds of the search for the oracle's limits: never one of those on which laws run. Some 150,000 calls are enough to
    /// tell limits apart that differ by a tenth of a percent or two.
    pub fn search_seeds(&self) -> Vec<u64> {
        let count = (150_000.0 / self.calls).ceil().clamp(2.0, 12.0) as u64;
        (0..count).map(|index| 1_000_001 + index).collect()
    }
}

/// The scenarios that are wanted.
pub fn load(folder: &Path, args: &Args) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    for path in files {
        cases.push(Case::new(read(&path)?, true));
    }
    cases.sort_by(|a, b| natural(&a.scenario.name).cmp(&natural(&b.scenario.name)));
    let first = args.first_draw_seed;
    cases.extend((first..first + args.draws()).map(|number| Case::new(draw::scenario(number), false)));
    cases.retain(|case| args.wants(&case.scenario.name));
    anyhow::ensure!(!cases.is_empty(), "no scenario has such a name");
    Ok(cases)
}

fn read(path: &Path) -> anyhow::Result<Scenario> {
    scenario_file::read(path).map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// Letters first, then T01 and on, then words.
fn natural(name: &str) -> (u8, &str) {
    let rank = match name.len() {
        1 => 0,
        3 if name.starts_with('T') => 1,
        _ => 2,
    };
    (rank, name)
}

fn expected_calls(scenario: &Scenario) -> f64 {
    let rate = &scenario.clients.rate;
    let ends = rate.points.iter().skip(1).copied().chain([(scenario.seconds, f64::NAN)]);
    let piece = |((from, value), (to, next)): ((f64, f64), (f64, f64))| {
        let mean = if rate.linear && next.is_finite() { (value + next) / 2.0 } else { value };
        mean * (to - from).max(0.0)
    };
    let bursts =
        rate.bursts.map_or(0.0, |b| b.rate * b.length * ((scenario.seconds - b.from) / b.every).max(0.0));
    rate.points.iter().copied().zip(ends).map(piece).sum::<f64>() + bursts
}
