//! The board for programs: `{"scenarios": {NAME: {"overload": bool, "laws": {LAW: {...}}}}}`.

use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value, json};
use setpoint_policies::sim::score::measure::Score;

use super::board::{Board, Line};

/// Writes it. `convergence_s` is `null` where a law never converged, `p99_ms` where it never answered.
pub fn write(board: &Board, path: &Path) -> anyhow::Result<()> {
    let lines: Map<String, Value> =
        board.lines.iter().map(|line| (line.name.clone(), scenario(line))).collect();
    let text = serde_json::to_string_pretty(&json!({ "scenarios": lines }))?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn scenario(line: &Line) -> Value {
    let laws: Map<String, Value> =
        line.laws.iter().map(|(law, score)| (law.clone(), figures(score))).collect();
    json!({ "overload": line.overload, "laws": laws })
}

fn figures(score: &Score) -> Value {
    json!({
        "goodput_ratio": score.goodput_ratio,
        "p99_ms": score.p99.map(|seconds| seconds * 1e3),
        "false_reject_ratio": score.false_reject_ratio,
        "convergence_s": score.convergence,
        "oscillation": score.oscillation,
    })
}
