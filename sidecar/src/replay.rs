//! `setpoint replay`: recorded or foreign snapshots through a policy file, without a service.
//!
//! It is a filter: one snapshot a line in, each decision and each beginning and end of an alert as a line out at once, so it works
//! at the end of a pipe that never ends. It runs the engine of the sidecar and nothing else, so a recording gives the decisions that were made. Lines are
//! bounded; a bad one ends it, or is skipped on request.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::engine::{Engine, Step};
use setpoint_policies::knob::KnobName;
use setpoint_policies::snapshot::{InstanceId, Snapshot};
use setpoint_policies::spec::PolicySet;
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;

use crate::alerts::Alerts;
use crate::record::format::{self, BadLine, Recorded};

mod alert;
mod decision;
mod lines;

use lines::{Line, Lines};

#[cfg(test)]
pub(crate) use decision::changes;

/// Exit code of an input with a bad line (`EX_DATAERR`).
pub const EXIT_DATA: u8 = 65;

/// Bad lines that are told one by one when they are skipped.
const TOLD: u64 = 20;

/// How to replay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Decisions and alerts as JSON, else for people.
    pub json: bool,
    /// Of decisions only those that change something, else holds too.
    pub changes: bool,
    /// Bad lines are skipped.
    pub keep_going: bool,
    /// A knob without a value in force has what was decided last, instead of its baseline.
    pub assume_applied: bool,
}

/// Steps an engine with each line of `input`, which `name` names in errors, and writes what it decides and tells. Returns the exit
/// code: 0, or [`EXIT_DATA`] after a bad line. That nobody reads `out` any more is a quiet end.
///
/// # Errors
/// When `input` cannot be read or `out` not be written.
pub fn replay(
    input: impl BufRead,
    name: &str,
    policies: Arc<PolicySet>,
    options: Options,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut replay = Replay {
        policies,
        options,
        engine: None,
        last: None,
        decided: Vec::new(),
        decisions: 0,
        alerts: Alerts::default(),
    };
    let (mut lines, mut bad, mut good) = (Lines::new(input), 0u64, 0u64);
    while let Some((number, line)) = lines.next()? {
        match replay.line(&line, out) {
            Ok(()) => good += 1,
            Err(Stop::Unread) => return Ok(0),
            Err(Stop::Write(error)) => return Err(error),
            Err(Stop::Bad(column, why)) => {
                bad += 1;
                let why: String =
                    why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
                if bad <= TOLD {
                    let _ = writeln!(err, "error: {name}:{number}:{column}: {why}");
                }
                if !options.keep_going {
                    return Ok(EXIT_DATA);
                }
            }
        }
    }
    if bad > 0 {
        let lines = if bad == 1 { "line" } else { "lines" };
        let _ = writeln!(err, "{bad} bad {lines} skipped, {good} snapshots replayed");
    } else if good == 0 {
        let _ = writeln!(err, "no snapshots: the input is empty");
    }
    let moves = replay.policies.policies.iter().any(|policy| policy.controller.moves());
    if good > 0 && moves && replay.decisions == 0 {
        let knobs: Vec<_> = replay.policies.knobs().iter().map(|knob| knob.as_str().to_owned()).collect();
        let _ =
            writeln!(err, "no decisions: no snapshot has a knob that a policy names ({})", knobs.join(", "));
    }
    Ok(0)
}

/// Why a line ends the replay.
enum Stop {
    Bad(usize, String),
    Unread,
    Write(io::Error),
}

impl From<BadLine> for Stop {
    fn from(bad: BadLine) -> Self {
        Self::Bad(bad.column(), bad.to_string())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Unread } else { Self::Write(error) }
    }
}

struct Replay {
    policies: Arc<PolicySet>,
    options: Options,
    engine: Option<Engine>,
    last: Option<Timestamp>,
    /// What was decided last.
    decided: Vec<(InstanceId, KnobName, Value)>,
    decisions: u64,
    alerts: Alerts,
}

impl Replay {
    fn line(&mut self, line: &Line<'_>, out: &mut dyn Write) -> Result<(), Stop> {
        let text = match line {
            Line::Text(text) => text,
            Line::TooLong => return Err(Stop::Bad(1, format!("longer than {} MiB", lines::LONGEST >> 20))),
            Line::NotText { column } => return Err(Stop::Bad(*column, "not UTF-8".to_owned())),
        };
        let Recorded { started, mut snapshot } = format::read(text)?;
        if let Some(last) = self.last.filter(|last| snapshot.at < *last) {
            let (now, last) = (snapshot.at.as_secs_f64(), last.as_secs_f64());
            return Err(Stop::Bad(1, format!("time goes back: {now:.3} s after {last:.3} s")));
        }
        self.last = Some(snapshot.at);
        if self.options.assume_applied {
            self.apply(&mut snapshot);
        }
        let engine = self.engine.get_or_insert_with(|| match started {
            Some(started) => Engine::new(Arc::clone(&self.policies), started),
            // Nothing can be in force that would have to be learned.
            None => Engine::learning_for(Duration::ZERO, Arc::clone(&self.policies), snapshot.at),
        });
        let Step { decisions, alerts, .. } = engine.step(&snapshot);
        self.decisions += decisions.len() as u64;
        for decision in
            decisions.iter().filter(|decision| !self.options.changes || decision::changes(decision))
        {
            let line = decision::line(&snapshot, decision, self.options.json);
            out.write_all(line.as_bytes())?;
        }
        for entry in self.alerts.note(&snapshot, alerts) {
            out.write_all(alert::line(&entry, self.options.json).as_bytes())?;
        }
        out.flush()?;
        let decided = decisions.into_iter().map(|decision| (decision.instance, decision.knob, decision.to));
        self.decided = decided.collect();
        Ok(())
    }

    fn apply(&self, snapshot: &mut Snapshot) {
        for instance in &mut snapshot.instances {
            for (_, knob, value) in self.decided.iter().filter(|(id, ..)| *id == instance.id) {
                instance.in_force.entry(knob.clone()).or_insert(*value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
