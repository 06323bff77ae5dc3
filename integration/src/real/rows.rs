//! The figures of a scenario as rows, for terminal and page alike.

use super::judge::{Figures, Line, POINTS};
use super::machine::{LATENESS, OTHERS, OURS};
use super::spread::Spread;
use crate::units::milliseconds;

/// One figure, simulated and real.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is, with its unit.
    pub figure: &'static str,
    /// In the simulator.
    pub simulated: String,
    /// On real processes.
    pub real: String,
}

/// The rows of a scenario, the one that is judged first.
pub fn rows(line: &Line) -> Vec<Row> {
    let row = |figure, digits: usize, of: &dyn Fn(&Figures) -> Option<f64>| {
        let text = |spread: Spread| format!("{spread:.digits$}");
        Row { figure, simulated: text(line.simulated(of)), real: text(line.real(of)) }
    };
    vec![
        row("goodput ÷ oracle's", 3, &|figures| Some(figures.score.goodput_ratio)),
        row("p99, ms", 0, &|figures| Some(figures.score.p99? * 1e3)),
        row("the oracle's p99, ms", 0, &|figures| Some(figures.oracle_p99? * 1e3)),
        row("converged after, s", 1, &|figures| figures.score.convergence),
        row("false rejects, %", 2, &|figures| Some(figures.score.false_reject_ratio * 100.0)),
        row("oscillation, %", 1, &|figures| Some(figures.score.oscillation * 100.0)),
        row("the oracle's goodput, per second", 0, &|figures| Some(figures.oracle_goodput)),
    ]
}

/// The verdict on a scenario.
pub fn verdict(line: &Line) -> String {
    let word = if line.is_close() { "within" } else { "MORE THAN" };
    let difference = line.difference();
    format!("real {difference:+.1} points from simulated: {word} {POINTS:.0}")
}

/// What the machine did, and whether that spoils the figures.
pub fn machine(line: &Line) -> String {
    let percent = |of: &dyn Fn(&super::judge::Repetition) -> f64| {
        line.spread(|repetition| Some(of(repetition))).times(100.0)
    };
    let (ours, others) = (percent(&|r| r.busy.ours_ratio), percent(&|r| r.busy.others_ratio));
    let load = line.spread(|repetition| Some(repetition.busy.load_average));
    let lateness = line.spread(|repetition| repetition.lateness.map(milliseconds));
    let mut text = format!(
        "CPUs: rig {ours:.0} %, others {others:.0} %; load average {load:.2}; load's own lateness p99 {lateness:.1} ms"
    );
    let lost: usize = line.repetitions.iter().map(|repetition| repetition.lost).sum();
    if lost > 0 {
        text += &format!("; {lost} CALLS FAILED OR WERE NOT SENT");
    }
    if line.disturbed() > 0 {
        text += &format!(
            "; DISTURBED in {} of {} runs (others above {:.0} % of the CPUs, lateness above {:.0} ms, or calls lost): \
             run it again on a quiet machine",
            line.disturbed(),
            line.repetitions.len(),
            OTHERS * 100.0,
            milliseconds(LATENESS),
        );
    }
    if line.repetitions.iter().any(|repetition| repetition.busy.is_crowded()) {
        text += &format!("; the rig takes more than {:.0} % of the CPUs: use --scale", OURS * 100.0);
    }
    text
}
