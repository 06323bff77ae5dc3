//! Every tenth of a second of a run as a line of a table, to find out why two figures differ.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use setpoint_policies::sim::run::{Run, SLICE_SECONDS};

use super::judge::Pair;
use super::rig::Played;

/// The files of a run in a directory: `A-1.csv`, `A-1.ndjson`, `A-1.log`.
pub fn file(directory: &Path, name: &str, seed: u64, extension: &str) -> PathBuf {
    directory.join(format!("{name}-{seed}.{extension}"))
}

/// Writes real and simulated run side by side, ours and the oracle's.
pub fn write(path: &Path, simulated: &Pair, real: &Pair, played: &Played) -> anyhow::Result<()> {
    let runs = [
        ("real", &real.ours),
        ("simulated", &simulated.ours),
        ("oracle_real", &real.oracle),
        ("oracle_simulated", &simulated.oracle),
    ];
    let mut text = String::from("seconds");
    for (name, _) in runs {
        for column in COLUMNS {
            let _ = write!(text, ",{name}_{column}");
        }
    }
    text += ",reflexes\n";
    for slice in 0..real.ours.slices.len() {
        let _ = write!(text, "{:.1}", (slice + 1) as f64 * SLICE_SECONDS);
        for (_, run) in runs {
            columns(&mut text, run, slice);
        }
        let reflexes = played.tuned.limits.get(slice).map_or(0, |limit| limit.reflexes);
        let _ = writeln!(text, ",{reflexes}");
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let decisions: String = simulated.ours.log.iter().fold(String::new(), |mut text, (at, _, what)| {
        let _ = writeln!(text, "{:.3} {what}", at.as_secs_f64());
        text
    });
    let path = path.with_extension("simulated.log");
    std::fs::write(&path, decisions).with_context(|| format!("cannot write {}", path.display()))
}

const COLUMNS: [&str; 6] = ["limit", "arrived", "rejected", "in_time", "late", "mean_latency_ms"];

fn columns(text: &mut String, run: &Run, slice: usize) {
    let Some((slice, counts)) = run.slices.get(slice).and_then(|s| Some((s, s.classes.first()?))) else {
        return;
    };
    let _ = write!(
        text,
        ",{:.2},{},{},{},{}",
        slice.limit, counts.arrived, counts.rejected, counts.in_time, counts.late
    );
    let mean = slice.latencies.iter().sum::<f32>() / slice.latencies.len().max(1) as f32;
    let _ = write!(text, ",{:.1}", mean * 1e3);
}
