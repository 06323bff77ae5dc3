//! The figures for people: on the terminal, and as docs/incidents.md with its pictures.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use super::judge::{Figure, Judged};
use super::picture;
use super::record::{ArmRecord, Repetition};
use super::script::{INCIDENT, Incident};
use crate::demo::plot::{Scale, columns, line as blocks};
use crate::real::machine::{LATENESS, OTHERS};
use crate::real::spread::Spread;
use crate::units::milliseconds;

/// Characters of a plot on the terminal.
const PLOT: usize = 72;

/// One repetition in a line: p99 of the judged route during the incident, for each arm.
pub fn line(incident: &Incident, played: &Repetition) -> String {
    let p99 =
        |arm: &ArmRecord| arm.phases.get(INCIDENT)?.get(incident.judged)?.latency(0.99).map(milliseconds);
    let arms = incident.arms.iter().zip(&played.arms).map(|(arm, record)| match p99(record) {
        Some(p99) => format!("{} {p99:.0} ms", arm.name),
        None => format!("{} no answers", arm.name),
    });
    let arms: Vec<String> = arms.collect();
    let disturbed = if played.is_disturbed() { ", disturbed" } else { "" };
    format!("p99 of {}: {}{disturbed}", incident.routes[incident.judged], arms.join(", "))
}

/// A row of the table: a figure, and its value for each arm.
#[derive(Debug, PartialEq)]
struct Row {
    what: String,
    values: Vec<String>,
}

fn rows(judged: &Judged) -> Vec<Row> {
    let incident = &judged.incident;
    let arms = || 0..incident.arms.len();
    let mut rows = Vec::new();
    for (index, phase) in incident.phases.iter().enumerate() {
        for (route, path) in incident.routes.iter().enumerate() {
            let value = |arm, figure| match judged.figure(arm, index, route, figure) {
                spread if figure == Figure::Rejected => format!("{spread:.1}"),
                spread => format!("{spread:.0}"),
            };
            rows.extend(Figure::ALL.map(|figure| Row {
                what: format!("{}: {path} {}", phase.name, figure.title()),
                values: arms().map(|arm| value(arm, figure)).collect(),
            }));
        }
        let unanswered = arms().map(|arm| judged.unanswered(arm, index)).collect::<Vec<_>>();
        if unanswered.iter().any(|count| *count > 0) {
            let values = unanswered.iter().map(u64::to_string).collect();
            rows.push(Row { what: format!("{}: failed or never answered, all runs", phase.name), values });
        }
    }
    let mut whole = |what: String, of: &dyn Fn(usize) -> Spread, digits: usize| {
        rows.push(Row { what, values: arms().map(|arm| format!("{:.digits$}", of(arm))).collect() });
    };
    let name = incident.phases[INCIDENT].name;
    whole(format!("{name}: most requests inside the service"), &|arm| judged.most_in_flight(arm), 0);
    for (route, path) in incident.routes.iter().enumerate() {
        whole(
            format!("{path} well again so many seconds after {name}"),
            &|arm| judged.recovery(arm, route),
            1,
        );
    }
    let route = incident.routes[incident.judged];
    whole(
        format!("{name}: p99 of {route} ÷ that with Setpoint, run by run"),
        &|arm| judged.p99_ratio(arm),
        1,
    );
    rows
}

/// For a terminal.
pub fn text(all: &[Judged]) -> String {
    let mut out = String::new();
    for judged in all {
        let incident = &judged.incident;
        let _ = writeln!(out, "\n{}: {}\n", incident.name, incident.title);
        out += &wide("", incident.arms.iter().map(|arm| arm.name));
        for Row { what, values } in rows(judged) {
            out += &wide(&what, values.iter().map(String::as_str));
        }
        out += &plots(judged);
        for promise in judged.promises() {
            let _ = writeln!(out, "  {:<7}{}", if promise.kept { "kept" } else { "BROKEN" }, promise.what);
        }
        let _ = writeln!(out, "  {}", machine(judged));
    }
    out
}

/// A line of the table.
fn wide<'a>(what: &str, values: impl Iterator<Item = &'a str>) -> String {
    let values: String = values.map(|value| format!("{value:<26}")).collect();
    format!("  {what:<58}{}\n", values.trim_end())
}

/// p99 of the judged route and requests inside, over the time of the first repetition.
fn plots(judged: &Judged) -> String {
    let (mut out, incident) = (String::new(), &judged.incident);
    let Some(first) = judged.repetitions.first() else { return out };
    for (what, figure) in picture::FIGURES {
        let _ = writeln!(out, "\n  {what} (over time, each doubling as high as the next)");
        for (arm, record) in incident.arms.iter().zip(&first.arms) {
            let values: Vec<_> = record.windows.iter().map(|window| figure(incident, window)).collect();
            let most = values.iter().copied().flatten().fold(f64::NAN, f64::max);
            let bars = blocks(&columns(&values, PLOT), Scale::Log(4.0, 8192.0));
            let _ = writeln!(out, "  {:<22}{bars}  up to {most:.0}", arm.name);
        }
    }
    out.push('\n');
    out
}

/// What the machine did, and whether that spoils the figures.
fn machine(judged: &Judged) -> String {
    let spread = |of: &dyn Fn(&Repetition) -> Option<f64>| Spread::of(judged.repetitions.iter().map(of));
    let (ours, others) =
        (spread(&|r| Some(r.busy.ours_ratio * 100.0)), spread(&|r| Some(r.busy.others_ratio * 100.0)));
    let load = spread(&|r| Some(r.busy.load_average));
    let lateness = spread(&|r| r.lateness().map(milliseconds));
    let mut text = format!(
        "CPUs: ours {ours:.0} %, others {others:.0} %; load average {load:.2}; load's own lateness p99 {lateness:.1} ms"
    );
    if judged.disturbed() > 0 {
        let _ = write!(
            text,
            "; DISTURBED in {} of {} runs (others above {:.0} % of the CPUs, lateness above {:.0} ms, or calls lost)",
            judged.disturbed(),
            judged.repetitions.len(),
            OTHERS * 100.0,
            milliseconds(LATENESS),
        );
    }
    text
}

/// Writes the page and its pictures into this directory.
pub fn write(all: &[Judged], directory: &Path) -> anyhow::Result<()> {
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for judged in all {
        write(&file(&judged.incident), picture::svg(judged))?;
    }
    write("incidents.md", markdown(all))
}

fn file(incident: &Incident) -> String {
    format!("incidents-{}.svg", incident.name)
}

/// The page.
fn markdown(all: &[Judged]) -> String {
    let mut page = format!("{HEAD}\n");
    for judged in all {
        let incident = &judged.incident;
        let names: Vec<&str> = incident.arms.iter().map(|arm| arm.name).collect();
        let _ = writeln!(
            page,
            "## {}\n\n{}\n\nIn time means within {:.0} ms. {} runs.\n\n![{} over time]({})\n\n| | {} |\n|---|{}",
            incident.title,
            incident.about,
            milliseconds(incident.deadline),
            judged.repetitions.len(),
            incident.title,
            file(incident),
            names.join(" | "),
            "---|".repeat(names.len()),
        );
        for Row { what, values } in rows(judged) {
            let _ = writeln!(page, "| {what} | {} |", values.join(" | "));
        }
        page.push('\n');
        for promise in judged.promises() {
            let _ = writeln!(page, "- {}: {}", if promise.kept { "kept" } else { "BROKEN" }, promise.what);
        }
        let _ = writeln!(page, "\n{}.\n", machine(judged));
        for arm in &incident.arms {
            if let Some(policy) = &arm.policy {
                let code: String =
                    policy.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n");
                let _ = writeln!(page, "The policy \"{}\":\n\n```yaml\n{}\n```\n", arm.name, code.trim());
            }
        }
    }
    page + HOW
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

const HEAD: &str = "# Two incidents, before and after

Incidents of field reports, played by real processes with and without Setpoint. Written by `make incidents`; do not edit.

A figure is the median of all runs, with the least and the greatest behind it. Latencies are those of good answers, in time or late,
from the scheduled time of a request to the end of its answer. Requests count in the phase in which they were due.
";

const HOW: &str = "## How it was made, and what it does not say

- Each arm is a process of its own: the demo service with an HTTP server, without the SDK, or with the SDK's layer and a sidecar (the
  shipped binary) that runs the policy. All arms of a run are there at the same time and get the same load from open-loop generators,
  so what the machine does, it does to all; seeds differ from run to run.
- Work is waiting, not computing, so that two cores can play a larger machine. Sockets, scheduler, threads, timers, the SDK, the sidecar
  and the way between them are real.
- The policies are presets with deadline, objective and pool of this service put in their places, as they ask for. A limit by hand
  never moves: it is as good as its number, and 50 suits this service.
- The limit of the database keeps tasks from piling up. The breaker of its preset does something else: it leaves a database alone that
  answers nobody in time, and lets traffic back by and by, so orders may come back later than with the limit alone.
- The report's own rules for a slow dependency (`policies/presets/field-report-latency.yaml`) take two windows of 30 s to trip, longer
  than all of this.
- Callers do not give up and do not try again. Callers who do make both incidents worse without Setpoint.
- \"Well again\" is the first whole second in which 95 % of all answers were good and in time, a rejection being none.
- None of it says whether your service is like this one: `make incidents ARGS=--help`, and the [simulator](simulator.md) for others.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::judge::tests::judged;

    #[test]
    fn text_and_page_tell_every_arm_every_figure_and_every_promise() {
        let all = [judged("spike"), judged("database")];
        for told in [text(&all), markdown(&all)] {
            for judged in &all {
                for arm in &judged.incident.arms {
                    assert!(told.contains(arm.name), "{told}");
                }
                for row in rows(judged) {
                    assert!(
                        told.contains(&row.what) && row.values.iter().all(|value| told.contains(value)),
                        "{row:?}"
                    );
                }
                for promise in judged.promises() {
                    assert!(told.contains(&promise.what), "{promise:?}");
                }
            }
            assert!(told.contains("CPUs: ours 10 %, others 2 %; load average 0.50"), "{told}");
            assert!(!told.contains("DISTURBED"), "{told}");
        }
        assert!(markdown(&all).contains("fixed: {knob: limit.inbound, value: 50}"));
    }

    #[test]
    fn a_disturbed_run_and_a_broken_promise_are_told() {
        let mut judged = judged("spike");
        judged.repetitions[0].busy.others_ratio = 0.5;
        judged.repetitions[0].arms.swap(0, 2);
        let told = text(&[judged]);
        assert!(told.contains("DISTURBED in 1 of 1 runs") && told.contains("BROKEN"), "{told}");
    }
}
