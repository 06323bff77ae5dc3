//! One knob of one process and the policies that name it.

use std::sync::Arc;
use std::time::Duration;

use crate::arbiter;
use crate::claim::{Claim, Others};
use crate::decision::Decision;
use crate::guard::Guard;
use crate::knob::{Knob, KnobName};
use crate::policy::{Policy, Seen};
use crate::snapshot::{Instance, Labels, Snapshot};
use crate::spec::{PolicySet, PolicySpec};
use crate::time::Timestamp;
use crate::value::Value;

mod decide;
mod running;
mod told;

use running::Running;

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
