//! The figures for machines: the format of the scoreboard.

use std::collections::BTreeMap;

use serde::Serialize;
use setpoint_policies::sim::scenario::Class;

use super::report::{Outcome, Report};

#[derive(Serialize)]
struct Figures<'a> {
    scenarios: BTreeMap<&'a str, ScenarioLine<'a>>,
}

#[derive(Serialize)]
struct ScenarioLine<'a> {
    about: &'a str,
    overload: bool,
    seconds: f64,
    seeds: &'a [u64],
    /// By phase; null: no limit is the best one.
    oracle_limits: Option<Vec<Option<f64>>>,
    laws: BTreeMap<&'a str, LawLine<'a>>,
}

#[derive(Serialize)]
struct LawLine<'a> {
    goodput_ratio: Option<f64>,
    goodput_per_second: f64,
    p99_ms: Option<f64>,
    false_reject_ratio: f64,
    convergence_s: Option<f64>,
    oscillation: f64,
    /// By class: share of the attempts that were answered in time.
    classes: BTreeMap<&'a str, f64>,
    /// Of several instances.
    fairness: Option<f64>,
}

impl<'a> LawLine<'a> {
    fn of(law: &Outcome, classes: &'a [Class]) -> Self {
        let figures = &law.figures;
        let names = classes.iter().map(|class| class.name.as_str());
        Self {
            goodput_ratio: figures.goodput_ratio,
            goodput_per_second: figures.goodput,
            p99_ms: figures.p99.map(|seconds| seconds * 1e3),
            false_reject_ratio: figures.false_reject_ratio,
            convergence_s: figures.convergence,
            oscillation: figures.oscillation,
            classes: names.zip(figures.classes.iter().copied()).collect(),
            fairness: figures.fairness,
        }
    }
}

/// All figures as one object, with a line end.
pub(super) fn text(reports: &[Report]) -> String {
    let line = |report: &Report| {
        let limit = |limit: &f64| limit.is_finite().then_some(*limit);
        report.limits.as_ref().map(|limits| limits.iter().map(limit).collect())
    };
    let scenarios = reports.iter().map(|report| {
        let scenario = ScenarioLine {
            about: &report.scenario.about,
            overload: report.overload(),
            seconds: report.scenario.seconds,
            seeds: &report.seeds,
            oracle_limits: line(report),
            laws: report
                .laws
                .iter()
                .map(|law| (law.name, LawLine::of(law, &report.scenario.classes)))
                .collect(),
        };
        (report.scenario.name.as_str(), scenario)
    });
    let figures = Figures { scenarios: scenarios.collect() };
    let mut text = serde_json::to_string_pretty(&figures).expect("plain data with names as keys");
    text.push('\n');
    text
}
