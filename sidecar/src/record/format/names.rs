//! Names: well-formed, or out of a closed list, or refused where they stand.

use serde::{Deserialize, Serialize};
use setpoint_policies::knob::{InvalidKnob, Kind, KnobName, Restrictive};
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

/// A closed list of things that have names.
pub(super) trait Closed: Copy + 'static {
    /// What one of them is.
    const WHAT: &'static str;
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
}

/// One of a closed list, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String", bound = "T: Closed")]
pub(super) struct Word<T>(pub(super) T);

impl<T: Closed> TryFrom<String> for Word<T> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        T::ALL.iter().find(|known| known.name() == text).copied().map(Self).ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            let names: Vec<_> = T::ALL.iter().map(|known| known.name()).collect();
            format!("unknown {} `{text}`, expected one of {}", T::WHAT, names.join(", "))
        })
    }
}

impl<T: Closed> From<Word<T>> for String {
    fn from(Word(word): Word<T>) -> Self {
        word.name().to_owned()
    }
}

/// The lists that `policies` keeps.
macro_rules! closed {
    ($($what:literal $list:ty),*) => {$(
        impl Closed for $list {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = &<$list>::ALL;
            fn name(self) -> &'static str {
                self.name()
            }
        }
    )*};
}

closed!("signal" Signal, "cause" Cause, "kind" Kind, "direction" Restrictive);
