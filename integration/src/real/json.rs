//! The figures for programs: `{"scale", "close", "scenarios": {NAME: {"difference_points", "close", "runs": [...]}}}`.

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::judge::{Figures, Line, Repetition};
use crate::units::milliseconds;

/// Writes it. `convergence_s` is `null` where it never converged, `p99_ms` without an answer.
pub fn write(lines: &[Line], scale: f64, path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&value(lines, scale))?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn value(lines: &[Line], scale: f64) -> Value {
    let scenarios: Map<String, Value> =
        lines.iter().map(|line| (line.name.clone(), scenario(line))).collect();
    json!({ "scale": scale, "close": lines.iter().all(Line::is_close), "scenarios": scenarios })
}

fn scenario(line: &Line) -> Value {
    let ratio = |figures: &Figures| Some(figures.score.goodput_ratio);
    json!({
        "about": line.about,
        "limits_by_hand": line.limits,
        "simulated_goodput_ratio": line.simulated(ratio).median,
        "real_goodput_ratio": line.real(ratio).median,
        "difference_points": line.difference(),
        "close": line.is_close(),
        "disturbed_runs": line.disturbed(),
        "runs": line.repetitions.iter().map(repetition).collect::<Vec<_>>(),
    })
}

fn repetition(repetition: &Repetition) -> Value {
    json!({
        "seed": repetition.seed,
        "simulated": figures(&repetition.simulated),
        "real": figures(&repetition.real),
        "rig_cpu_ratio": repetition.busy.ours_ratio,
        "others_cpu_ratio": repetition.busy.others_ratio,
        "load_average": repetition.busy.load_average,
        "lateness_p99_ms": repetition.lateness.map(milliseconds),
        "lost_calls": repetition.lost,
        "reflexes": repetition.reflexes,
        "disturbed": repetition.is_disturbed(),
    })
}

fn figures(figures: &Figures) -> Value {
    let score = &figures.score;
    let ms = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1e3);
    json!({
        "goodput_ratio": score.goodput_ratio,
        "goodput_ratio_by_phase": score.phases,
        "p99_ms": ms(score.p99),
        "convergence_s": score.convergence,
        "false_reject_ratio": score.false_reject_ratio,
        "oscillation": score.oscillation,
        "oracle_goodput_per_second": figures.oracle_goodput,
        "oracle_p99_ms": ms(figures.oracle_p99),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::judge::tests::line;

    #[test]
    fn carries_the_verdict_and_every_run() {
        let value = value(&[line("A", 0.98, 0.95), line("B", 0.98, 0.90)], 1.0);
        assert_eq!(value["close"], false);
        let (a, b) = (&value["scenarios"]["A"], &value["scenarios"]["B"]);
        assert_eq!((a["close"].as_bool(), b["close"].as_bool()), (Some(true), Some(false)));
        assert!((b["difference_points"].as_f64().unwrap() + 8.0).abs() < 1e-9);
        assert_eq!(a["runs"][0]["real"]["goodput_ratio"], 0.95);
        assert_eq!(a["runs"][0]["simulated"]["convergence_s"], Value::Null);
    }
}
