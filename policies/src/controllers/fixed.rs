//! Sets a knob to what the file says, according to the labels of the process.
//!
//! Sizes of pools and time-outs are seldom worth a control loop, but they differ from zone to zone, and to change one means
//! to deploy a service. As a knob it takes a line in a file, which is in force a second later, and a wrong one is taken
//! back as fast. The obvious alternative, a file for each zone, makes copies of everything that is the same in all of them.
//!
//! Inputs: the labels that a process gave at its start. Output: a value, or no wish.
//!
//! | which value | when |
//! |---|---|
//! | that of the first of `cases` whose `when` fits | every label that it names has just that value |
//! | `value` | no case fits |
//! | none: as if this policy were not there | no case fits, and there is no `value` |
//!
//! The value has the unit of the knob. A time is for a time-out; where a knob of another kind has that name in some
//! process, the policy says so and wishes nothing.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `value` | no wish | a number, or a quantity with its unit | as the knob has it | as the knob has it |
//! | `cases` | none | 1 to 64, each with 1 to 16 labels | | |
//!
//! Failure modes: there is no signal to be missed. The hard bounds of the knob hold, and a refusal by the service shows in
//! the ack. When the sidecar is gone the value is held for a while and then goes back to the service's own baseline.

use std::sync::Arc;
use std::time::Duration;

use crate::decision::Action;
use crate::knob::{Kind, Knob, KnobName};
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::FixedReason;
use crate::snapshot::Labels;
use crate::spec::{Controller, InvalidConfig};
use crate::value::Value;

/// Most cases of a policy.
const MOST_CASES: usize = 64;

/// A value as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Setting {
    /// A number without a unit.
    Number(f64),
    /// A share, 0 to 1.
    Ratio(f64),
    /// A time.
    Time(Duration),
    /// A size, bytes.
    Bytes(u64),
    /// Calls per second.
    PerSecond(f64),
}

impl Setting {
    /// The value for a knob; `None` when the unit is not that of the knob.
    fn of(self, knob: &Knob) -> Option<Value> {
        let number = match (self, knob.kind, knob.unit.as_str()) {
            (Self::PerSecond(per_second), Kind::RateLimit, _) => {
                return Some(Value::Rate { per_second, burst: None });
            }
            (Self::Number(number), Kind::ConcurrencyLimit, _) => return Some(Value::Concurrency(number)),
            (_, Kind::RateLimit | Kind::ConcurrencyLimit | Kind::Breaker | Kind::Switch, _) => return None,
            (Self::Time(time), Kind::TimeoutMs, _) | (Self::Time(time), Kind::Numeric, "ms") => {
                time.as_secs_f64() * 1e3
            }
            (Self::Time(time), Kind::Numeric, "s") => time.as_secs_f64(),
            (Self::Bytes(bytes), Kind::MemoryLimit, _) | (Self::Bytes(bytes), Kind::Numeric, "bytes") => {
                bytes as f64
            }
            (Self::Ratio(ratio), Kind::Numeric, "percent") => ratio * 100.0,
            (Self::Ratio(ratio), Kind::Sampling | Kind::Numeric, "1") => ratio,
            // A number without a unit is not a time or a size.
            (Self::Number(_), Kind::TimeoutMs | Kind::MemoryLimit, _) => return None,
            (Self::Number(_), _, "ms" | "s" | "bytes") => return None,
            (Self::Number(number), _, _) => number,
            _ => return None,
        };
        Some(Value::Number(number))
    }

    fn is_sound(self) -> bool {
        match self {
            Self::Number(number) => number.is_finite(),
            Self::Ratio(ratio) => (0.0..=1.0).contains(&ratio),
            Self::PerSecond(rate) => rate.is_finite() && rate >= 0.0,
            Self::Time(_) | Self::Bytes(_) => true,
        }
    }
}

/// A value for the processes that have these labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Every one of them.
    pub when: Labels,
    /// What it is then.
    pub value: Setting,
}

impl Case {
    /// Most labels of a case: as many as a process may have.
    pub const MOST_LABELS: usize = 16;

    fn fits(&self, labels: &Labels) -> bool {
        self.when.iter().all(|(name, value)| labels.get(name) == Some(value))
    }
}

/// Parameters of a fixed value.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    pub(crate) knob: KnobName,
    value: Option<Setting>,
    cases: Vec<Case>,
}

impl Fixed {
    /// A checked policy that sets something for somebody.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, value: Option<Setting>, cases: Vec<Case>) -> Result<Self, InvalidConfig> {
        let out = |field, range| InvalidConfig::OutOfRange { field, range };
        if value.is_none() && cases.is_empty() {
            return Err(out("value", "given, unless `cases` are"));
        }
        if cases.len() > MOST_CASES {
            return Err(out("cases", "at most 64"));
        }
        if value.is_some_and(|value| !value.is_sound()) {
            return Err(out("value", "a finite quantity"));
        }
        for case in &cases {
            if !(1..=Case::MOST_LABELS).contains(&case.when.len()) {
                return Err(out("when", "1 to 16 labels"));
            }
            if !case.value.is_sound() {
                return Err(out("cases", "of finite quantities"));
            }
        }
        Ok(Self { knob, value, cases })
    }

    /// The value for a process with these labels.
    fn value(&self, labels: &Labels) -> Option<Setting> {
        self.cases.iter().find(|case| case.fits(labels)).map(|case| case.value).or(self.value)
    }
}

/// A fixed value at work.
#[derive(Debug)]
pub struct FixedPolicy {
    labels: Arc<Labels>,
    value: Option<Setting>,
}

impl FixedPolicy {
    /// For a process with these labels.
    pub fn new(spec: &Fixed, labels: Arc<Labels>) -> Self {
        let value = spec.value(&labels);
        Self { labels, value }
    }
}

impl Policy for FixedPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let nothing = |reason| Proposal::new(Want::Anything, Action::Hold, reason);
        let Some(value) = self.value else { return nothing(FixedReason::NoCase) };
        match value.of(seen.knob) {
            Some(value) => Proposal::new(Want::Set(value), Action::Increase, FixedReason::Fixed),
            None => nothing(FixedReason::OtherUnit),
        }
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::Fixed(spec) = controller else { return false };
        self.value = spec.value(&self.labels);
        true
    }
}

#[cfg(test)]
mod tests;
