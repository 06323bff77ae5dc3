//! The parameters of a breaker, checked.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `consecutive` | off | 1 to 10,000 | trips later | trips earlier |
//! | `failure_rate.above`, `slow_call_rate.above` | - | 1 % to 100 % | trips later | trips earlier |
//! | `slow_call_rate.slower_than` | - | 1 ms to 10 min | trips later | trips earlier |
//! | `*.window` or `*.calls` | 10 s | 1 s to 10 min; 10 to 1,000,000 | slower, surer | faster, noisier |
//! | `*.hits` of `*.of`; `*.in_a_row` | 1 of 1 | 1 to 10 | surer | faster |
//! | `*.minimum_calls` | 20 | 1 to 1,000,000 | ignores low traffic | judges low traffic |
//! | `*.confidence` | 70 % | 0 % to 100 % | few calls have to be worse | believes few calls |
//! | `probe.*.base`, `cap`, `wait` | 1 s, 30 s | 100 ms to 1 h | fewer probes | faster recovery |
//! | `probe.*.jitter` | 20 % | 0 % to 50 % | probes less in step | waits more alike |
//! | `half_open.concurrent` | 2 | 1 to 8 | faster decision | less load on a sick callee |
//! | `half_open.probes`, `successes` | 10, 8 | 1 to 100 | surer recovery | faster recovery |
//! | `half_open.deadline` | 3 s | 10 ms to 10 min | tolerates slow answers | gives lost probes up earlier |
//! | `half_open.patience` | 10 s | 100 ms to 1 h | more calls to judge by | decides earlier |
//! | `ramp` | 10 s | 0 to 10 min | gentler to a cold callee | traffic is back earlier |
//! | `set.max_open` | - | 1 % to 100 % | more endpoints open at once | fewer |

use std::sync::Arc;
use std::time::Duration;

use super::rate::Rate;
use super::wait::Wait;
use crate::knob::KnobName;
use crate::probes::Budget;
use crate::spec::InvalidConfig;

/// Whether a breaker acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acts {
    /// It trips, probes and recovers.
    #[default]
    Enforce,
    /// It only tells what it would do; neither it nor the SDK's own rule rejects a call.
    Shadow,
    /// It does nothing, nor does the SDK's own rule.
    Disabled,
    /// It rejects every call.
    ForcedOpen,
}

impl Acts {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Enforce, Self::Shadow, Self::Disabled, Self::ForcedOpen];

    /// The name in policy files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Disabled => "disabled",
            Self::ForcedOpen => "forced_open",
        }
    }
}

/// What trips a breaker; any of them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Trip {
    /// So many hard failures in a row (1 to 10,000).
    pub consecutive: Option<u64>,
    /// A share of failed calls.
    pub failure_rate: Option<Rate>,
    /// A share of slow calls.
    pub slow_call_rate: Option<Rate>,
}

impl Trip {
    pub(super) fn rates(&self) -> impl Iterator<Item = Rate> {
        self.failure_rate.into_iter().chain(self.slow_call_rate)
    }
}

/// The endpoints that a breaker's own is one of.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    pub(super) name: Arc<str>,
    pub(super) max_open: f64,
}

impl Set {
    /// The breakers of one process that name the same set: at most the share `max_open` (0.01 to 1) of them is open at
    /// once, but one always may.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(name: &str, max_open: f64) -> Result<Self, InvalidConfig> {
        if !(0.01..=1.0).contains(&max_open) {
            return Err(InvalidConfig::OutOfRange { field: "max_open", range: "between 1% and 100%" });
        }
        Ok(Self { name: name.into(), max_open })
    }
}

/// Parameters of a breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerSpec {
    pub(crate) knob: KnobName,
    pub(super) acts: Acts,
    pub(super) trip: Trip,
    pub(super) wait: Wait,
    pub(super) budget: Budget,
    pub(super) ramp: Duration,
    pub(super) set: Option<Set>,
}

impl BreakerSpec {
    /// Default of `ramp`.
    pub const RAMP: Duration = Duration::from_secs(10);

    /// A breaker with the default waits, probes and ramp. One that judges has at least one rule that can trip it.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, acts: Acts, trip: Trip) -> Result<Self, InvalidConfig> {
        let judges = matches!(acts, Acts::Enforce | Acts::Shadow);
        if judges && trip == Trip::default() {
            return Err(InvalidConfig::NoTripRule);
        }
        if trip.consecutive.is_some_and(|count| !(1..=10_000).contains(&count)) {
            return Err(InvalidConfig::OutOfRange { field: "consecutive", range: "between 1 and 10000" });
        }
        let (wait, budget, ramp, set) = (Wait::default(), Budget::default(), Self::RAMP, None);
        Ok(Self { knob, acts, trip, wait, budget, ramp, set })
    }

    /// The latency above which calls are slow, if it has such a rule.
    pub fn watches(&self) -> Option<Duration> {
        self.trip.slow_call_rate.and_then(|rate| rate.slower_than())
    }

    /// How long it stays open.
    #[must_use]
    pub fn with_wait(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    /// What it probes with.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// How long it takes until all calls pass again: 0 to 10 min.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn with_ramp(self, ramp: Duration) -> Result<Self, InvalidConfig> {
        if ramp > Duration::from_secs(600) {
            return Err(InvalidConfig::OutOfRange { field: "ramp", range: "between 0s and 10m" });
        }
        Ok(Self { ramp, ..self })
    }

    /// The set that it is one of.
    #[must_use]
    pub fn with_set(self, set: Option<Set>) -> Self {
        Self { set, ..self }
    }
}
