//! Holds new work back when tasks pile up, and lets it in again on probation.
//!
//! Tasks (of tokio, goroutines) that never end show in nothing else until memory or the scheduler gives out. The field rule is
//! kept word for word: a sample every 5 s; more than 1.5 times the baseline in 3 samples in a row trips; new work is rejected
//! for 60 s while health checks and traces pass (whatever the SDK's layer exempts); stacks are dumped once, in the SDK, which knows
//! this rule by its name; then a few calls are let through and decide.
//!
//! Two additions keep it from harming a healthy service. The baseline is the median of calm samples of the last ten minutes; samples
//! over the threshold, and all while it is tripped, are not learnt. And a service that has three tasks may have five: the count must also
//! be `floor` above the baseline. Tasks that calls in flight explain are taken off first (`per_call`), since
//! a surge of traffic is the limiter's affair. If tasks are still many after a probe that went well (they are stuck, and no
//! more come), that number is the new baseline: a guard that never let go would be worse than the leak.
//!
//! Inputs: [`Signal::Tasks`], counters of the limiter of the same resource. Output: what the breaker should do; nothing in
//! calm times.
//!
//! | state | until | then |
//! |---|---|---|
//! | closed | `in_a_row` samples above `factor` x baseline and above baseline + `floor` | open |
//! | open | `hold` is over | half_open |
//! | half_open | a call failed or hangs, or tasks grew by more than `floor` | open |
//! | half_open | 3 calls succeeded (or all of the few that came, after `hold`), and a sample was taken | closed |
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `every` | 5 s | 1 s to 1 min | slower, surer | faster, noisier |
//! | `factor` | 1.5 | 1.1 to 100 | trips later | trips earlier |
//! | `in_a_row` | 3 | 1 to 20 samples | surer | faster |
//! | `hold` | 60 s | 1 s to 1 h | more relief | faster recovery |
//! | `floor` | 100 | 0 to 1,000,000 tasks | ignores small processes | watches small processes |
//! | `per_call` | 1 | 0 to 100 tasks | ignores surges of traffic | 0: the raw count |
//!
//! Failure modes: without samples or counters it holds ten seconds and then gives the breaker back, as if closed; what it has
//! learnt stays. A sidecar that restarts probes at once and needs a minute to know the baseline. A leak slower than 1.5 times in five
//! minutes moves the median along: that is what `task_trend` is for.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Alert, Severity};
use crate::decision::Action;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{GuardReason, Reason};
use crate::signal::Signal;
use crate::spec::Controller;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::{Breaker, Value};

mod baseline;
mod parameters;
mod probing;
#[cfg(test)]
mod tests;

use baseline::Baseline;
pub use parameters::TaskLeak;
use probing::{Calls, Probing};

const STALE_AFTER: Duration = Duration::from_secs(2);
/// Successful calls that close.
const PROBES: u64 = 3;
/// Probes in a round: the samples decide, not their number.
const PROBES_MOST: u32 = 1000;
/// Probes in flight at once.
const PROBE_MAX: u32 = 2;

#[derive(Debug, Clone)]
enum State {
    Closed,
    Open { until: Timestamp },
    HalfOpen(Probing),
}

/// The guard at work.
#[derive(Debug)]
pub struct TaskLeakPolicy {
    spec: TaskLeak,
    /// `None` until the first step.
    state: Option<State>,
    baseline: Baseline,
    sampled_at: Option<Timestamp>,
    /// The newest sample.
    tasks: f64,
    /// Samples in a row that were too high.
    hits: u32,
    /// Why it is not closed.
    trouble: Option<GuardReason>,
    /// Counts rounds of probes.
    round: u32,
}

impl TaskLeakPolicy {
    /// A guard that knows nothing yet.
    pub fn new(spec: TaskLeak) -> Self {
        Self {
            spec,
            state: None,
            baseline: Baseline::default(),
            sampled_at: None,
            tasks: 0.0,
            hits: 0,
            trouble: None,
            round: 0,
        }
    }

    /// Counters and a sample, if one is due.
    ///
    /// # Errors
    /// The proposal to make when something is unknown.
    fn look(&mut self, seen: &Seen<'_>) -> Result<(Arc<Totals>, bool), Proposal> {
        let totals = Arc::clone(seen.fresh_totals(STALE_AFTER)?);
        let tasks = seen.fresh(Signal::Tasks, STALE_AFTER)?;
        let due = self.sampled_at.is_none_or(|last| seen.now.since(last) >= self.spec.every);
        if due {
            self.sampled_at = Some(seen.now);
            let in_flight = u32::try_from(totals.in_flight()).map_or(0.0, f64::from);
            self.tasks = (tasks - self.spec.per_call * in_flight).max(0.0);
        }
        Ok((totals, due))
    }

    /// A predecessor's open breaker is not taken over: a few calls tell whether it is still needed.
    fn first(&self, seen: &Seen<'_>, totals: &Arc<Totals>) -> State {
        match seen.in_force {
            Value::Breaker(Breaker::Open { .. } | Breaker::HalfOpen { .. }) => {
                State::HalfOpen(Probing::new(seen.now, Arc::clone(totals), self.tasks))
            }
            _ => State::Closed,
        }
    }

    fn closed(&mut self, now: Timestamp, sampled: bool) -> Proposal {
        let calm = |reason: Reason| Proposal::new(Want::Anything, Action::Hold, reason);
        let measuring = Reason::Measuring { samples: self.baseline.samples() as u64 };
        if sampled {
            let usual = self.baseline.usual();
            let too_many = usual.filter(|usual| self.tasks > self.spec.threshold(*usual));
            let Some(usual) = too_many else {
                self.hits = 0;
                self.baseline.learn(self.tasks);
                return calm(usual.map_or(measuring, |_| Reason::Calm));
            };
            self.hits += 1;
            if self.hits >= self.spec.in_a_row {
                let (tasks, threshold) = (self.tasks, self.spec.threshold(usual));
                return self.open(now, GuardReason::TaskLeak { tasks, threshold, baseline: usual });
            }
        }
        calm(self.baseline.usual().map_or(measuring, |_| Reason::Calm))
    }

    fn open(&mut self, now: Timestamp, trouble: GuardReason) -> Proposal {
        self.state = Some(State::Open { until: now + self.spec.hold });
        self.trouble = Some(trouble);
        self.hits = 0;
        let open = Value::Breaker(Breaker::Open { retry_after: self.spec.hold });
        Proposal::new(Want::Set(open), Action::Decrease, trouble)
    }

    fn waiting(&mut self, now: Timestamp, until: Timestamp, totals: &Arc<Totals>) -> Proposal {
        if let Some(trouble) = self.trouble.filter(|_| now < until) {
            return Proposal::hold(trouble);
        }
        self.round = self.round.wrapping_add(1);
        self.half_open(Probing::new(now, Arc::clone(totals), self.tasks), 0)
    }

    fn half_open(&mut self, probing: Probing, successes: u64) -> Proposal {
        self.state = Some(State::HalfOpen(probing));
        let value = Value::Breaker(Breaker::HalfOpen {
            round: self.round,
            probe_max: PROBE_MAX,
            probe_total: PROBES_MOST,
            deadline: self.spec.hold,
        });
        let reason = GuardReason::TasksProbed { tasks: self.tasks, successes, needed: PROBES };
        self.trouble = Some(reason);
        Proposal::new(Want::Set(value), Action::Probe, reason)
    }

    fn probing(
        &mut self,
        now: Timestamp,
        mut probing: Probing,
        totals: &Arc<Totals>,
        sampled: bool,
    ) -> Proposal {
        let calls = probing.calls(now, totals, PROBES, self.spec.hold);
        if calls == Calls::Failed || self.tasks > probing.tasks + self.spec.floor {
            let (tasks, began) = (self.tasks, probing.tasks);
            return self.open(now, GuardReason::TasksProbeFailed { tasks, began });
        }
        match calls {
            Calls::Succeeded if sampled => self.close(),
            Calls::Few { successes } => self.half_open(probing, successes),
            _ => self.half_open(probing, PROBES),
        }
    }

    fn close(&mut self) -> Proposal {
        (self.state, self.trouble, self.hits) = (Some(State::Closed), None, 0);
        if self.baseline.usual().is_some_and(|usual| self.tasks > self.spec.threshold(usual)) {
            self.baseline.accept(self.tasks);
        }
        let reason = GuardReason::TasksProbeSucceeded { tasks: self.tasks };
        Proposal::new(Want::Anything, Action::Increase, reason)
    }
}

impl Policy for TaskLeakPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let (totals, sampled) = match self.look(seen) {
            Ok(look) => look,
            Err(unknown) => {
                if unknown.want == Want::Release {
                    (self.state, self.trouble, self.hits) = (Some(State::Closed), None, 0);
                }
                return unknown;
            }
        };
        let state = match self.state.take() {
            Some(state) => state,
            None => self.first(seen, &totals),
        };
        self.state = Some(state.clone());
        match state {
            State::Closed => self.closed(seen.now, sampled),
            State::Open { until } => self.waiting(seen.now, until, &totals),
            State::HalfOpen(probing) => self.probing(seen.now, probing, &totals, sampled),
        }
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::TaskLeak(spec) = controller else { return false };
        self.spec = spec.clone();
        true
    }

    fn is_safety(&self) -> bool {
        true
    }

    fn alert(&self) -> Option<Alert> {
        self.trouble.map(|reason| Alert { severity: Severity::Critical, reason: reason.into() })
    }

    fn wake_at(&self) -> Option<Timestamp> {
        match self.state {
            Some(State::Open { until }) => Some(until),
            _ => None,
        }
    }
}
