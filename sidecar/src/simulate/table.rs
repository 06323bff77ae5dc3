//! The figures for people.

use std::fmt::Write;

use super::report::{Figures, Report};
use crate::show::number;

/// Title and columns of the table; the same in a terminal and on a page.
pub(super) const TITLES: [&str; 7] =
    ["law", "goodput / oracle", "goodput", "p99", "false rejects", "convergence", "oscillation"];

/// The cells of a law.
pub(super) fn cells(name: &str, figures: &Figures, with_oracle: bool) -> [String; 7] {
    let convergence = match figures.convergence {
        Some(seconds) => format!("{} s", number(seconds)),
        None if with_oracle => "never".to_owned(),
        None => "-".to_owned(),
    };
    [
        name.to_owned(),
        figures.goodput_ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
        format!("{:.0}/s", figures.goodput),
        figures.p99.map_or("-".to_owned(), seconds),
        percent(figures.false_reject_ratio),
        convergence,
        percent(figures.oscillation),
    ]
}

/// Seconds in words that fit a column.
pub(super) fn seconds(seconds: f64) -> String {
    let millis = seconds * 1e3;
    match millis {
        ..10.0 => format!("{millis:.1} ms"),
        ..10_000.0 => format!("{millis:.0} ms"),
        _ => format!("{seconds:.1} s"),
    }
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// What a scenario is about and how it was run, without its name.
pub(super) fn facts(report: &Report) -> String {
    let runs = report.seeds.len();
    let mut facts =
        format!("{} s, {runs} run{}", number(report.scenario.seconds), if runs == 1 { "" } else { "s" });
    if let Some(limits) = &report.limits {
        let shown = |limit: &f64| if limit.is_finite() { number(*limit) } else { "none".to_owned() };
        let mut limits: Vec<String> = limits.iter().map(shown).collect();
        limits.dedup();
        let more = if limits.len() > 12 { ", ..." } else { "" };
        limits.truncate(12);
        // Writing to a string cannot fail.
        let _ = write!(facts, ", best limits in hindsight {}{more}", limits.join(", "));
    }
    facts
}

/// The figures of a scenario as a table.
pub(super) fn text(report: &Report) -> String {
    let with_oracle = report.limits.is_some();
    let head = TITLES.map(str::to_uppercase);
    let rows = report.laws.iter().map(|law| cells(law.name, &law.figures, with_oracle));
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = format!("{}  {}\n", report.scenario.name, report.scenario.about);
    let _ = writeln!(text, "{}\n", facts(report));
    for row in &rows {
        let (name, cells) = (&row[0], row.iter().zip(widths).skip(1));
        let cells: String = cells.map(|(cell, width)| format!("  {cell:>width$}")).collect();
        let _ = writeln!(text, "  {name:first$}{cells}", first = widths[0]);
    }
    text
}
