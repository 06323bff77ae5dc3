//! The table at the end: each phase in one line, with and without Setpoint side by side.

use std::time::Duration;

use super::figures::{latency, percent};
use super::report::{PhaseFigures, Side};

/// The table's lines.
pub fn lines(phases: &[PhaseFigures], deadline_ms: f64) -> Vec<String> {
    let goodput = format!("goodput in {deadline_ms:.0} ms");
    let group = format!(" {:<21}  {goodput:^27}  {:^16}  {:^16}  rejected", "", "p50", "p99");
    let pair = ["with", "without"];
    let head = row("phase", "load", pair, pair, pair, "with");
    let rule = format!(" {}", "─".repeat(head.chars().count() - 1));
    let mut lines = vec![group, head, rule];
    lines.extend(phases.iter().map(phase));
    lines
}

fn phase(figures: &PhaseFigures) -> String {
    let sides = [&figures.protected, &figures.unprotected];
    let ms = |ms: Option<f64>| latency(ms.map(|ms| Duration::from_secs_f64(ms / 1e3)));
    let goodput = sides.map(|side| goodput(side, figures.load_ratio));
    let p50 = sides.map(|side| ms(side.p50_ms));
    let p99 = sides.map(|side| ms(side.p99_ms));
    let [goodput, p50, p99] = [&goodput, &p50, &p99].map(|pair| pair.each_ref().map(String::as_str));
    let rejected = percent(figures.protected.rejected_ratio);
    row(figures.name, &format!("{}x", figures.load_ratio), goodput, p50, p99, &rejected)
}

/// Share of capacity; below capacity also the share of what was asked for.
fn goodput(side: &Side, load_ratio: f64) -> String {
    let of_capacity = percent(Some(side.goodput_ratio));
    match load_ratio < 1.0 {
        true => format!("{of_capacity} ({})", percent(side.goodput_of_offered_ratio)),
        false => of_capacity,
    }
}

fn row(name: &str, load: &str, goodput: [&str; 2], p50: [&str; 2], p99: [&str; 2], rejected: &str) -> String {
    format!(
        " {name:<16}{load:>5}  {:>13}{:>14}  {:>8}{:>8}  {:>8}{:>8}  {rejected:>8}",
        goodput[0], goodput[1], p50[0], p50[1], p99[0], p99[1]
    )
}
