//! Why a limit is capped: memory or CPUs are short.

use std::fmt;

use super::Evidence;
use crate::signal::Signal;

/// Why. Ratios 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum PressureReason {
    /// Memory is short.
    MemoryPressure {
        /// Working set over limit.
        ratio: f64,
        /// Where capping starts.
        start: f64,
    },
    /// Threads wait too long for a CPU.
    SchedulerPressure {
        /// What shows it.
        signal: Signal,
        /// Its value.
        observed: f64,
        /// Its threshold.
        threshold: f64,
    },
}

impl PressureReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::MemoryPressure { .. } => "memory_pressure",
            Self::SchedulerPressure { .. } => "scheduler_pressure",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        match *self {
            Self::MemoryPressure { ratio, start } => {
                Evidence::one(Signal::MemoryWorkingSetRatio.name(), ratio, start, "ratio")
            }
            Self::SchedulerPressure { signal, observed, threshold } => {
                Evidence::one(signal.name(), observed, threshold, "1")
            }
        }
    }
}

impl fmt::Display for PressureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MemoryPressure { ratio, start } => {
                write!(f, "working set {:.0} % of the limit, over {:.0} %", ratio * 100.0, start * 100.0)
            }
            Self::SchedulerPressure { signal, observed, threshold } => {
                write!(f, "{} {observed:.3} over {threshold:.3}", signal.name())
            }
        }
    }
}

impl From<PressureReason> for super::Reason {
    fn from(reason: PressureReason) -> Self {
        Self::Pressure(reason)
    }
}
