//! A checked policy set: what the engine runs. Illegal ones cannot be built, so that stepping never fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::controllers::adaptive_concurrency::AdaptiveConcurrency;
use crate::controllers::adaptive_rate::AdaptiveRate;
use crate::controllers::breaker::BreakerSpec;
use crate::controllers::fixed::Fixed;
use crate::controllers::gc_target::GcTargetSpec;
use crate::controllers::gc_target::cap::HeapCap;
use crate::controllers::gc_target::drain::HeapDrain;
use crate::controllers::memory_cap::MemoryCap;
use crate::controllers::memory_ceiling::MemoryCeiling;
use crate::controllers::parallelism::Parallelism;
use crate::controllers::runtime_health::RuntimeHealth;
use crate::controllers::scheduler_cap::SchedulerCap;
use crate::controllers::slo::Slo;
use crate::controllers::task_leak::TaskLeak;
use crate::controllers::task_trend::TaskTrend;
use crate::knob::KnobName;
use crate::lease::Lease;

/// Whether decisions act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Decide, explain and push.
    #[default]
    Enforce,
    /// Decide and explain; the SDK checks and acknowledges, nothing is put in force.
    Shadow,
    /// Decide and explain; nothing is pushed.
    Observe,
}

impl Mode {
    /// The name in policy files, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Observe => "observe",
        }
    }
}

/// Everything that runs, from one policy file.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySet {
    /// For people.
    pub name: String,
    /// Hash of the content that it was read from.
    pub revision: String,
    /// Whether decisions act.
    pub mode: Mode,
    /// Period of the loop, 50 ms to 1 s.
    pub tick: Duration,
    /// The life of each setpoint.
    pub lease: Lease,
    /// The policies, in the order of the file.
    pub policies: Vec<PolicySpec>,
}

/// One policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySpec {
    /// Unique in its set.
    pub name: Arc<str>,
    /// What it does.
    pub controller: Controller,
}

/// What a policy does.
#[derive(Debug, Clone, PartialEq)]
pub enum Controller {
    /// Finds the concurrency limit at which a service answers most calls in time.
    AdaptiveConcurrency(AdaptiveConcurrency),
    /// Holds a limit down while memory is short.
    MemoryCap(MemoryCap),
    /// Holds a limit down while threads wait too long for a CPU.
    SchedulerCap(SchedulerCap),
    /// Opens a breaker on failures.
    Breaker(Box<BreakerSpec>),
    /// Opens a breaker when tasks pile up.
    TaskLeak(TaskLeak),
    /// Warns when tasks grow towards a limit.
    TaskTrend(TaskTrend),
    /// Lets the service's readiness answer turn while its runtime pauses for too long.
    RuntimeHealth(RuntimeHealth),
    /// Warns when too many calls are slow.
    Slo(Slo),
    /// Holds a limit at what memory has room for.
    MemoryCeiling(MemoryCeiling),
    /// Lets a runtime use the memory that is there.
    GcTarget(GcTargetSpec),
    /// Holds a limit down while the live heap is too large.
    HeapCap(HeapCap),
    /// Drains a process that leaks.
    HeapDrain(HeapDrain),
    /// Finds how many threads run application code.
    Parallelism(Parallelism),
    /// Finds the rate at which a callee answers nearly all calls.
    AdaptiveRate(AdaptiveRate),
    /// Sets a knob to what the file says.
    Fixed(Fixed),
}

impl Controller {
    /// The knob that it moves or watches.
    pub const fn knob(&self) -> &KnobName {
        match self {
            Self::AdaptiveConcurrency(c) => &c.knob,
            Self::MemoryCap(c) => &c.knob,
            Self::SchedulerCap(c) => &c.knob,
            Self::Breaker(c) => &c.knob,
            Self::TaskLeak(c) => &c.knob,
            Self::TaskTrend(c) => &c.knob,
            Self::RuntimeHealth(c) => &c.knob,
            Self::Slo(c) => &c.knob,
            Self::MemoryCeiling(c) => &c.knob,
            Self::GcTarget(c) => &c.knob,
            Self::HeapCap(c) => &c.knob,
            Self::HeapDrain(c) => &c.knob,
            Self::Parallelism(c) => &c.knob,
            Self::AdaptiveRate(c) => &c.knob,
            Self::Fixed(c) => &c.knob,
        }
    }

    /// The controller's name in policy files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AdaptiveConcurrency(_) => "adaptive_concurrency",
            Self::MemoryCap(_) => "memory_cap",
            Self::SchedulerCap(_) => "scheduler_cap",
            Self::Breaker(_) => "breaker",
            Self::TaskLeak(_) => "task_leak",
            Self::TaskTrend(_) => "task_trend",
            Self::RuntimeHealth(_) => "runtime_health",
            Self::Slo(_) => "slo",
            Self::MemoryCeiling(_) => "memory_ceiling",
            Self::GcTarget(_) => "gc_target",
            Self::HeapCap(_) => "heap_cap",
            Self::HeapDrain(_) => "heap_drain",
            Self::Parallelism(_) => "parallelism",
            Self::AdaptiveRate(_) => "adaptive_rate",
            Self::Fixed(_) => "fixed",
        }
    }

    /// The latency above which it wants calls of its resource counted: of all that watch one resource, at most
    /// [`MOST_WATCHED`](crate::totals::MOST_WATCHED) different ones are.
    pub fn watches(&self) -> Option<Duration> {
        match self {
            Self::Breaker(c) => c.watches(),
            Self::Slo(c) => Some(c.within()),
            _ => None,
        }
    }

    /// Whether it may move its knob; else it watches and raises alerts.
    pub const fn moves(&self) -> bool {
        !matches!(self, Self::TaskTrend(_) | Self::Slo(_))
    }
}

/// Why a section of a policy file is refused. `field` is the field's name in the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// Outside the allowed range.
    #[error("{field} must be {range}")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What is allowed.
        range: &'static str,
    },
    /// Two fields contradict each other.
    #[error("{field} must be {relation} {other}")]
    Order {
        /// Which field.
        field: &'static str,
        /// How they must relate.
        relation: &'static str,
        /// The other field.
        other: &'static str,
    },
    /// A breaker without any rule that could trip it.
    #[error("a breaker needs consecutive, failure_rate or slow_call_rate")]
    NoTripRule,
}

impl InvalidConfig {
    /// The field that is to blame, if it is one.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::OutOfRange { field, .. } | Self::Order { field, .. } => Some(field),
            Self::NoTripRule => None,
        }
    }
}

impl PolicySet {
    /// A set without policies: everything is seen, nothing is moved.
    pub fn observe_only() -> Self {
        Self {
            name: "observe-only".to_owned(),
            revision: String::new(),
            mode: Mode::Observe,
            tick: Duration::from_millis(100),
            lease: Lease::default(),
            policies: Vec::new(),
        }
    }

    /// The knobs that its policies name.
    pub fn knobs(&self) -> BTreeSet<&KnobName> {
        let named = self.policies.iter().map(|policy| policy.controller.knob());
        named.filter(|knob| !knob.is_process()).collect()
    }
}
