//! The error of a conversion: which field, and what is wrong with it.

use std::fmt;

use setpoint_policies::knob::InvalidKnob;

/// A field that breaks a rule of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// Where, such as `hello.knobs[3].min`.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A field without a default is absent.
    #[error("is missing")]
    Missing,
    /// NaN or infinite.
    #[error("is not a finite number")]
    NotFinite,
    /// A duration below zero.
    #[error("is a negative duration")]
    NegativeDuration,
    /// A number or duration outside what its field allows.
    #[error("is out of range: {0}")]
    OutOfRange(&'static str),
    /// A text with too many bytes.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A list or map with too many entries.
    #[error("has more than {0} entries")]
    TooMany(usize),
    /// A name occurs twice in a list.
    #[error("occurs twice")]
    Duplicate,
    /// An enum value that this build does not know, where the message cannot be understood without it.
    #[error("has the unknown value {0}")]
    UnknownValue(i32),
    /// A message of a kind that this build does not know, or none.
    #[error("is of an unknown kind")]
    UnknownMessage,
    /// Not the name of a knob.
    #[error("is not a knob's name: 1 to 128 bytes of a-z A-Z 0-9 . _ - /")]
    InvalidName,
    /// A knob whose fields contradict each other.
    #[error("makes no sound knob: {0}")]
    InvalidKnob(InvalidKnob),
}

impl BadField {
    /// Whether the whole message is of an unknown kind: count it and go on.
    pub fn is_unknown_message(&self) -> bool {
        self.problem == Problem::UnknownMessage
    }
}

impl From<Problem> for BadField {
    fn from(problem: Problem) -> Self {
        Self { path: String::new(), problem }
    }
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "message" } else { &self.path };
        write!(f, "{path} {}", self.problem)
    }
}

impl std::error::Error for BadField {}
