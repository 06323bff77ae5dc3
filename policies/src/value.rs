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
        /// Tells one stay in this state from another: a new one has probes of its own.
        round: u32,
        /// At most this many at once.
        probe_max: u32,
        /// And this many in the round.
        probe_total: u32,
        /// A probe that is out for longer has failed.
        deadline: Duration,
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
    /// More and more calls pass; then the SDK's own breaker decides, and does so already if it trips meanwhile.
    Recovering {
        /// Until all calls pass.
        ramp: Duration,
    },
    /// Traffic flows and nobody judges, on an operator's word.
    Disabled,
    /// Traffic flows; what would have happened is only told.
    Shadow {
        /// Calls would be rejected now.
        would_reject: bool,
    },
}

impl Breaker {
    /// How much it holds back, for the arbiter: higher is more restrictive. What can trip by itself holds back more than
    /// what cannot.
    pub const fn severity(&self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Shadow { .. } => 1,
            Self::Closed => 2,
            Self::Local => 3,
            Self::Recovering { .. } => 4,
            Self::HalfOpen { .. } => 5,
            Self::Open { .. } => 6,
            Self::ForcedOpen { .. } => 7,
        }
    }

    /// The number that stands for the state on the wire, in acks and in metrics.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Local => 0,
            Self::Closed => 1,
            Self::HalfOpen { .. } => 2,
            Self::Open { .. } => 3,
            Self::ForcedOpen { .. } => 4,
            Self::Recovering { .. } => 5,
            Self::Disabled => 6,
            Self::Shadow { .. } => 7,
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
            Self::Recovering { .. } => "recovering",
            Self::Disabled => "disabled",
            Self::Shadow { .. } => "shadow",
        }
    }
}

impl Value {
    /// One number that stands for the value in acks, metrics and plots: the limit, the rate, the number, 0 or 1, the
    /// breaker's number, or the percentage of a garbage-collection target (0: unknown).
    pub fn scalar(&self) -> f64 {
        match *self {
            Self::Concurrency(v) | Self::Number(v) | Self::Rate { per_second: v, .. } => v,
            Self::Switch(on) => f64::from(u8::from(on)),
            Self::Breaker(b) => f64::from(b.number()),
            Self::Gc(target) => target.percent.map_or(0.0, f64::from),
            Self::Parallelism { threads, .. } => f64::from(threads),
        }
    }

    /// The name of a breaker's state, for people: the number would have to be looked up. `None` for any other value.
    pub const fn state(&self) -> Option<&'static str> {
        match self {
            Self::Breaker(breaker) => Some(breaker.name()),
            _ => None,
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

    /// Whether who knows of `told` would want to be told of this one: more than a quarter away from it, or another state. A
    /// garbage-collection target is as far away as its budget or its percentage is, whichever is farther.
    pub fn is_far_from(&self, told: &Self) -> bool {
        match (self, told) {
            (Self::Gc(to), Self::Gc(told)) => {
                let budget = |bytes: Option<u64>| bytes.map_or(0.0, |bytes| bytes as f64);
                let percent = |percent: Option<u32>| percent.map_or(0.0, f64::from);
                is_far(budget(to.budget_bytes), budget(told.budget_bytes))
                    || is_far(percent(to.percent), percent(told.percent))
            }
            (Self::Breaker(to), Self::Breaker(told)) => to.number() != told.number(),
            (Self::Switch(to), Self::Switch(told)) => to != told,
            _ => is_far(self.scalar(), told.scalar()),
        }
    }

    /// Whether [`Value::scalar`] is a quantity that can be compared, stepped and clamped.
    pub const fn is_quantity(&self) -> bool {
        matches!(self, Self::Concurrency(_) | Self::Number(_) | Self::Rate { .. } | Self::Parallelism { .. })
    }
}

/// Farther away than [`Value::is_far_from`] a number is not worth telling.
const QUARTER: f64 = 0.25;

fn is_far(to: f64, told: f64) -> bool {
    (to - told).abs() > QUARTER * told.abs()
}

/// A percentage as a whole number from 1; `None` where it is none.
fn whole(percent: f64) -> Option<u32> {
    Some(percent.round().min(f64::from(GcTarget::PERCENT_LIMIT)) as u32).filter(|percent| *percent > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_worth_telling_and_what_comes_with_it_is_not() {
        let open = |seconds| Value::Breaker(Breaker::Open { retry_after: Duration::from_secs(seconds) });
        let local = Value::Breaker(Breaker::Local);
        let gc =
            |mib: u64, percent| Value::Gc(GcTarget { percent: Some(percent), ..GcTarget::budget(mib << 20) });
        for (told, to, far) in [
            (local, open(1), true),
            (open(1), open(2), false),
            (Value::Switch(false), Value::Switch(true), true),
            (gc(400, 100), gc(410, 110), false),
            (gc(400, 100), gc(410, 200), true),
            (gc(400, 100), gc(200, 100), true),
            (Value::Number(8.0), Value::Number(9.0), false),
            (Value::Concurrency(8.0), Value::Concurrency(5.9), true),
        ] {
            assert_eq!(to.is_far_from(&told), far, "{told:?} -> {to:?}");
        }
    }
}
