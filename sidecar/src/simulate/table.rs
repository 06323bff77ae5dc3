//! The figures for people.

use std::fmt::Write;

use super::mix;
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

/// The figures of a scenario as a table, and who gets what where that is a question.
pub(super) fn text(report: &Report) -> String {
    let with_oracle = report.limits.is_some();
    let laws = report.laws.iter().map(|law| cells(law.name, &law.figures, with_oracle).to_vec());
    let rows: Vec<_> = std::iter::once(TITLES.map(str::to_uppercase).to_vec()).chain(laws).collect();
    let (name, about) = (&report.scenario.name, &report.scenario.about);
    let mut text = format!("{name}  {about}\n{}\n\n{}", facts(report), columns(&rows));
    if let Some(mut mix) = mix::rows(report) {
        mix[0].iter_mut().for_each(|title| *title = title.to_uppercase());
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}\n{}", mix::title(report), columns(&mix));
    }
    text
}

/// Rows in columns as wide as they must be; the first to the left, the others to the right.
fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
    let widths: Vec<usize> = (0..).map_while(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).skip(1).map(|(cell, width)| format!("  {cell:>width$}"));
        format!("  {:first$}{}\n", row[0], cells.collect::<String>(), first = widths[0])
    };
    rows.iter().map(line).collect()
}
