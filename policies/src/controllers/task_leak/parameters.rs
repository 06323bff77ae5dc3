//! Parameters, checked.

use std::time::Duration;

use crate::knob::KnobName;
use crate::spec::InvalidConfig;

/// Parameters of the guard.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskLeak {
    pub(crate) knob: KnobName,
    pub(super) every: Duration,
    factor: f64,
    pub(super) in_a_row: u32,
    pub(super) hold: Duration,
    pub(super) floor: f64,
    pub(super) per_call: f64,
}

impl TaskLeak {
    /// Default of `every`.
    pub const EVERY: Duration = Duration::from_secs(5);
    /// Default of `factor`.
    pub const FACTOR: f64 = 1.5;
    /// Default of `in_a_row`.
    pub const IN_A_ROW: u32 = 3;
    /// Default of `hold`.
    pub const HOLD: Duration = Duration::from_secs(60);
    /// Default of `floor`.
    pub const FLOOR: f64 = 100.0;
    /// Default of `per_call`.
    pub const PER_CALL: f64 = 1.0;

    /// A guard of this breaker with the defaults.
    pub const fn new(knob: KnobName) -> Self {
        Self {
            knob,
            every: Self::EVERY,
            factor: Self::FACTOR,
            in_a_row: Self::IN_A_ROW,
            hold: Self::HOLD,
            floor: Self::FLOOR,
            per_call: Self::PER_CALL,
        }
    }

    /// When it trips.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn trips(self, every: Duration, factor: f64, in_a_row: u32) -> Result<Self, InvalidConfig> {
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&every) {
            return Err(InvalidConfig::OutOfRange { field: "every", range: "between 1s and 1m" });
        }
        if !(1.1..=100.0).contains(&factor) {
            return Err(InvalidConfig::OutOfRange { field: "factor", range: "between 1.1 and 100" });
        }
        if !(1..=20).contains(&in_a_row) {
            return Err(InvalidConfig::OutOfRange { field: "in_a_row", range: "between 1 and 20" });
        }
        Ok(Self { every, factor, in_a_row, ..self })
    }

    /// How long it holds work back, which small growth it ignores, and how many tasks a call in flight explains.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn holds(self, hold: Duration, floor: f64, per_call: f64) -> Result<Self, InvalidConfig> {
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&hold) {
            return Err(InvalidConfig::OutOfRange { field: "hold", range: "between 1s and 1h" });
        }
        if !(0.0..=1e6).contains(&floor) {
            return Err(InvalidConfig::OutOfRange { field: "floor", range: "between 0 and 1000000" });
        }
        if !(0.0..=100.0).contains(&per_call) {
            return Err(InvalidConfig::OutOfRange { field: "per_call", range: "between 0 and 100" });
        }
        Ok(Self { hold, floor, per_call, ..self })
    }

    /// The number of tasks above which a sample is too high.
    pub(super) fn threshold(&self, usual: f64) -> f64 {
        (self.factor * usual).max(usual + self.floor)
    }
}
