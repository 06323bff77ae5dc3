//! What every bench understands and writes: `make bench ARGS="--json FILE --only GROUP"` is passed to all of them.
//!
//! They share one file, `[{group, case, threads, ns_min, ns_median, ns_p90, ...}]`, and run one after the other, so each
//! puts its own rows in place of those of an earlier run and leaves the others alone.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

/// Options of every bench.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Runs only this group.
    #[arg(long)]
    pub only: Option<String>,
    /// Writes the figures as JSON, beside what other benches have written there.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Common {
    /// Whether that group is asked for.
    pub fn wants(&self, group: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == group)
    }

    /// Writes rows to the file, if there is one: fields of a row that is there already are replaced or added.
    pub fn write(&self, rows: Vec<Value>) -> anyhow::Result<()> {
        let Some(file) = &self.json else { return Ok(()) };
        let mut all = match std::fs::read(file) {
            Ok(text) if !text.is_empty() => {
                serde_json::from_slice(&text).with_context(|| format!("rows in {}", file.display()))?
            }
            _ => Vec::new(),
        };
        rows.into_iter().try_for_each(|row| put(&mut all, row))?;
        Ok(std::fs::write(file, serde_json::to_vec_pretty(&all)?)?)
    }
}

fn put(all: &mut Vec<Map<String, Value>>, row: Value) -> anyhow::Result<()> {
    let Value::Object(row) = row else { bail!("a row is an object") };
    let same = |other: &&mut Map<String, Value>| {
        ["group", "case", "threads"].iter().all(|key| other.get(*key) == row.get(*key))
    };
    match all.iter_mut().find(same) {
        Some(there) => there.extend(row),
        None => all.push(row),
    }
    Ok(())
}
