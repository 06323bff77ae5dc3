//! Why a guard acts or warns.

use std::fmt;
use std::time::Duration;

use super::Evidence;
use crate::signal::Signal;

/// The rule of a task leak while the guard holds new work back. An SDK that is pushed a setpoint of this rule writes down what
/// its tasks do, once.
pub const TASK_LEAK: &str = "task_leak";

/// What growing tasks run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskLimit {
    /// The number that the policy names.
    Tasks,
    /// The container's memory.
    Memory,
}

/// Which rule of a service level is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Burn {
    /// The share of the newest hour is below the objective.
    Hour,
    /// Over the newest 30 minutes and the newest 6 hours.
    Slow,
    /// Over the newest 5 minutes and the newest hour.
    Fast,
}

impl Burn {
    /// The name of the rule.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Hour => "objective_missed",
            Self::Slow => "slow_burn",
            Self::Fast => "fast_burn",
        }
    }

    /// The longer of its windows.
    pub const fn window(self) -> Duration {
        match self {
            Self::Hour | Self::Fast => Duration::from_secs(3600),
            Self::Slow => Duration::from_secs(6 * 3600),
        }
    }
}

/// Why. Ratios 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum GuardReason {
    /// Far more tasks than usual: new work is held back.
    TaskLeak {
        /// Tasks, in the newest sample that was too high.
        tasks: f64,
        /// More than this trips.
        threshold: f64,
        /// Tasks in calm times.
        baseline: f64,
    },
    /// A few calls are let through to see whether tasks still pile up.
    TasksProbed {
        /// Tasks now.
        tasks: f64,
        /// Successful calls so far.
        successes: u64,
        /// Successful calls needed.
        needed: u64,
    },
    /// The probe failed: calls failed or hang, or tasks went on growing.
    TasksProbeFailed {
        /// Tasks now.
        tasks: f64,
        /// Tasks when probing began.
        began: f64,
    },
    /// The probe succeeded.
    TasksProbeSucceeded {
        /// Tasks now: the new normal, if they are still many.
        tasks: f64,
    },
    /// Tasks grow steadily towards a limit.
    TasksRising {
        /// Tasks now.
        tasks: f64,
        /// How many more each minute.
        per_minute: f64,
        /// When the limit is reached if that goes on.
        left: Duration,
        /// Which limit.
        limit: TaskLimit,
    },
    /// The runtime pauses for too long.
    Paused {
        /// Which pause.
        signal: Signal,
        /// How long, seconds; in the newest window.
        seconds: f64,
        /// How long is too long, seconds.
        threshold: f64,
        /// Windows over it, of those that count.
        hits: u32,
        /// Share of the container's CPU periods that were throttled: where pauses usually come from.
        throttled: Option<f64>,
    },
    /// Not ready for so long that others may be no better off: ready again for as long.
    PausedTooLong {
        /// How long it was not ready.
        after: Duration,
    },
    /// Calls are slow or rejected too often.
    Burning {
        /// Which rule.
        burn: Burn,
        /// Share of calls within the objective's time, over the longer window.
        share: f64,
        /// The objective.
        objective: f64,
        /// How many times faster than allowed calls go wrong, over the longer window.
        rate: f64,
        /// Calls in that window.
        calls: u64,
    },
    /// As many calls as memory has room for.
    MemoryCeiling {
        /// That many calls.
        calls: f64,
        /// Bytes until the share of memory that may be filled; negative beyond it.
        available: f64,
        /// Bytes that a call holds, with the margin for what is uncertain.
        per_call: f64,
    },
    /// What a call holds is not known yet.
    CallSizeUnknown,
}

impl GuardReason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TaskLeak { .. } => TASK_LEAK,
            Self::TasksProbed { .. } => "tasks_probed",
            Self::TasksProbeFailed { .. } => "tasks_probe_failed",
            Self::TasksProbeSucceeded { .. } => "tasks_probe_succeeded",
            Self::TasksRising { .. } => "tasks_rising",
            Self::Paused { .. } => "paused",
            Self::PausedTooLong { .. } => "paused_too_long",
            Self::Burning { burn, .. } => burn.rule(),
            Self::MemoryCeiling { .. } => "memory_ceiling",
            Self::CallSizeUnknown => "call_size_unknown",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        let tasks = |tasks, threshold| Evidence::one(Signal::Tasks.name(), tasks, threshold, "1");
        match *self {
            Self::TaskLeak { tasks: observed, threshold, .. } => tasks(observed, threshold),
            Self::TasksProbeFailed { tasks: observed, began } => tasks(observed, began),
            Self::TasksProbed { successes, needed, .. } => {
                Evidence::one("probe_successes", successes as f64, needed as f64, "1")
            }
            Self::TasksRising { per_minute, left, .. } => {
                let mut both = Evidence::one("tasks_growth", per_minute, 0.0, "per_minute");
                both.extend(Evidence::one("time_to_limit", left.as_secs_f64(), 0.0, "seconds"));
                both
            }
            Self::Paused { signal, seconds, threshold, throttled, .. } => {
                let mut all = Evidence::one(signal.name(), seconds, threshold, "seconds");
                let beside = |ratio| Evidence::one(Signal::ThrottledRatio.name(), ratio, 0.0, "ratio");
                all.extend(throttled.into_iter().flat_map(beside));
                all
            }
            Self::Burning { share, objective, .. } => {
                Evidence::one("share_in_time", share, objective, "ratio")
            }
            Self::MemoryCeiling { available, per_call, .. } => {
                Evidence::one("memory_available", available, per_call, "bytes")
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for GuardReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TaskLeak { tasks, threshold, baseline } => {
                write!(f, "{tasks:.0} tasks, over {threshold:.0}; {baseline:.0} are usual")
            }
            Self::TasksProbed { tasks, successes, needed } => {
                write!(f, "{successes} of {needed} probes succeeded, {tasks:.0} tasks")
            }
            Self::TasksProbeFailed { tasks, began } => {
                write!(f, "the probe failed, with {tasks:.0} tasks after {began:.0}")
            }
            Self::TasksProbeSucceeded { tasks } => write!(f, "the probe succeeded with {tasks:.0} tasks"),
            Self::TasksRising { tasks, per_minute, left, limit } => {
                let minutes = left.as_secs_f64() / 60.0;
                let limit = match limit {
                    TaskLimit::Tasks => "the limit",
                    TaskLimit::Memory => "the memory limit",
                };
                write!(
                    f,
                    "{tasks:.0} tasks, {per_minute:.1} more each minute: {limit} in {minutes:.0} minutes"
                )
            }
            Self::Paused { signal, seconds, threshold, hits, throttled } => {
                let (seconds, threshold) = (seconds * 1e3, threshold * 1e3);
                write!(f, "{} {seconds:.1} ms over {threshold:.1} ms, {hits} times", signal.name())?;
                throttled.map_or(Ok(()), |ratio| write!(f, "; throttled {:.0} %", ratio * 100.0))
            }
            Self::PausedTooLong { after } => {
                write!(f, "not ready for {:.0} s: others may be no better off", after.as_secs_f64())
            }
            Self::Burning { burn, share, objective, rate, calls } => {
                let (share, objective) = (share * 100.0, objective * 100.0);
                let hours = burn.window().as_secs() / 3600;
                write!(
                    f,
                    "{share:.2} % of {calls} calls in time over {hours} h, {objective:.2} % wanted: {rate:.1} times too many"
                )
            }
            Self::MemoryCeiling { calls, available, per_call } => {
                const MIB: f64 = 1024.0 * 1024.0;
                let (available, per_call) = (available / MIB, per_call / MIB);
                write!(f, "room for {calls:.0} calls: {available:.0} MiB left, {per_call:.2} MiB for each")
            }
            Self::CallSizeUnknown => f.write_str("what a call holds in memory is not known yet"),
        }
    }
}

impl From<GuardReason> for super::Reason {
    fn from(reason: GuardReason) -> Self {
        Self::Guard(reason)
    }
}
