//! Why a knob has a fixed value.

use std::fmt;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixedReason {
    /// The file says so.
    Fixed,
    /// The file says nothing for a process with these labels.
    NoCase,
    /// The file gives it another unit than the process.
    OtherUnit,
}

impl FixedReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::NoCase => "no_case",
            Self::OtherUnit => "other_unit",
        }
    }
}

impl fmt::Display for FixedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "the policy file says so",
            Self::NoCase => "the policy file has no value for the labels of this process",
            Self::OtherUnit => "the value in the policy file has another unit than this knob",
        })
    }
}

impl From<FixedReason> for super::Reason {
    fn from(reason: FixedReason) -> Self {
        Self::Fixed(reason)
    }
}
