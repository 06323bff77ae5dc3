//! The figures for programs: `{"kept", "incidents": {NAME: {"kept", "promises", "arms": [...]}}}`.
//!
//! A figure is `{"median", "least", "most"}` of all repetitions, `null` where it was never had.

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::judge::{Figure, Judged};
use crate::real::spread::Spread;
use crate::units::milliseconds;

/// Writes it.
pub fn write(all: &[Judged], path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&value(all))?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn value(all: &[Judged]) -> Value {
    let incidents: Map<String, Value> =
        all.iter().map(|judged| (judged.incident.name.to_owned(), incident(judged))).collect();
    json!({ "kept": all.iter().all(Judged::kept), "incidents": incidents })
}

fn incident(judged: &Judged) -> Value {
    let promises = judged.promises();
    let promises = promises.iter().map(|promise| json!({ "what": promise.what, "kept": promise.kept }));
    json!({
        "title": judged.incident.title,
        "deadline_ms": milliseconds(judged.incident.deadline),
        "runs": judged.repetitions.len(),
        "disturbed_runs": judged.disturbed(),
        "kept": judged.kept(),
        "promises": promises.collect::<Vec<_>>(),
        "arms": (0..judged.incident.arms.len()).map(|number| arm(judged, number)).collect::<Vec<_>>(),
    })
}

fn arm(judged: &Judged, arm: usize) -> Value {
    let incident = &judged.incident;
    let route = |phase, (route, path): (usize, &&str)| {
        let figures = Figure::ALL
            .map(|figure| (figure.key().to_owned(), spread(judged.figure(arm, phase, route, figure))));
        ((*path).to_owned(), Value::Object(figures.into_iter().collect()))
    };
    let phases = incident.phases.iter().enumerate().map(|(index, phase)| {
        let routes: Map<String, Value> =
            incident.routes.iter().enumerate().map(|numbered| route(index, numbered)).collect();
        (phase.name.to_owned(), json!({ "routes": routes, "unanswered": judged.unanswered(arm, index) }))
    });
    let recovered = (0..)
        .zip(incident.routes)
        .map(|(number, path)| ((*path).to_owned(), spread(judged.recovery(arm, number))));
    json!({
        "name": incident.arms[arm].name,
        "phases": phases.collect::<Map<String, Value>>(),
        "most_in_flight": spread(judged.most_in_flight(arm)),
        "recovered_after_s": recovered.collect::<Map<String, Value>>(),
        "p99_ratio_to_ours": spread(judged.p99_ratio(arm)),
    })
}

/// Infinite, so never had, is `null`.
fn spread(spread: Spread) -> Value {
    json!({ "median": spread.median, "least": spread.least, "most": spread.most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::judge::tests::judged;

    #[test]
    fn carries_the_verdict_and_every_figure() {
        let value = value(&[judged("spike"), judged("database")]);
        assert_eq!(
            (value["kept"].as_bool(), value["incidents"]["spike"]["runs"].as_u64()),
            (Some(true), Some(1))
        );
        let with = &value["incidents"]["database"]["arms"][2];
        assert_eq!(
            with["phases"]["slow"]["routes"]["/page"]["p99_ms"]["median"].as_f64().unwrap().round(),
            50.0
        );
        assert_eq!(with["recovered_after_s"]["/order"]["median"], 0.0);
        assert_eq!(spread(Spread::of([None].into_iter()))["median"], Value::Null);
    }
}
