//! Signals: a number, or a number with the time of its reading.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use setpoint_policies::signal::{Reading, Signal, Signals};
use setpoint_policies::time::Timestamp;

use super::BadLine;
use super::names::Word;

/// A signal: with the time of its reading, or just the number, read at the time of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number or {\"value\": number, \"at_nanos\": time}")]
pub(super) enum ReadingLine {
    Timed(Timed),
    Now(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timed {
    value: f64,
    at_nanos: u64,
}

/// Signals as a line has them.
pub(super) fn readings(signals: &Signals) -> BTreeMap<Word<Signal>, ReadingLine> {
    let line = |(signal, reading): (Signal, Reading)| {
        let timed = Timed { value: reading.value, at_nanos: reading.at.as_nanos() };
        (Word(signal), ReadingLine::Timed(timed))
    };
    signals.known().map(line).collect()
}

/// The signals of a line that was written at `at`.
pub(super) fn signals(
    lines: &BTreeMap<Word<Signal>, ReadingLine>,
    at: Timestamp,
) -> Result<Signals, BadLine> {
    let mut signals = Signals::default();
    for (Word(signal), line) in lines {
        let (value, read_at) = match line {
            ReadingLine::Timed(timed) => (timed.value, Timestamp::from_nanos(timed.at_nanos)),
            ReadingLine::Now(value) => (*value, at),
        };
        if value < 0.0 {
            return Err(BadLine::Negative { signal: signal.name() });
        }
        signals.set(*signal, value, read_at);
    }
    Ok(signals)
}
