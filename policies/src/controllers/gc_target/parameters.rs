//! Parameters of a garbage-collection target; [`super`] describes them.

use super::ratio::RatioRule;
use super::watch::Bounds;
use crate::envelope::{GcMode, GcTarget};
use crate::knob::KnobName;
use crate::spec::InvalidConfig;

/// By what the target is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// By the law, with this trade-off: throughput or frugal.
    Law(GcMode),
    /// Not at all.
    Fixed {
        /// Percentage; `None`: that from the start of the process.
        percent: Option<u32>,
        /// Soft limit as a share of the memory limit; `None`: that from the start of the process.
        memory_limit: Option<f64>,
    },
    /// By a rule out of a field report.
    Ratio(RatioRule),
}

/// Parameters of a garbage-collection target.
#[derive(Debug, Clone, PartialEq)]
pub struct GcTargetSpec {
    pub(crate) knob: KnobName,
    pub(super) rule: Rule,
    pub(super) gc_cpu_target: f64,
    pub(super) gc_cpu_cap: f64,
    pub(super) percent_min: u32,
    pub(super) percent_max: u32,
    pub(super) restart_not_brownout: bool,
}

impl GcTargetSpec {
    /// The knob by default.
    pub const KNOB: &str = "gc";

    /// A checked target with default parameters.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, rule: Rule) -> Result<Self, InvalidConfig> {
        if let Rule::Fixed { percent, memory_limit } = rule {
            if percent.is_none() && memory_limit.is_none() {
                return Err(InvalidConfig::OutOfRange {
                    field: "percent",
                    range: "given, or memory_limit, in mode fixed",
                });
            }
            if percent.is_some_and(|percent| !(1..=GcTarget::PERCENT_LIMIT).contains(&percent)) {
                return Err(InvalidConfig::OutOfRange { field: "percent", range: "between 1 and 100000" });
            }
            if memory_limit.is_some_and(|share| !(0.10..=1.0).contains(&share)) {
                return Err(InvalidConfig::OutOfRange {
                    field: "memory_limit",
                    range: "between 10% and 100%",
                });
            }
        }
        Ok(Self {
            knob,
            rule,
            gc_cpu_target: GcTarget::GC_CPU_TARGET,
            gc_cpu_cap: GcTarget::GC_CPU_CAP,
            percent_min: GcTarget::PERCENT_MIN,
            percent_max: GcTarget::PERCENT_MAX,
            restart_not_brownout: false,
        })
    }

    /// The same with other shares of CPU time, 0 to 1.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn with_cpu(self, target: f64, cap: f64) -> Result<Self, InvalidConfig> {
        if !(0.01..=0.5).contains(&target) {
            return Err(InvalidConfig::OutOfRange { field: "gc_cpu_target", range: "between 1% and 50%" });
        }
        check_cap(cap)?;
        Ok(Self { gc_cpu_target: target, gc_cpu_cap: cap, ..self })
    }

    /// The same with other bounds of the percentage.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn with_percent(self, percent_min: u64, percent_max: u64) -> Result<Self, InvalidConfig> {
        let whole = |percent: u64| u32::try_from(percent).unwrap_or(u32::MAX);
        if !(1..=1000).contains(&percent_min) {
            return Err(InvalidConfig::OutOfRange { field: "percent_min", range: "between 1 and 1000" });
        }
        if !(percent_min..=u64::from(GcTarget::PERCENT_LIMIT)).contains(&percent_max) {
            return Err(InvalidConfig::Order {
                field: "percent_max",
                relation: "at most 100000 and at least",
                other: "percent_min",
            });
        }
        Ok(Self { percent_min: whole(percent_min), percent_max: whole(percent_max), ..self })
    }

    /// The same, and rather killed than collecting all the time once the live heap does not fit.
    #[must_use]
    pub fn with_restart_not_brownout(self, restart_not_brownout: bool) -> Self {
        Self { restart_not_brownout, ..self }
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { gc_cpu_cap: self.gc_cpu_cap, least: f64::from(self.percent_min) / 100.0, ahead: false }
    }
}

/// Whether a largest share of CPU time is allowed.
pub(super) fn check_cap(cap: f64) -> Result<(), InvalidConfig> {
    if (0.02..=0.5).contains(&cap) {
        Ok(())
    } else {
        Err(InvalidConfig::OutOfRange { field: "gc_cpu_cap", range: "between 2% and 50%" })
    }
}
