//! Why a garbage-collection target, or what follows from it, is what it is.

use std::fmt;
use std::time::Duration;

use super::Evidence;
use crate::controllers::gc_target::Of;
use crate::signal::Signal;

const MI: f64 = 1024.0 * 1024.0;

/// How hard a heap is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum HeapState {
    /// Not at all.
    #[default]
    Normal,
    /// No memory is given away any more.
    Watch,
    /// Fewer calls should be admitted.
    Shed,
    /// The live heap does not fit.
    Starved,
}

impl HeapState {
    /// The name in reasons.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Watch => "watch",
            Self::Shed => "shed",
            Self::Starved => "starved",
        }
    }
}

/// Why. Ratios 0 to 1, memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum GcReason {
    /// The live heap fits well.
    Headroom {
        /// Live heap over the largest one that collections can keep up with.
        ratio: f64,
        /// Memory limit.
        limit: f64,
    },
    /// The live heap is near what collections can keep up with.
    Pressed {
        /// How hard.
        state: HeapState,
        /// As in `Headroom`.
        ratio: f64,
        /// Where the state begins.
        threshold: f64,
    },
    /// Collections take too much CPU time.
    CpuShare {
        /// Share of usable CPUs.
        ratio: f64,
        /// Largest wanted.
        cap: f64,
    },
    /// The runtime had to limit the CPU time of a collection.
    LimiterFired,
    /// Memory outside the runtime takes the room.
    ExternalMemory {
        /// Of others under the limit and of this process outside its runtime.
        bytes: f64,
        /// Memory limit.
        limit: f64,
    },
    /// The runtime holds more than its budget and does not come down by itself.
    OverBudget {
        /// What it holds.
        held: f64,
        /// What it may use.
        budget: f64,
    },
    /// Tasks wait for memory, or the limit is hit, with nothing left to reclaim.
    MemoryStall {
        /// Share of the last second that tasks waited.
        ratio: f64,
    },
    /// The memory limit is another one.
    LimitChanged {
        /// Before.
        from: f64,
        /// Now.
        to: f64,
    },
    /// Fewer calls in flight keep the live heap within what collections can keep up with.
    LiveHeap {
        /// As in `Headroom`.
        ratio: f64,
        /// Calls that fit.
        calls: f64,
        /// Bytes that a call keeps alive, at most.
        bytes_per_call: f64,
    },
    /// The live heap grows whatever the load: fewer calls do not help.
    Leak {
        /// Until collections cannot keep up.
        left: Duration,
        /// Growth, bytes per second.
        slope: f64,
    },
    /// A limit so small is left alone.
    TooSmall {
        /// Memory limit.
        limit: f64,
    },
    /// As written in the policy.
    Fixed,
    /// A preset's ratio is above its threshold, below it, or between.
    Ratio {
        /// What is compared.
        of: Of,
        /// Its value.
        ratio: f64,
        /// Its threshold.
        threshold: f64,
    },
}

impl GcReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Headroom { .. } => "headroom",
            Self::Pressed { state, .. } => state.name(),
            Self::CpuShare { .. } => "gc_cpu",
            Self::LimiterFired => "gc_limiter",
            Self::ExternalMemory { .. } => "external_memory",
            Self::OverBudget { .. } => "over_budget",
            Self::MemoryStall { .. } => "memory_stall",
            Self::LimitChanged { .. } => "memory_limit_changed",
            Self::LiveHeap { .. } => "live_heap",
            Self::Leak { .. } => "leak",
            Self::TooSmall { .. } => "limit_too_small",
            Self::Fixed => "fixed",
            Self::Ratio { .. } => "ratio",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        let one = Evidence::one;
        match *self {
            Self::Headroom { ratio, .. } => one("live_over_sustainable", ratio, 1.0, "ratio"),
            Self::Pressed { ratio, threshold, .. } => one("live_over_sustainable", ratio, threshold, "ratio"),
            Self::CpuShare { ratio, cap } => one(Signal::GcCpuRatio.name(), ratio, cap, "ratio"),
            Self::ExternalMemory { bytes, limit } => one("external_memory_bytes", bytes, limit, "bytes"),
            Self::OverBudget { held, budget } => {
                one(Signal::RuntimeMemoryBytes.name(), held, budget, "bytes")
            }
            Self::MemoryStall { ratio } => one(Signal::MemorySome.name(), ratio, 0.0, "ratio"),
            Self::LimitChanged { from, to } => one(Signal::MemoryLimitBytes.name(), to, from, "bytes"),
            Self::LiveHeap { ratio, bytes_per_call, .. } => {
                let mut evidence = one("live_over_sustainable", ratio, 1.0, "ratio");
                evidence.extend(one("bytes_per_call", bytes_per_call, 0.0, "bytes"));
                evidence
            }
            Self::Leak { left, slope } => {
                let mut evidence = one("time_left_seconds", left.as_secs_f64(), 0.0, "seconds");
                evidence.extend(one("leak_bytes_per_second", slope, 0.0, "bytes"));
                evidence
            }
            Self::TooSmall { limit } => one(Signal::MemoryLimitBytes.name(), limit, 64.0 * MI, "bytes"),
            Self::Ratio { of, ratio, threshold } => one(of.name(), ratio, threshold, "ratio"),
            Self::LimiterFired | Self::Fixed => Vec::new(),
        }
    }
}

impl fmt::Display for GcReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Headroom { ratio, limit } => {
                let (ratio, limit) = (ratio * 100.0, limit / MI);
                write!(f, "live heap at {ratio:.0} % of what collections keep up with, limit {limit:.0} MiB")
            }
            Self::Pressed { state, ratio, threshold } => {
                let (ratio, threshold) = (ratio * 100.0, threshold * 100.0);
                write!(f, "{}: live heap at {ratio:.0} % of what collections keep up with", state.name())?;
                write!(f, ", over {threshold:.0} %")
            }
            Self::CpuShare { ratio, cap } => {
                write!(f, "collections take {:.0} % of the CPUs, over {:.0} %", ratio * 100.0, cap * 100.0)
            }
            Self::LimiterFired => f.write_str("the runtime limited the CPU time of a collection"),
            Self::ExternalMemory { bytes, limit } => {
                write!(f, "others use {:.0} of {:.0} MiB", bytes / MI, limit / MI)
            }
            Self::OverBudget { held, budget } => {
                let (held, budget) = (held / MI, budget / MI);
                write!(f, "holds {held:.0} MiB of a budget of {budget:.0} MiB and gives nothing back")
            }
            Self::MemoryStall { ratio } => {
                write!(f, "tasks waited for memory {:.0} % of the time", ratio * 100.0)
            }
            Self::LimitChanged { from, to } => {
                write!(f, "memory limit {:.0} MiB -> {:.0} MiB", from / MI, to / MI)
            }
            Self::LiveHeap { ratio, calls, bytes_per_call } => {
                let (ratio, kib) = (ratio * 100.0, bytes_per_call / 1024.0);
                write!(f, "live heap at {ratio:.0} %, {kib:.0} KiB a call: {calls:.0} calls fit")
            }
            Self::Leak { left, slope } => {
                let (left, slope) = (left.as_secs_f64(), slope / MI);
                write!(f, "leaks {slope:.1} MiB/s, collections keep up for {left:.0} s more")
            }
            Self::TooSmall { limit } => {
                write!(f, "a limit of {:.0} MiB is left alone", limit / MI)
            }
            Self::Fixed => f.write_str("fixed by the policy"),
            Self::Ratio { of, ratio, threshold } => {
                let (ratio, threshold) = (ratio * 100.0, threshold * 100.0);
                write!(f, "{} {ratio:.0} %, threshold {threshold:.0} %", of.name())
            }
        }
    }
}

impl From<GcReason> for super::Reason {
    fn from(reason: GcReason) -> Self {
        Self::Gc(reason)
    }
}
