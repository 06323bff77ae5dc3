//! The value that a setpoint carries, one variant for each family of knobs.

use std::time::Duration;

use crate::envelope::GcTarget;

/// What a knob should be set to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Allowed simultaneous calls.
    Concurrency(f64),
    /// Allowed calls per second and the burst in calls (`None`: one second of the rate).
    Rate {
        /// Calls per second.
        per_second: f64,
        /// Calls that may pass at once.
        burst: Option<f64>,
    },
    /// What a breaker should do.
    Breaker(Breaker),
    /// What garbage collection should aim at.
    Gc(GcTarget),
    /// Threads that run application code at once.
    Parallelism {
        /// How many.
        threads: u32,
        /// Threads of pools for blocking calls that the SDK owns (`None`: leave them).
        blocking_threads: Option<u32>,
    },
    /// Any other number, in the knob's unit.
    Number(f64),
    /// On or off.
    Switch(bool),
}

/// What a breaker should do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Breaker {
    /// The SDK's own breaker decides.
    Local,
    /// Traffic flows, whatever the local breaker thinks.
    Closed,
    /// A few calls are let through to see whether the callee is well again.
    HalfOpen {
        /// Share of calls let through, 0 to 1.
        probe_ratio: f64,
        /// And at most this many at once.
        probe_max: u32,
    },
    /// Calls are rejected.
    Open {
        /// Handed to callers.
        retry_after: Duration,
    },
    /// Calls are rejected on an operator's word.
    ForcedOpen {
        /// Handed to callers.
        retry_after: Duration,
    },
}

impl Breaker {
    /// How much it holds back, for the arbiter: higher is more restrictive.
    pub const fn severity(&self) -> u8 {
        match self {
            Self::Local => 0,
            Self::Closed => 1,
            Self::HalfOpen { .. } => 2,
            Self::Open { .. } => 3,
            Self::ForcedOpen { .. } => 4,
        }
    }

    /// The state's name, as in metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Closed => "closed",
            Self::HalfOpen { .. } => "half_open",
            Self::Open { .. } => "open",
            Self::ForcedOpen { .. } => "forced_open",
        }
    }
}

impl Value {
    /// One number that stands for the value in acks, metrics and plots: the limit, the rate, the number, 0 or 1, the
    /// breaker's severity, or the percentage of a garbage-collection target (0: unknown).
    pub fn scalar(&self) -> f64 {
        match *self {
            Self::Concurrency(v) | Self::Number(v) | Self::Rate { per_second: v, .. } => v,
            Self::Switch(on) => f64::from(u8::from(on)),
            Self::Breaker(b) => f64::from(b.severity()),
            Self::Gc(target) => target.percent.map_or(0.0, f64::from),
            Self::Parallelism { threads, .. } => f64::from(threads),
        }
    }

    /// The same kind of value with another number; breakers and switches stay as they are.
    #[must_use]
    pub fn with_scalar(self, scalar: f64) -> Self {
        match self {
            Self::Concurrency(_) => Self::Concurrency(scalar),
            Self::Number(_) => Self::Number(scalar),
            Self::Rate { burst, .. } => Self::Rate { per_second: scalar, burst },
            Self::Gc(target) => Self::Gc(GcTarget { percent: whole(scalar), ..target }),
            Self::Parallelism { blocking_threads, .. } => {
                Self::Parallelism { threads: scalar.round() as u32, blocking_threads }
            }
            other => other,
        }
    }

    /// Whether [`Value::scalar`] is a quantity that can be compared, stepped and clamped.
    pub const fn is_quantity(&self) -> bool {
        matches!(self, Self::Concurrency(_) | Self::Number(_) | Self::Rate { .. } | Self::Parallelism { .. })
    }
}

/// A percentage as a whole number from 1; `None` where it is none.
fn whole(percent: f64) -> Option<u32> {
    Some(percent.round().min(f64::from(GcTarget::PERCENT_LIMIT)) as u32).filter(|percent| *percent > 0)
}
