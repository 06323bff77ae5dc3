//! Knobs: checked as they are read, so that a bad one is refused where it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use setpoint_policies::knob::{InvalidKnob, Kind, Knob, KnobName, Restrictive};

use super::names::Word;

/// A knob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub(super) struct KnobLine(pub(super) Knob);

impl KnobLine {
    pub(super) fn clone_of(knob: &Knob) -> Self {
        Self(knob.clone())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    name: String,
    kind: Word<Kind>,
    min: f64,
    max: f64,
    baseline: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    step: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restrictive: Option<Word<Restrictive>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    max_change_ratio: f64,
    #[serde(default, skip_serializing_if = "is_nothing")]
    min_dwell_nanos: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_nanos: Option<u64>,
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    hot: bool,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

fn is_nothing(number: &u64) -> bool {
    *number == 0
}

fn is_true(flag: &bool) -> bool {
    *flag
}

fn yes() -> bool {
    true
}

impl TryFrom<Unchecked> for KnobLine {
    type Error = InvalidKnob;

    fn try_from(line: Unchecked) -> Result<Self, InvalidKnob> {
        let name = KnobName::try_new(&line.name)?;
        let plain = Knob::try_new(name, line.kind.0, line.min, line.max, line.baseline)?;
        let knob = Knob {
            unit: line.unit.unwrap_or(plain.unit),
            step: line.step,
            restrictive: line.restrictive.map_or(plain.restrictive, |Word(direction)| direction),
            max_change_ratio: line.max_change_ratio,
            min_dwell: Duration::from_nanos(line.min_dwell_nanos),
            deadline: line.deadline_nanos.map(Duration::from_nanos),
            hot: line.hot,
            name: plain.name,
            kind: plain.kind,
            min: plain.min,
            max: plain.max,
            baseline: plain.baseline,
        };
        knob.checked().map(Self)
    }
}

impl From<KnobLine> for Unchecked {
    fn from(KnobLine(knob): KnobLine) -> Self {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            name: knob.name.to_string(),
            kind: Word(knob.kind),
            min: knob.min,
            max: knob.max,
            baseline: knob.baseline,
            unit: Some(knob.unit),
            step: knob.step,
            restrictive: Some(Word(knob.restrictive)),
            max_change_ratio: knob.max_change_ratio,
            min_dwell_nanos: nanos(knob.min_dwell),
            deadline_nanos: knob.deadline.map(nanos),
            hot: knob.hot,
        }
    }
}
