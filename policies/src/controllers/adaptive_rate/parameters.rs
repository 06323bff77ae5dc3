//! The parameters of a rate, checked. What they do stands in the table of [`super`].

use std::time::Duration;

use crate::knob::KnobName;
use crate::spec::InvalidConfig;
use crate::value::Value;

/// Parameters of a rate. Rates are calls per second, ratios 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptiveRate {
    pub(crate) knob: KnobName,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) cut_to: f64,
    pub(super) recovery: Duration,
    pub(super) tolerate: f64,
    pub(super) cool_down: Duration,
    burst: Duration,
}

impl AdaptiveRate {
    /// Default of `min`.
    pub const MIN: f64 = 1.0;
    /// Default of `max`.
    pub const MAX: f64 = 10_000.0;
    /// Default of `cut_to`.
    pub const CUT_TO: f64 = 0.7;
    /// Default of `recovery`.
    pub const RECOVERY: Duration = Duration::from_secs(5);
    /// Default of `tolerate`.
    pub const TOLERATE: f64 = 0.01;
    /// Default of `cool_down`.
    pub const COOL_DOWN: Duration = Duration::from_secs(1);
    /// Default of `burst`.
    pub const BURST: Duration = Duration::from_secs(1);

    /// A checked rate with the defaults.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, min: f64, max: f64) -> Result<Self, InvalidConfig> {
        const FASTEST: f64 = 1e8;
        if !(0.001..=FASTEST).contains(&min) {
            let range = "between 0.001/s and 100000000/s";
            return Err(InvalidConfig::OutOfRange { field: "min", range });
        }
        if !(min..=FASTEST).contains(&max) {
            let relation = "at most 100000000/s and at least";
            return Err(InvalidConfig::Order { field: "max", relation, other: "min" });
        }
        Ok(Self {
            knob,
            min,
            max,
            cut_to: Self::CUT_TO,
            recovery: Self::RECOVERY,
            tolerate: Self::TOLERATE,
            cool_down: Self::COOL_DOWN,
            burst: Self::BURST,
        })
    }

    /// How deep a cut is, and how long the way back takes.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn with_curve(self, cut_to: f64, recovery: Duration) -> Result<Self, InvalidConfig> {
        if !(0.20..=0.95).contains(&cut_to) {
            return Err(InvalidConfig::OutOfRange { field: "cut_to", range: "between 20% and 95%" });
        }
        within("recovery", recovery, (1000, 600_000), "between 1s and 10m")?;
        Ok(Self { cut_to, recovery, ..self })
    }

    /// The share of refused calls that is borne, and the pause after a cut.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn with_patience(self, tolerate: f64, cool_down: Duration) -> Result<Self, InvalidConfig> {
        if !(0.0..=0.5).contains(&tolerate) {
            return Err(InvalidConfig::OutOfRange { field: "tolerate", range: "between 0% and 50%" });
        }
        within("cool_down", cool_down, (100, 60_000), "between 100ms and 1m")?;
        Ok(Self { tolerate, cool_down, ..self })
    }

    /// The time whose calls may pass at once.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn with_burst(self, burst: Duration) -> Result<Self, InvalidConfig> {
        within("burst", burst, (1, 60_000), "between 1ms and 1m")?;
        Ok(Self { burst, ..self })
    }

    pub(super) fn bounded(&self, rate: f64) -> f64 {
        rate.clamp(self.min, self.max)
    }

    /// A rate with its burst, one call at least.
    pub(super) fn value(&self, per_second: f64) -> Value {
        Value::Rate { per_second, burst: Some((per_second * self.burst.as_secs_f64()).max(1.0)) }
    }
}

fn within(
    field: &'static str,
    value: Duration,
    (from, to): (u64, u64),
    range: &'static str,
) -> Result<(), InvalidConfig> {
    let good = (Duration::from_millis(from)..=Duration::from_millis(to)).contains(&value);
    if good { Ok(()) } else { Err(InvalidConfig::OutOfRange { field, range }) }
}
