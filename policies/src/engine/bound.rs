//! One knob of one process and the policies that name it.

use std::sync::Arc;
use std::time::Duration;

use crate::admission::Admission;
use crate::alert::Alert;
use crate::arbiter::{self, Verdict};
use crate::claim::{Claim, Others};
use crate::controllers::adaptive_concurrency::AdaptiveConcurrencyPolicy;
use crate::controllers::adaptive_rate::AdaptiveRatePolicy;
use crate::controllers::breaker::{BreakerPolicy, BreakerSpec};
use crate::controllers::fixed::FixedPolicy;
use crate::controllers::gc_target::GcTargetPolicy;
use crate::controllers::gc_target::cap::HeapCapPolicy;
use crate::controllers::gc_target::drain::HeapDrainPolicy;
use crate::controllers::memory_cap::MemoryCapPolicy;
use crate::controllers::memory_ceiling::MemoryCeilingPolicy;
use crate::controllers::parallelism::ParallelismPolicy;
use crate::controllers::runtime_health::RuntimeHealthPolicy;
use crate::controllers::scheduler_cap::SchedulerCapPolicy;
use crate::controllers::slo::SloPolicy;
use crate::controllers::task_leak::TaskLeakPolicy;
use crate::controllers::task_trend::TaskTrendPolicy;
use crate::decision::{Action, Decision, Overruled};
use crate::guard::Guard;
use crate::knob::{Knob, KnobName};
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::Reason;
use crate::snapshot::{Instance, Labels, Snapshot};
use crate::spec::{Controller, PolicySet, PolicySpec};
use crate::time::Timestamp;
use crate::value::Value;

mod told;

/// A policy at work, and what it wanted last.
#[derive(Debug)]
struct Running {
    spec: PolicySpec,
    policy: Box<dyn Policy>,
    want: Want,
    /// Why it wants that: the reason of the proposal that changed the wish.
    cause: Reason,
    proposal: Proposal,
    /// Its alert, and since when it fires.
    alert: Option<(Timestamp, Alert)>,
}

impl Running {
    fn new(spec: &PolicySpec, labels: &Arc<Labels>) -> Self {
        let policy: Box<dyn Policy> = match &spec.controller {
            Controller::AdaptiveConcurrency(c) => Box::new(AdaptiveConcurrencyPolicy::new(c.clone())),
            Controller::MemoryCap(c) => Box::new(MemoryCapPolicy::new(c.clone())),
            Controller::SchedulerCap(c) => Box::new(SchedulerCapPolicy::new(c.clone())),
            Controller::Breaker(c) => Box::new(BreakerPolicy::new(BreakerSpec::clone(c))),
            Controller::TaskLeak(c) => Box::new(TaskLeakPolicy::new(c.clone())),
            Controller::TaskTrend(c) => Box::new(TaskTrendPolicy::new(c.clone())),
            Controller::RuntimeHealth(c) => Box::new(RuntimeHealthPolicy::new(c.clone())),
            Controller::Slo(c) => Box::new(SloPolicy::new(c.clone())),
            Controller::MemoryCeiling(c) => Box::new(MemoryCeilingPolicy::new(c.clone())),
            Controller::GcTarget(c) => Box::new(GcTargetPolicy::new(c.clone())),
            Controller::HeapCap(c) => Box::new(HeapCapPolicy::new(c.clone())),
            Controller::HeapDrain(c) => Box::new(HeapDrainPolicy::new(c.clone())),
            Controller::Parallelism(c) => Box::new(ParallelismPolicy::new(c.clone())),
            Controller::AdaptiveRate(c) => Box::new(AdaptiveRatePolicy::new(c.clone())),
            Controller::Fixed(c) => Box::new(FixedPolicy::new(c, Arc::clone(labels))),
        };
        Self {
            spec: spec.clone(),
            policy,
            want: Want::Anything,
            cause: Reason::Calm,
            proposal: Proposal::hold(Reason::Calm),
            alert: None,
        }
    }

    fn step(&mut self, seen: &Seen<'_>) {
        self.proposal = self.policy.step(seen);
        if self.proposal.want != Want::Hold && self.proposal.want != self.want {
            self.want = self.proposal.want;
            self.cause = self.proposal.reason;
        }
        let since = self.alert.map_or(seen.now, |(since, _)| since);
        self.alert = self.policy.alert().map(|alert| (since, alert));
    }
}

/// How the engine stands in this step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// How long it still learns.
    pub(super) learning: Duration,
    /// Whether it was itself held up a moment ago.
    pub(super) held_up: bool,
}

/// One knob of one process and the policies that name it.
#[derive(Debug)]
pub(super) struct Bound {
    since: Timestamp,
    incarnation: u64,
    labels: Arc<Labels>,
    /// The engine's newest step in which it was there.
    step: u64,
    /// Those that may move the knob come first.
    policies: Vec<Running>,
    guard: Guard,
    wanted: Value,
    changed: bool,
    capped: bool,
    /// The policy whose cap the value still comes back from.
    cap: Option<usize>,
    /// Nobody has wanted anything since the last step, so what was wanted then is long given back.
    idle: bool,
    decision_id: u64,
}

impl Bound {
    pub(super) fn new(policies: &PolicySet, now: Timestamp, instance: &Instance, knob: &Knob) -> Self {
        Self {
            since: now,
            incarnation: instance.incarnation,
            labels: Arc::clone(&instance.labels),
            step: 0,
            policies: named(policies, &knob.name).map(|spec| Running::new(spec, &instance.labels)).collect(),
            guard: Guard::default(),
            wanted: in_force(instance, knob),
            changed: true,
            capped: false,
            cap: None,
            idle: false,
            decision_id: 0,
        }
    }

    pub(super) fn has_policies(&self) -> bool {
        !self.policies.is_empty()
    }

    /// Whether the process is still the same one, and not a later life of it.
    pub(super) const fn is_of(&self, instance: &Instance) -> bool {
        instance.incarnation == self.incarnation
    }

    /// Notes that the knob was there in that step.
    pub(super) const fn see(&mut self, step: u64) {
        self.step = step;
    }

    /// Whether the knob was there in that step.
    pub(super) const fn seen_in(&self, step: u64) -> bool {
        self.step == step
    }

    pub(super) fn rebind(&mut self, policies: &PolicySet, knob: &KnobName) {
        let mut old = std::mem::take(&mut self.policies);
        self.idle |= old.is_empty();
        self.cap = None;
        for spec in named(policies, knob) {
            let kept =
                old.iter().position(|running| running.spec.name == spec.name).map(|at| old.swap_remove(at));
            let respecced = kept.and_then(|mut running| {
                let same = running.spec.controller == spec.controller;
                let fits = same || running.policy.respec(&spec.controller);
                running.spec = spec.clone();
                fits.then_some(running)
            });
            self.policies.push(respecced.unwrap_or_else(|| Running::new(spec, &self.labels)));
        }
    }

    pub(super) fn step(
        &mut self,
        seen: &Snapshot,
        instance: &Instance,
        knob: &Knob,
        now: Circumstances,
    ) -> Option<Decision> {
        let from = in_force(instance, knob);
        if std::mem::take(&mut self.idle) {
            (self.since, self.wanted, self.capped) = (seen.at, from, false);
        }
        let view = Seen {
            now: seen.at,
            since: self.since,
            knob,
            in_force: from,
            held_up: now.held_up,
            capped: self.capped,
            totals: instance.totals_of(&knob.name),
            incarnation: instance.incarnation,
            signals: &instance.signals,
            node: &seen.node,
        };
        for running in &mut self.policies {
            running.step(&view);
        }
        if self.movers().next().is_none() {
            None
        } else if now.learning.is_zero() {
            let verdict = arbiter::settle(knob, self.movers().map(|running| running.want));
            Some(self.decide(seen.at, instance, knob, from, verdict))
        } else {
            Some(self.learn(seen.at, instance, knob, from, now.learning))
        }
    }

    /// While learning only protection acts, and only to tighten what is in force; but the state of a breaker is no level
    /// that could be kept to be careful: an open one would go on rejecting on the word of a sidecar that is gone.
    fn learn(
        &mut self,
        now: Timestamp,
        instance: &Instance,
        knob: &Knob,
        from: Value,
        left: Duration,
    ) -> Decision {
        let wants = self
            .movers()
            .map(|running| if running.policy.is_safety() { running.want } else { Want::Anything })
            .collect::<Vec<_>>();
        let wished = wants.iter().any(|want| matches!(want, Want::Set(_)));
        let held = if wished && !from.is_quantity() { Want::Anything } else { Want::Set(from) };
        let safety = arbiter::settle(knob, std::iter::once(held).chain(wants).collect::<Vec<_>>());
        match safety.winner {
            Some(winner) if winner > 0 => {
                self.decide(now, instance, knob, from, Verdict { winner: Some(winner - 1), ..safety })
            }
            _ => {
                self.wanted = from;
                let mut decision = self.decision(instance, knob, from, from, 0);
                decision.action = Action::Hold;
                decision.reason = Reason::Learning { left };
                decision
            }
        }
    }

    fn decide(
        &mut self,
        now: Timestamp,
        instance: &Instance,
        knob: &Knob,
        from: Value,
        verdict: Verdict,
    ) -> Decision {
        self.capped = verdict.capped;
        let (to, guarded) = self.guard.pass(now, knob, self.wanted, verdict.value);
        // Whoever gets more because a cap let go has changed nothing: the one that let go says why.
        let deciding = self.cap.filter(|_| !verdict.capped && arbiter::tighter(knob, &self.wanted, &to));
        self.cap = if verdict.capped { verdict.winner } else { self.cap.filter(|_| to != verdict.value) };
        let deciding = deciding.or(verdict.winner).unwrap_or(0);
        let mut decision = self.decision(instance, knob, from, to, deciding);
        decision.guarded = guarded;
        decision
    }

    fn decision(&self, instance: &Instance, knob: &Knob, from: Value, to: Value, winner: usize) -> Decision {
        let overruled =
            self.movers().enumerate().filter(|(index, _)| *index != winner).map(|(_, running)| Overruled {
                policy: Arc::clone(&running.spec.name),
                allows: match running.want {
                    Want::Set(value) => Some(value.scalar()),
                    Want::AtMost(bound) => Some(bound),
                    _ => None,
                },
                reason: running.proposal.reason,
            });
        let deciding = &self.policies[winner];
        // A move is explained by what made the wish, a hold by what keeps it.
        let moves = to != self.wanted;
        Decision {
            id: 0,
            instance: instance.id.clone(),
            knob: knob.name.clone(),
            from,
            to,
            admission: self.admission(),
            action: deciding.proposal.action,
            policy: Arc::clone(&deciding.spec.name),
            reason: if moves { deciding.cause } else { deciding.proposal.reason },
            guarded: None,
            overruled: overruled.collect(),
        }
    }

    fn admission(&self) -> Admission {
        self.policies.iter().fold(Admission::default(), |known, running| known.or(running.policy.admission()))
    }

    /// Remembers what is wanted now; says whether that is something new.
    pub(super) fn note(&mut self, to: &Value) -> bool {
        let new = self.changed || self.wanted != *to;
        self.wanted = *to;
        self.changed = false;
        new
    }

    pub(super) fn decided_as(&mut self, id: u64) {
        self.decision_id = id;
    }

    pub(super) const fn decision_id(&self) -> u64 {
        self.decision_id
    }

    /// What its process claims of a memory limit.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.policies.iter().find_map(|running| running.policy.claim())
    }

    /// Tells its policies what others claim.
    pub(super) fn hear(&mut self, others: Others) {
        for running in &mut self.policies {
            running.policy.hear(others);
        }
    }

    pub(super) fn policies(&self) -> impl Iterator<Item = &dyn Policy> {
        self.policies.iter().map(|running| &*running.policy)
    }

    pub(super) fn policies_mut(&mut self) -> impl Iterator<Item = &mut Box<dyn Policy>> {
        self.policies.iter_mut().map(|running| &mut running.policy)
    }

    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.policies().filter_map(Policy::wake_at).min()
    }
}

fn named<'a>(policies: &'a PolicySet, knob: &'a KnobName) -> impl Iterator<Item = &'a PolicySpec> {
    let all = policies.policies.iter().filter(move |policy| policy.controller.knob() == knob);
    let watchers = all.clone().filter(|policy| !policy.controller.moves());
    all.filter(|policy| policy.controller.moves()).chain(watchers)
}

fn in_force(instance: &Instance, knob: &Knob) -> Value {
    instance.in_force.get(&knob.name).copied().unwrap_or_else(|| knob.baseline_value())
}
