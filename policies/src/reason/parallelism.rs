//! Why a process should use more or fewer threads.

use std::fmt;
use std::time::Duration;

use super::Evidence;
use crate::signal::Signal;

/// Why. Ratios 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ParallelismReason {
    /// As many as CPUs may be used.
    Quota {
        /// Usable CPUs.
        cores: f64,
    },
    /// The quota is used up before its period ends.
    Throttled {
        /// Share of throttled periods.
        periods: f64,
        /// Share of time.
        time: f64,
    },
    /// Neighbours hold the CPUs.
    Starved {
        /// Threads that wait for a CPU, on average.
        waiting: f64,
        /// Most that is fine.
        threshold: f64,
    },
    /// Tasks wait for a thread while CPUs are free.
    WantsMore {
        /// 99th percentile of their wait.
        wait: Duration,
    },
    /// The same, and threads are stuck in the kernel.
    Stalled {
        /// How many.
        blocked: f64,
        /// From how many on it counts.
        threshold: f64,
    },
    /// A step made things worse, or did not make them better, and was taken back.
    Reverted {
        /// Good answers per second before.
        before: f64,
        /// And after.
        after: f64,
    },
    /// A step is being judged.
    Judging {
        /// How long still.
        left: Duration,
    },
    /// CPUs in use, by a rule of a field report.
    Load {
        /// Over all cores.
        ratio: f64,
        /// The threshold next to it.
        threshold: f64,
    },
    /// How late threads run, by a rule of a field report.
    RunDelay {
        /// Run delay per slice.
        delay: Duration,
    },
}

impl ParallelismReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Quota { .. } => "quota",
            Self::Throttled { .. } => "throttled",
            Self::Starved { .. } => "starved",
            Self::WantsMore { .. } => "wants_more",
            Self::Stalled { .. } => "stalled_in_kernel",
            Self::Reverted { .. } => "reverted",
            Self::Judging { .. } => "judging",
            Self::Load { .. } => "load",
            Self::RunDelay { .. } => "run_delay",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        let one = Evidence::one;
        match *self {
            Self::Quota { cores } => one("usable_cores", cores, cores, "cores"),
            Self::Throttled { periods, time } => {
                let mut evidence = one(Signal::ThrottledRatio.name(), periods, 0.05, "ratio");
                evidence.extend(one(Signal::ThrottledTimeRatio.name(), time, 0.01, "ratio"));
                evidence
            }
            Self::Starved { waiting, threshold } => {
                one(Signal::RunDelayCores.name(), waiting, threshold, "cores")
            }
            Self::WantsMore { wait } => {
                one(Signal::SchedulerLatency.name(), wait.as_secs_f64(), 0.001, "seconds")
            }
            Self::Stalled { blocked, threshold } => {
                one(Signal::BlockedThreads.name(), blocked, threshold, "1")
            }
            Self::Reverted { before, after } => one("goodput", after, before, "1/s"),
            Self::Judging { .. } => Vec::new(),
            Self::Load { ratio, threshold } => one("load", ratio, threshold, "ratio"),
            Self::RunDelay { delay } => {
                one(Signal::RunDelayPerSlice.name(), delay.as_secs_f64(), 0.015, "seconds")
            }
        }
    }
}

impl fmt::Display for ParallelismReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Quota { cores } => write!(f, "{cores:.1} CPUs may be used"),
            Self::Throttled { periods, time } => {
                let (periods, time) = (periods * 100.0, time * 100.0);
                write!(f, "throttled in {periods:.0} % of the periods, {time:.0} % of the time")
            }
            Self::Starved { waiting, threshold } => {
                write!(f, "{waiting:.1} threads wait for a CPU, over {threshold:.1}")
            }
            Self::WantsMore { wait } => {
                write!(f, "tasks wait {:.1} ms for a thread while CPUs are free", wait.as_secs_f64() * 1e3)
            }
            Self::Stalled { blocked, .. } => write!(f, "{blocked:.0} threads are stuck in the kernel"),
            Self::Reverted { before, after } => {
                write!(f, "taken back: {after:.1} good answers/s after {before:.1}")
            }
            Self::Judging { left } => write!(f, "judging the last step for {:.0} s", left.as_secs_f64()),
            Self::Load { ratio, threshold } => {
                write!(f, "load {:.0} %, threshold {:.0} %", ratio * 100.0, threshold * 100.0)
            }
            Self::RunDelay { delay } => {
                write!(f, "threads run {:.1} ms late", delay.as_secs_f64() * 1e3)
            }
        }
    }
}

impl From<ParallelismReason> for super::Reason {
    fn from(reason: ParallelismReason) -> Self {
        Self::Parallelism(reason)
    }
}
