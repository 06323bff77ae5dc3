//! Why a decision was made.
//!
//! Closed enums feed the log field, the metric label, the page, the journal and the tests. A [`Reason`] carries its
//! evidence as numbers; [`Reason::rule`] is the stable label, `Display` the one sentence for people. What any policy or
//! the engine may say stands here, what one kind of policy says in a file of its own.

use std::fmt;
use std::time::Duration;

use crate::signal::Signal;

mod breaker;
mod concurrency;
mod fixed;
mod gc;
mod guards;
mod parallelism;
mod pressure;
mod rate;

pub use breaker::BreakerReason;
pub use concurrency::ConcurrencyReason;
pub use fixed::FixedReason;
pub use gc::{GcReason, HeapState};
pub use guards::{Burn, GuardReason, TASK_LEAK, TaskLimit};
pub use parallelism::ParallelismReason;
pub use pressure::PressureReason;
pub use rate::RateReason;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The sidecar is new and observes what is in force before it moves anything.
    Learning {
        /// Until it may act.
        left: Duration,
    },
    /// A needed signal has no reading yet.
    SignalMissing(Signal),
    /// A needed signal is too old.
    SignalStale {
        /// Which.
        signal: Signal,
        /// How old.
        age: Duration,
    },
    /// The counters of the limiter have not arrived, or not for a while.
    ReportStale {
        /// How old; `None`: never seen.
        age: Option<Duration>,
    },
    /// The SDK was stalled in this window, so it proves nothing.
    Stalled,
    /// Not enough samples in the window yet.
    Measuring {
        /// Successes so far.
        samples: u64,
    },
    /// Nothing presses.
    Calm,
    /// Another policy holds the knob lower.
    Capped,
    /// The bounds of the policy or the knob.
    Bounds,
    /// The knob's pace: largest change or dwell.
    Paced,
    /// Too small a change to be worth a push.
    Deadband,
    /// A restrictive move was made a moment ago.
    CoolDown {
        /// How long still.
        left: Duration,
    },
    /// No policy names the knob any more.
    Unbound,
    /// Of a policy that finds a concurrency limit.
    Concurrency(ConcurrencyReason),
    /// Of a breaker.
    Breaker(BreakerReason),
    /// Of a policy that caps a limit while something is short.
    Pressure(PressureReason),
    /// Of a guard: task leak, runtime health, service level, memory ceiling.
    Guard(GuardReason),
    /// Of a garbage-collection target.
    Gc(GcReason),
    /// Of the number of threads.
    Parallelism(ParallelismReason),
    /// Of a policy that finds a rate.
    Rate(RateReason),
    /// Of a fixed value.
    Fixed(FixedReason),
}

impl Reason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Learning { .. } => "learning",
            Self::SignalMissing(_) => "signal_missing",
            Self::SignalStale { .. } => "signal_stale",
            Self::ReportStale { .. } => "report_stale",
            Self::Stalled => "stalled",
            Self::Measuring { .. } => "measuring",
            Self::Calm => "calm",
            Self::Capped => "capped",
            Self::Bounds => "bounds",
            Self::Paced => "paced",
            Self::Deadband => "deadband",
            Self::CoolDown { .. } => "cool_down",
            Self::Unbound => "unbound",
            Self::Concurrency(reason) => reason.rule(),
            Self::Breaker(reason) => reason.rule(),
            Self::Pressure(reason) => reason.rule(),
            Self::Guard(reason) => reason.rule(),
            Self::Gc(reason) => reason.rule(),
            Self::Parallelism(reason) => reason.rule(),
            Self::Rate(reason) => reason.rule(),
            Self::Fixed(reason) => reason.rule(),
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        match self {
            Self::Concurrency(reason) => reason.evidence(),
            Self::Breaker(reason) => reason.evidence(),
            Self::Pressure(reason) => reason.evidence(),
            Self::Guard(reason) => reason.evidence(),
            Self::Gc(reason) => reason.evidence(),
            Self::Parallelism(reason) => reason.evidence(),
            Self::Rate(reason) => reason.evidence(),
            _ => Vec::new(),
        }
    }
}

/// One number that a reason rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What was observed.
    pub signal: &'static str,
    /// Its value.
    pub observed: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// Unit of both.
    pub unit: &'static str,
}

impl Evidence {
    /// The usual case: one number says it all.
    fn one(signal: &'static str, observed: f64, threshold: f64, unit: &'static str) -> Vec<Self> {
        vec![Self { signal, observed, threshold, unit }]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Learning { left } => write!(f, "observing before acting, {:.1} s left", left.as_secs_f64()),
            Self::SignalMissing(signal) => write!(f, "{} has no reading", signal.name()),
            Self::SignalStale { signal, age } => {
                write!(f, "{} is {:.1} s old", signal.name(), age.as_secs_f64())
            }
            Self::ReportStale { age: None } => f.write_str("no counters reported yet"),
            Self::ReportStale { age: Some(age) } => write!(f, "counters are {:.1} s old", age.as_secs_f64()),
            Self::Stalled => f.write_str("the process was stalled in this window"),
            Self::Measuring { samples } => write!(f, "{samples} samples, not enough yet"),
            Self::Calm => f.write_str("no pressure"),
            Self::Capped => f.write_str("held lower by another policy"),
            Self::Bounds => f.write_str("at the bound"),
            Self::Paced => f.write_str("moving at the knob's pace"),
            Self::Deadband => f.write_str("change too small"),
            Self::CoolDown { left } => write!(f, "cooling down, {:.1} s left", left.as_secs_f64()),
            Self::Unbound => f.write_str("no policy names this knob, back to baseline"),
            Self::Concurrency(reason) => reason.fmt(f),
            Self::Breaker(reason) => reason.fmt(f),
            Self::Pressure(reason) => reason.fmt(f),
            Self::Guard(reason) => reason.fmt(f),
            Self::Gc(reason) => reason.fmt(f),
            Self::Parallelism(reason) => reason.fmt(f),
            Self::Rate(reason) => reason.fmt(f),
            Self::Fixed(reason) => reason.fmt(f),
        }
    }
}
