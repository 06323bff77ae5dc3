//! A snapshot as one line of JSON: what `run --record` writes and `replay` reads.
//!
//! Every line is complete, so a file can be cut anywhere, and lines from elsewhere need no preamble. Numbers come back as
//! they were, to the bit; so an engine that reads a recording decides what the live one decided. Absent is absent: only what
//! documents a zero has one as its default. `docs/snapshot-format.md` describes the format, `docs/snapshot.schema.json` is
//! its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_policies::knob::KnobName;
use setpoint_policies::signal::Signal;
use setpoint_policies::snapshot::{Instance, InstanceId, Labels, Received, Snapshot};
use setpoint_policies::time::Timestamp;

mod counters;
mod knob;
mod names;
mod readings;
mod value;

use counters::Counters;
use knob::KnobLine;
use names::{Name, Word};
use readings::{ReadingLine, readings, signals};
pub(crate) use value::ValueLine;

/// The version of the format.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    v: u32,
    at_nanos: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_nanos: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    node: BTreeMap<Word<Signal>, ReadingLine>,
    instances: Vec<InstanceLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstanceLine {
    id: String,
    service: String,
    #[serde(default)]
    incarnation: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: Labels,
    knobs: Vec<KnobLine>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    in_force: BTreeMap<Name, ValueLine>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    totals: BTreeMap<Name, Counters>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    signals: BTreeMap<Word<Signal>, ReadingLine>,
}

/// A line that was read.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When the engine that saw the snapshot had started, on its clock; `None` where there was none.
    pub started: Option<Timestamp>,
    /// The snapshot.
    pub snapshot: Snapshot,
}

/// Why a line is no snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadLine {
    /// Of another version.
    #[error("version {found} of the format, this setpoint reads {VERSION}")]
    Version {
        /// Which.
        found: u32,
    },
    /// Not the JSON that was expected.
    #[error("{message}")]
    Json {
        /// What is wrong.
        message: String,
        /// Where, in characters from 1.
        column: usize,
    },
    /// Two processes of the same name, or a process with two knobs of the same name.
    #[error("a second `{name}`: names are unique")]
    Twice {
        /// Which.
        name: String,
    },
    /// No signal can be negative, so this is no reading, and not "no pressure".
    #[error("signal `{signal}` must not be negative")]
    Negative {
        /// Which.
        signal: &'static str,
    },
    /// The value in force is not of the kind of its knob.
    #[error("`in_force` of `{knob}` is not of the kind of the knob")]
    Kind {
        /// Which.
        knob: String,
    },
}

impl BadLine {
    /// The place in the line, from 1; 1 when it is about the line as a whole.
    pub const fn column(&self) -> usize {
        match self {
            Self::Json { column, .. } => *column,
            _ => 1,
        }
    }
}

/// A snapshot as a line with its line end.
pub fn write(snapshot: &Snapshot, started: Option<Timestamp>) -> String {
    let line = Line {
        v: VERSION,
        at_nanos: snapshot.at.as_nanos(),
        started_nanos: started.map(Timestamp::as_nanos),
        node: readings(&snapshot.node),
        instances: snapshot.instances.iter().map(InstanceLine::of).collect(),
    };
    let mut text = serde_json::to_string(&line).expect("plain data without maps of anything but text");
    text.push('\n');
    text
}

/// Reads a line, with or without its line end.
///
/// # Errors
/// Why it is no snapshot, and where.
pub fn read(line: &str) -> Result<Recorded, BadLine> {
    // The line end is not the line's: what was cut off ends where its text does.
    let line = line.trim_end_matches(['\r', '\n']);
    let parsed: Line = serde_json::from_str(line).map_err(|error| refused(line, &error))?;
    if parsed.v != VERSION {
        return Err(BadLine::Version { found: parsed.v });
    }
    let at = Timestamp::from_nanos(parsed.at_nanos);
    let instances = parsed.instances.into_iter().map(|instance| instance.into_instance(at));
    let instances = instances.collect::<Result<Vec<_>, _>>()?;
    unique(instances.iter().map(|instance| &*instance.id.0))?;
    let snapshot = Snapshot { at, node: signals(&parsed.node, at)?, instances };
    Ok(Recorded { started: parsed.started_nanos.map(Timestamp::from_nanos), snapshot })
}

/// A line of another version is that before it is anything else.
fn refused(line: &str, error: &serde_json::Error) -> BadLine {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    match serde_json::from_str::<Version>(line) {
        Ok(Version { v }) if v != VERSION => BadLine::Version { found: v },
        _ => {
            let (message, column) = (error.to_string(), error.column().max(1));
            // The place is told by whoever knows the line's number.
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
            BadLine::Json { message: message.to_owned(), column }
        }
    }
}

impl InstanceLine {
    fn of(instance: &Instance) -> Self {
        Self {
            id: instance.id.0.to_string(),
            service: instance.service.to_string(),
            incarnation: instance.incarnation,
            labels: Labels::clone(&instance.labels),
            knobs: instance.knobs.iter().map(|knob| KnobLine::clone_of(knob)).collect(),
            in_force: instance
                .in_force
                .iter()
                .map(|(knob, value)| (Name(knob.clone()), ValueLine(*value)))
                .collect(),
            totals: instance
                .totals
                .iter()
                .map(|(knob, received)| (Name(knob.clone()), Counters::of(received)))
                .collect(),
            signals: readings(&instance.signals),
        }
    }

    fn into_instance(self, at: Timestamp) -> Result<Instance, BadLine> {
        let in_force: BTreeMap<KnobName, _> =
            self.in_force.into_iter().map(|(Name(knob), ValueLine(value))| (knob, value)).collect();
        let knobs: Vec<_> = self.knobs.into_iter().map(|KnobLine(knob)| Arc::new(knob)).collect();
        unique(knobs.iter().map(|knob| knob.name.as_str()))?;
        for knob in &knobs {
            let kind = std::mem::discriminant(&knob.baseline_value());
            let found = in_force.get(&knob.name).map(std::mem::discriminant);
            if found.is_some_and(|found| found != kind) {
                return Err(BadLine::Kind { knob: knob.name.to_string() });
            }
        }
        let totals = self.totals.into_iter();
        let totals: BTreeMap<KnobName, Received> =
            totals.map(|(Name(knob), counters)| (knob, counters.into_received(at))).collect();
        Ok(Instance {
            id: InstanceId(self.id.into()),
            service: self.service.into(),
            incarnation: self.incarnation,
            labels: Arc::new(self.labels),
            knobs,
            in_force,
            totals,
            signals: signals(&self.signals, at)?,
        })
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), BadLine> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(BadLine::Twice { name: name.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
