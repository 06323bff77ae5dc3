//! One step for everything: a snapshot in, a decision for each bound knob out.
//!
//! The engine owns no time and no I/O, so the sidecar, the simulator and embedded mode share it. Every policy runs in every
//! tick, also when another one wins, so that its windows stay truthful.
//!
//! A new engine learns first: it looks at what is in force and moves nothing for ten seconds, policies that protect the
//! service excepted. So a sidecar that restarts never makes a limit jump.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Firing;
use crate::arbiter::tighter;
use crate::claim::Claims;
use crate::decision::{Action, Decision};
use crate::knob::{Kind, Knob, KnobName, Restrictive};
use crate::policy::Policy;
use crate::snapshot::{Instance, InstanceId, Snapshot};
use crate::spec::PolicySet;
use crate::time::Timestamp;
use crate::totals::{MOST_WATCHED, Watch};

mod bound;
mod sets;

use bound::{Bound, Circumstances};

/// A new engine moves nothing for this long, protection excepted.
pub const LEARN_FOR: Duration = Duration::from_secs(10);

/// A gap between two steps that the loop did not plan: the longest tick is a second.
const HELD_UP_AFTER: Duration = Duration::from_millis(1500);
/// Reports come at least this often.
const HELD_UP_FOR: Duration = Duration::from_secs(2);

/// The result of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// One decision for each bound knob of each process, holds included: the complete desired state.
    pub decisions: Vec<Decision>,
    /// Everything that fires now. What fired before and is not here has ended.
    pub alerts: Vec<Firing>,
    /// What the processes are to count for the policies: the complete list, at most [`MOST_WATCHED`] latencies of a
    /// resource; who asks for more finds that nobody counts it.
    pub watched: Vec<(InstanceId, Watch)>,
}

/// Runs a policy set over snapshots.
#[derive(Debug)]
pub struct Engine {
    policies: Arc<PolicySet>,
    learn_until: Timestamp,
    decisions_made: u64,
    /// Counts steps.
    step: u64,
    stepped_at: Option<Timestamp>,
    held_up_until: Timestamp,
    knobs: BTreeMap<(InstanceId, KnobName), Bound>,
}

impl Engine {
    /// An engine that learns until ten seconds after `started`.
    pub const fn new(policies: Arc<PolicySet>, started: Timestamp) -> Self {
        Self::learning_for(LEARN_FOR, policies, started)
    }

    /// An engine with another learning time; zero where nothing can be in force yet, as in embedded mode.
    pub const fn learning_for(learn: Duration, policies: Arc<PolicySet>, started: Timestamp) -> Self {
        let learn_until = Timestamp::from_nanos(started.as_nanos().saturating_add(learn.as_nanos() as u64));
        Self {
            policies,
            learn_until,
            decisions_made: 0,
            step: 0,
            stepped_at: None,
            held_up_until: Timestamp::ZERO,
            knobs: BTreeMap::new(),
        }
    }

    /// The policy set that runs.
    pub const fn policies(&self) -> &Arc<PolicySet> {
        &self.policies
    }

    /// Runs another policy set from now on; policies of the same name and controller keep their state.
    pub fn replace(&mut self, policies: Arc<PolicySet>) {
        for ((_, knob), bound) in &mut self.knobs {
            bound.rebind(&policies, knob);
        }
        self.policies = policies;
    }

    /// One evaluation of every policy. Costs one policy step per policy and process; never fails.
    pub fn step(&mut self, seen: &Snapshot) -> Step {
        self.step += 1;
        self.note_hold_up(seen.at);
        self.exchange_claims();
        let (mut step, mut watched) = (Step::default(), Vec::new());
        let process = self.policies.policies.iter().any(|policy| policy.controller.knob().is_process());
        let process = process.then(self::process);
        for instance in &seen.instances {
            for knob in instance.knobs.iter().chain(&process) {
                self.step_knob(seen, instance, knob, &mut step, &mut watched);
            }
            step.watched.extend(watched.drain(..).map(|watch| (instance.id.clone(), watch)));
        }
        // Processes and knobs that were not seen are gone.
        self.knobs.retain(|_, bound| bound.seen_in(self.step));
        sets::confer(&mut self.knobs);
        step
    }

    /// Tells the policies of each process what the others under its memory limit claimed in the last step.
    fn exchange_claims(&mut self) {
        let mut claims = Claims::default();
        for ((process, _), bound) in &self.knobs {
            if let Some(claim) = bound.claim() {
                claims.add(process, claim);
            }
        }
        for ((process, _), bound) in &mut self.knobs {
            bound.hear(claims.others(process));
        }
    }

    /// After a stop of ourselves everything looks old for a moment: the reports that would say otherwise are on their way.
    fn note_hold_up(&mut self, now: Timestamp) {
        if self.stepped_at.is_some_and(|last| now.since(last) > HELD_UP_AFTER) {
            self.held_up_until = now + HELD_UP_FOR;
        }
        self.stepped_at = Some(now);
    }

    fn step_knob(
        &mut self,
        seen: &Snapshot,
        instance: &Instance,
        knob: &Arc<Knob>,
        step: &mut Step,
        watched: &mut Vec<Watch>,
    ) {
        if !knob.hot {
            return;
        }
        let key = (instance.id.clone(), knob.name.clone());
        let policies = &self.policies;
        let new = || Bound::new(policies, seen.at, instance, knob);
        let bound = self.knobs.entry(key).or_insert_with(new);
        if !bound.is_of(instance) {
            *bound = new();
        }
        bound.see(self.step);
        if !bound.has_policies() {
            return;
        }
        let learning = self.learn_until.since(seen.at);
        let circumstances = Circumstances { learning, held_up: seen.at < self.held_up_until };
        let decision = bound.step(seen, instance, knob, circumstances);
        step.alerts.extend(bound.alerts(instance, knob));
        watch(watched, knob, bound.policies().filter_map(Policy::watches));
        let Some(mut decision) = decision else { return };
        if bound.note(&decision.to) {
            self.decisions_made += 1;
            bound.decided_as(self.decisions_made);
        }
        decision.id = bound.decision_id();
        decision.action = actual(knob, &decision);
        step.decisions.push(decision);
    }

    /// When some policy wants to be stepped again, if sooner than the next tick.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.knobs.values().filter_map(Bound::wake_at).min()
    }
}

/// What policies are bound to that look at a process as a whole. Nobody moves it.
fn process() -> Arc<Knob> {
    let knob = Knob::try_new(KnobName::process(), Kind::Switch, 0.0, 1.0, 1.0);
    Arc::new(knob.expect("the bounds are in order"))
}

/// Adds what the policies of a knob watch to what is watched of its process.
fn watch(watched: &mut Vec<Watch>, knob: &Knob, wishes: impl Iterator<Item = Duration>) {
    let Some(resource) = knob.name.resource() else { return };
    for after in wishes {
        let same = watched.iter().filter(|watch| &*watch.resource == resource);
        if same.clone().count() < MOST_WATCHED && same.clone().all(|watch| watch.after != after) {
            watched.push(Watch { resource: resource.into(), after });
        }
    }
}

/// What a decision does to the knob, whatever the winner meant to do. Where no direction is restrictive, the number's counts.
fn actual(knob: &Knob, decision: &Decision) -> Action {
    match decision.action {
        Action::Probe | Action::Release => decision.action,
        _ if decision.to == decision.from => Action::Hold,
        _ if tighter(knob, &decision.to, &decision.from) => Action::Decrease,
        stated if !decision.to.is_quantity() => stated,
        _ if knob.restrictive == Restrictive::Neither && decision.to.scalar() < decision.from.scalar() => {
            Action::Decrease
        }
        _ => Action::Increase,
    }
}

#[cfg(test)]
mod tests;
