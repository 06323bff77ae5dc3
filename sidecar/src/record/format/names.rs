//! Names of knobs and signals: known and well-formed, or refused where they stand.

use serde::{Deserialize, Serialize};
use setpoint_policies::knob::{InvalidKnob, KnobName};
use setpoint_policies::reflex::Cause;
use setpoint_policies::signal::Signal;

/// The name of a knob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Name(pub(super) KnobName);

impl TryFrom<String> for Name {
    type Error = InvalidKnob;

    fn try_from(text: String) -> Result<Self, InvalidKnob> {
        KnobName::try_new(&text).map(Self)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.to_string()
    }
}

/// What a limiter's reflex holds the limit down for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct CauseName(pub(super) Cause);

impl TryFrom<String> for CauseName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Cause::ALL.into_iter().find(|cause| cause.name() == text).map(Self).ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            format!("unknown cause `{text}`, expected one of {}", Cause::ALL.map(Cause::name).join(", "))
        })
    }
}

impl From<CauseName> for String {
    fn from(cause: CauseName) -> Self {
        cause.0.name().to_owned()
    }
}

/// The name of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct SignalName(pub(super) Signal);

impl TryFrom<String> for SignalName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Signal::from_name(&text).map(Self).ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            let names = Signal::ALL.map(Signal::name).join(", ");
            format!("unknown signal `{text}`, expected one of {names}")
        })
    }
}

impl From<SignalName> for String {
    fn from(name: SignalName) -> Self {
        name.0.name().to_owned()
    }
}
