//! What an operator can set.

use std::time::Duration;

use crate::knob::KnobName;
use crate::spec::InvalidConfig;

/// Parameters of the law.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptiveConcurrency {
    pub(crate) knob: KnobName,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) initial: Option<f64>,
    pub(super) latency_budget: Duration,
    pub(super) deadline: Option<Duration>,
}

impl AdaptiveConcurrency {
    /// Default of `min`.
    pub const MIN: f64 = 4.0;
    /// Default of `max`.
    pub const MAX: f64 = 2000.0;

    /// A checked law; limits in calls. `initial` `None`: the knob's baseline.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(
        knob: KnobName,
        min: f64,
        max: f64,
        initial: Option<f64>,
        latency_budget: Duration,
    ) -> Result<Self, InvalidConfig> {
        if !(1.0..=1e6).contains(&min) {
            return Err(InvalidConfig::OutOfRange { field: "min", range: "between 1 and 1000000" });
        }
        if !(max >= min && max <= 1e6) {
            return Err(InvalidConfig::Order {
                field: "max",
                relation: "at most 1000000 and at least",
                other: "min",
            });
        }
        if initial.is_some_and(|initial| !(min..=max).contains(&initial)) {
            return Err(InvalidConfig::OutOfRange { field: "initial", range: "between min and max" });
        }
        if latency_budget > Duration::from_secs(60) {
            return Err(InvalidConfig::OutOfRange { field: "latency_budget", range: "at most 60s" });
        }
        Ok(Self { knob, min, max, initial, latency_budget, deadline: None })
    }

    /// With the time after which an answer is worth nothing; `None`: the one that the knob declares, if any.
    ///
    /// # Errors
    /// [`InvalidConfig`] when it is not between 1 ms and 10 min.
    pub fn with_deadline(self, deadline: Option<Duration>) -> Result<Self, InvalidConfig> {
        let allowed = Duration::from_millis(1)..=Duration::from_secs(600);
        if deadline.is_some_and(|deadline| !allowed.contains(&deadline)) {
            return Err(InvalidConfig::OutOfRange { field: "deadline", range: "between 1ms and 10m" });
        }
        Ok(Self { deadline, ..self })
    }
}
