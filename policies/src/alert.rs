//! What a person should know of, for as long as it lasts.
//!
//! An alert is a level, like everything here: a policy says in each step whether it has one ([`crate::policy::Policy::alert`]),
//! the engine remembers since when, and lists all that fire in each step ([`crate::engine::Step::alerts`]). What is not in
//! the list has ended, for whatever reason: the trouble is over, the policy was removed, the process is gone. So nothing has to
//! be cleared, and an alert cannot outlive what it is about. Their number is bounded by policies and processes.
//!
//! When to fire, to stay silent and to fire again is each policy's own affair: only it knows what one trouble is.

use std::sync::Arc;

use crate::knob::KnobName;
use crate::reason::Reason;
use crate::snapshot::InstanceId;
use crate::time::Timestamp;

/// How soon somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Within the day.
    Warning,
    /// Now.
    Critical,
}

impl Severity {
    /// The name in logs, metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a policy wants a person to know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alert {
    /// How soon.
    pub severity: Severity,
    /// What, with its evidence.
    pub reason: Reason,
}

/// An alert of one policy about one process.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// About which process.
    pub instance: InstanceId,
    /// Whose.
    pub policy: Arc<str>,
    /// The knob that the policy moves or watches; `None`: it looks at the process as a whole.
    pub knob: Option<KnobName>,
    /// Since when it fires without a break.
    pub since: Timestamp,
    /// How soon somebody should look, and why, as of now.
    pub alert: Alert,
}
