//! The board as text for a terminal.

use std::fmt::Write;

use super::board::{Board, Line, Summary};
use super::laws::ORACLE;
use setpoint_policies::sim::score::measure::Score;

/// The whole board: with few laws a line for each figure, with many a line for each scenario; then what it comes to.
pub fn text(board: &Board, verbose: bool) -> String {
    let mut out = String::new();
    if board.laws.len() <= 4 || verbose {
        details(&mut out, board, verbose);
    } else {
        matrix(&mut out, board);
    }
    for (named, title) in [(true, "named scenarios"), (false, "random scenarios")] {
        summary(&mut out, board, named, title);
    }
    let rate = board.calls as f64 / board.seconds.max(1e-9) / 1e6;
    let _ = writeln!(
        out,
        "{} calls simulated in {:.0} s, {rate:.1} million per second",
        board.calls, board.seconds
    );
    out
}

/// All figures, a line for each law and scenario.
fn details(out: &mut String, board: &Board, verbose: bool) {
    let _ = writeln!(
        out,
        "{:<34}{:<22}{:>8}{:>9}{:>8}{:>7}{:>7}  phases",
        "scenario", "law", "goodput", "p99 ms", "false %", "conv s", "osc %"
    );
    for line in &board.lines {
        for law in &board.laws {
            let Some(score) = line.laws.get(law) else { continue };
            let phases: Vec<String> = match law == ORACLE {
                true => line.limits.iter().map(|limit| format!("{limit}")).collect(),
                false => score.phases.iter().map(|ratio| format!("{ratio:.2}")).collect(),
            };
            let _ = write!(out, "{:<34}{law:<22}{}  {}", line.name, figures(score), phases.join(" "));
            if verbose {
                let classes: Vec<String> = score.classes.iter().map(|share| format!("{share:.3}")).collect();
                let fairness = score.fairness.map_or(String::new(), |index| format!("  fairness {index:.3}"));
                let _ = write!(out, "  answered {}{fairness}", classes.join(" "));
            }
            out.push('\n');
        }
        if verbose {
            let _ = writeln!(out, "    {}", line.about);
        }
    }
    out.push('\n');
}

fn figures(score: &Score) -> String {
    let p99 = score.p99.map_or("-".to_owned(), |seconds| format!("{:.1}", seconds * 1e3));
    let convergence = score.convergence.map_or("never".to_owned(), |seconds| format!("{seconds:.1}"));
    format!(
        "{:>8.3}{p99:>9}{:>8.2}{convergence:>7}{:>7.1}",
        score.goodput_ratio,
        score.false_reject_ratio * 100.0,
        score.oscillation * 100.0
    )
}

/// Goodput ratios in percent, a column for each law.
fn matrix(out: &mut String, board: &Board) {
    let laws = || board.laws.iter().filter(|law| *law != ORACLE);
    for (number, law) in laws().enumerate() {
        let _ = writeln!(out, "{:>30} {}", format!("column {:>2}", number + 1), law);
    }
    let columns: String = (1..=laws().count()).map(|number| format!("{number:>4}")).collect();
    let _ = writeln!(out, "{:<34}{columns}", "goodput / oracle, percent");
    for line in &board.lines {
        let _ =
            writeln!(out, "{:<34}{}", line.name, laws().map(|law| percent(line, law)).collect::<String>());
    }
    out.push('\n');
}

fn percent(line: &Line, law: &str) -> String {
    line.laws.get(law).map_or("   -".to_owned(), |score| format!("{:>4.0}", score.goodput_ratio * 100.0))
}

fn summary(out: &mut String, board: &Board, named: bool, title: &str) {
    let count = board.lines(named).count();
    if count == 0 {
        return;
    }
    let _ = writeln!(
        out,
        "{:<24}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}{:>8}{:>8}",
        format!("{count} {title}"),
        "mean",
        "p10",
        "worst",
        ">=0.9",
        "p99 x",
        "false %",
        "conv s",
        "osc %"
    );
    for law in &board.laws {
        if let Some(summary) = board.summary(law, named) {
            let _ = writeln!(out, "{law:<24}{}", row(&summary));
        }
    }
    out.push('\n');
}

fn row(summary: &Summary) -> String {
    let convergence = if summary.convergence.is_finite() {
        format!("{:.1}", summary.convergence)
    } else {
        "never".to_owned()
    };
    format!(
        "{:>8.3}{:>8.3}{:>8.3}{:>7.0}%{:>9.2}{:>9.2}{convergence:>8}{:>8.1}",
        summary.mean,
        summary.p10,
        summary.worst,
        summary.good * 100.0,
        summary.p99_factor,
        summary.false_rejects * 100.0,
        summary.oscillation * 100.0
    )
}
