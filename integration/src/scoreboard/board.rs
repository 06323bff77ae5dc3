//! All figures, and what they come to.

use std::collections::BTreeMap;

use setpoint_policies::sim::score::measure::Score;

/// A scenario's line of the board.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What happens in it.
    pub about: String,
    /// Whether it is ever overloaded.
    pub overload: bool,
    /// From a file, not drawn.
    pub named: bool,
    /// Its kinds of calls.
    pub classes: Vec<String>,
    /// The oracle's limits by phase.
    pub limits: Vec<f64>,
    /// How many runs.
    pub seeds: usize,
    /// By law, the oracle among them.
    pub laws: BTreeMap<String, Score>,
}

/// The figures of all laws in all scenarios.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// Laws in the order in which they are shown; the oracle first.
    pub laws: Vec<String>,
    /// Of these, the ones of other projects and the static ones.
    pub peers: Vec<String>,
    /// Named scenarios first.
    pub lines: Vec<Line>,
    /// Wall-clock seconds it took.
    pub seconds: f64,
    /// Calls that were simulated.
    pub calls: u64,
}

/// How a law did over many scenarios.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Mean of the goodput ratios.
    pub mean: f64,
    /// A tenth of the scenarios are worse.
    pub p10: f64,
    /// The worst.
    pub worst: f64,
    /// Share of the scenarios with at least 0.9.
    pub good: f64,
    /// Mean of the false rejects.
    pub false_rejects: f64,
    /// Median of the p99, as a multiple of the oracle's, where there is overload.
    pub p99_factor: f64,
    /// Median of the convergence, seconds; infinite = never.
    pub convergence: f64,
    /// Mean of the oscillation.
    pub oscillation: f64,
}

impl Board {
    /// The lines of the named scenarios, or of the drawn ones.
    pub fn lines(&self, named: bool) -> impl Iterator<Item = &Line> + '_ {
        self.lines.iter().filter(move |line| line.named == named)
    }

    /// A law's figures in these lines; `None` if it is in none of them.
    pub fn summary(&self, law: &str, named: bool) -> Option<Summary> {
        let scores: Vec<(&Line, &Score)> =
            self.lines(named).filter_map(|line| Some((line, line.laws.get(law)?))).collect();
        let of = |figure: &dyn Fn(&Line, &Score) -> Option<f64>| -> Vec<f64> {
            let mut all: Vec<f64> = scores.iter().filter_map(|(line, score)| figure(line, score)).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let ratios = of(&|_, score| Some(score.goodput_ratio));
        let good = ratios.iter().filter(|ratio| **ratio >= 0.9).count();
        Some(Summary {
            mean: mean(&ratios)?,
            p10: rank(&ratios, 0.1)?,
            worst: rank(&ratios, 0.0)?,
            good: good as f64 / ratios.len() as f64,
            false_rejects: mean(&of(&|_, score| Some(score.false_reject_ratio)))?,
            p99_factor: rank(&of(&|line, score| p99_factor(line, score)), 0.5).unwrap_or(f64::NAN),
            convergence: rank(&of(&|_, score| Some(score.convergence.unwrap_or(f64::INFINITY))), 0.5)?,
            oscillation: mean(&of(&|_, score| Some(score.oscillation)))?,
        })
    }
}

/// A law's p99 as a multiple of the oracle's, where there is overload.
pub fn p99_factor(line: &Line, score: &Score) -> Option<f64> {
    let oracle = line.laws.get(super::laws::ORACLE)?.p99?;
    line.overload.then_some(score.p99? / oracle)
}

/// Mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The value at a rank (0 to 1) of sorted values; `None` of nothing.
pub fn rank(sorted: &[f64], rank: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(last as f64 * rank).round() as usize])
}
