//! Opens a breaker when too many calls fail, and probes before it closes.
//!
//! The SDK trips by itself, at once, on failures in a row; this policy sees rates over windows, which one process's request
//! path cannot judge cheaply. Windows hold exact sums: an average weighted by arrival times would trip earlier the busier
//! the service is. Probing is decided by counts that no straggler can fake: a call that was in flight when probing began may
//! end in whatever way, it decides nothing.
//!
//! Inputs: counters of the limiter of the same resource. Output: what the breaker should do; closed here means that the
//! SDK's own rule decides.
//!
//! | state | until | then |
//! |---|---|---|
//! | closed | `failure_rate` above its threshold in `in_a_row` windows, or `consecutive` failures | open |
//! | open | the wait is over | half_open |
//! | half_open | one probe failed | open, wait doubled (exponential) |
//! | half_open | `probes` succeeded | closed |
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `failure_rate.above` | - | 1 % to 100 % | trips later | trips earlier |
//! | `failure_rate.window` | 10 s | 1 s to 10 min | slower, surer | faster, noisier |
//! | `failure_rate.in_a_row` | 1 | 1 to 10 windows | surer | faster |
//! | `failure_rate.minimum_calls` | 20 | 1 to 1,000,000 | ignores low traffic | judges low traffic |
//! | `consecutive` | off | 1 to 10,000 | trips later | trips earlier |
//! | `probe.*.base`, `cap` | 1 s, 30 s | 100 ms to 1 h | fewer probes | faster recovery |
//! | `probes` | 3 | 1 to 100 | surer recovery | faster recovery |
//!
//! Failure modes: without counters it holds ten seconds, then gives the breaker back to the SDK's local rule. A process
//! that restarts starts closed. Overload answers (429, 503, time-outs) count as failures here.
//! Names as in resilience4j; exact windows and stragglers that decide nothing are our answer to breakers seen to stick.

use std::sync::Arc;
use std::time::Duration;

use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{BreakerReason, Reason};
use crate::spec::{Controller, InvalidConfig};
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::{Breaker, Value};

mod rate;

pub use rate::FailureRate;
use rate::RateRule;

const STALE_AFTER: Duration = Duration::from_secs(2);
/// What it wants while closed: to say "closed" would keep the SDK's own rule from tripping at once.
const LOCAL: Want = Want::Set(Value::Breaker(Breaker::Local));
/// Probes in flight at once.
const PROBE_MAX: u32 = 2;

/// How long to wait in open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    base: Duration,
    cap: Duration,
}

impl Probe {
    /// Waits `base`, twice that after each failed probe, at most `cap`; a fixed wait has `base == cap`.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(base: Duration, cap: Duration) -> Result<Self, InvalidConfig> {
        if !(Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&base) {
            return Err(InvalidConfig::OutOfRange { field: "base", range: "between 100ms and 1h" });
        }
        if cap < base || cap > Duration::from_secs(3600) {
            return Err(InvalidConfig::Order {
                field: "cap",
                relation: "at most 1h and at least",
                other: "base",
            });
        }
        Ok(Self { base, cap })
    }

    fn wait(&self, failed_probes: u32) -> Duration {
        self.base.saturating_mul(1u32.checked_shl(failed_probes).unwrap_or(u32::MAX)).min(self.cap)
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(30) }
    }
}

/// Parameters of a breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerSpec {
    pub(crate) knob: KnobName,
    failure_rate: Option<FailureRate>,
    consecutive: Option<u64>,
    probe: Probe,
    probes: u64,
}

impl BreakerSpec {
    /// Default of `probes`.
    pub const PROBES: u64 = 3;

    /// A checked breaker with at least one rule that can trip it.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(
        knob: KnobName,
        failure_rate: Option<FailureRate>,
        consecutive: Option<u64>,
        probe: Probe,
        probes: u64,
    ) -> Result<Self, InvalidConfig> {
        if failure_rate.is_none() && consecutive.is_none() {
            return Err(InvalidConfig::NoTripRule);
        }
        if consecutive.is_some_and(|count| !(1..=10_000).contains(&count)) {
            return Err(InvalidConfig::OutOfRange { field: "consecutive", range: "between 1 and 10000" });
        }
        if !(1..=100).contains(&probes) {
            return Err(InvalidConfig::OutOfRange { field: "probes", range: "between 1 and 100" });
        }
        Ok(Self { knob, failure_rate, consecutive, probe, probes })
    }
}

#[derive(Debug, Clone)]
enum State {
    Closed {
        since: Timestamp,
    },
    Open {
        until: Timestamp,
    },
    /// The counters when probing began; what was in flight then decides nothing.
    HalfOpen {
        began: Arc<Totals>,
    },
}

impl State {
    /// Closed, unless a predecessor's word holds calls back: why it did is not known any more, but probes can tell.
    fn first(seen: &Seen<'_>, totals: &Arc<Totals>) -> Self {
        match seen.in_force {
            Value::Breaker(Breaker::Local | Breaker::Closed) => Self::Closed { since: seen.now },
            _ => Self::HalfOpen { began: Arc::clone(totals) },
        }
    }
}

/// A breaker at work.
#[derive(Debug)]
pub struct BreakerPolicy {
    spec: BreakerSpec,
    state: Option<State>,
    rate: Option<RateRule>,
    failed_probes: u32,
    incarnation: u64,
}

impl BreakerPolicy {
    /// A closed breaker.
    pub fn new(spec: BreakerSpec) -> Self {
        let rate = spec.failure_rate.map(RateRule::new);
        Self { spec, state: None, rate, failed_probes: 0, incarnation: 0 }
    }

    fn restart_with(&mut self, seen: &Seen<'_>) {
        if self.incarnation != seen.incarnation {
            *self = Self { incarnation: seen.incarnation, ..Self::new(self.spec.clone()) };
        }
    }

    fn closed(&mut self, now: Timestamp, since: Timestamp, totals: &Arc<Totals>) -> Proposal {
        let wait_seen = self.spec.probe.wait(self.failed_probes);
        if self.failed_probes > 0 && now.since(since) >= wait_seen.max(Duration::from_secs(10)) {
            // A clean while in closed forgives one failed probe, not all: else a flapping callee is hammered.
            self.failed_probes -= 1;
            self.state = Some(State::Closed { since: now });
        }
        let in_a_row = self.spec.consecutive.filter(|threshold| totals.consecutive_failures >= *threshold);
        let tripped = in_a_row
            .map(|threshold| BreakerReason::ConsecutiveFailures {
                count: totals.consecutive_failures,
                threshold,
            })
            .or_else(|| self.rate.as_mut()?.judge(totals));
        match tripped {
            Some(reason) => self.open(now, reason),
            None => Proposal::new(LOCAL, Action::Hold, Reason::Calm),
        }
    }

    fn open(&mut self, now: Timestamp, reason: BreakerReason) -> Proposal {
        let wait = self.spec.probe.wait(self.failed_probes);
        self.state = Some(State::Open { until: now + wait });
        let open = Value::Breaker(Breaker::Open { retry_after: wait });
        Proposal::new(Want::Set(open), Action::Decrease, reason)
    }

    fn waiting(&mut self, now: Timestamp, until: Timestamp, totals: &Arc<Totals>) -> Proposal {
        if now < until {
            return Proposal::hold(BreakerReason::WaitInOpen { left: until.since(now) });
        }
        self.state = Some(State::HalfOpen { began: Arc::clone(totals) });
        self.half_open(0)
    }

    fn half_open(&self, successes: u64) -> Proposal {
        let value = Value::Breaker(Breaker::HalfOpen { probe_ratio: 1.0, probe_max: PROBE_MAX });
        let reason = BreakerReason::Probing { successes, needed: self.spec.probes };
        Proposal::new(Want::Set(value), Action::Probe, reason)
    }

    fn probing(&mut self, now: Timestamp, began: &Totals, totals: &Arc<Totals>) -> Proposal {
        let since = |pick: fn(&Totals) -> u64| pick(totals).wrapping_sub(pick(began));
        if since(|t| t.admitted) == 0 {
            // Whatever ended so far was in flight before: one straggler less to reckon with.
            self.state = Some(State::HalfOpen { began: Arc::clone(totals) });
            return self.half_open(0);
        }
        let stragglers = began.in_flight();
        let successes = since(|t| t.completed).saturating_sub(stragglers);
        let failures = since(|t| t.dropped.wrapping_add(t.failed)).saturating_sub(stragglers);
        if failures > 0 {
            self.failed_probes = self.failed_probes.saturating_add(1);
            return self.open(now, BreakerReason::ProbeFailed);
        }
        if successes < self.spec.probes {
            return self.half_open(successes);
        }
        self.rate = self.spec.failure_rate.map(RateRule::new);
        self.state = Some(State::Closed { since: now });
        Proposal::new(LOCAL, Action::Increase, BreakerReason::Recovered)
    }
}

impl Policy for BreakerPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        self.restart_with(seen);
        let totals = match seen.fresh_totals(STALE_AFTER) {
            Ok(totals) => totals,
            Err(unknown) => {
                if unknown.want == Want::Release {
                    // The local rule decides from here on; what it let through proves nothing about our last state.
                    self.state = None;
                    self.rate = self.spec.failure_rate.map(RateRule::new);
                }
                return unknown;
            }
        };
        let state = self.state.get_or_insert_with(|| State::first(seen, totals)).clone();
        match state {
            State::Closed { since } => self.closed(seen.now, since, totals),
            State::Open { until } => self.waiting(seen.now, until, totals),
            State::HalfOpen { began } => self.probing(seen.now, &began, totals),
        }
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::Breaker(spec) = controller else { return false };
        if spec.failure_rate != self.spec.failure_rate {
            self.rate = spec.failure_rate.map(RateRule::new);
        }
        self.spec = spec.clone();
        true
    }

    fn is_safety(&self) -> bool {
        true
    }

    fn wake_at(&self) -> Option<Timestamp> {
        match self.state {
            Some(State::Open { until }) => Some(until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
