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

use crate::arbiter::tighter;
use crate::decision::{Action, Decision};
use crate::knob::{Knob, KnobName};
use crate::policy::Policy;
use crate::snapshot::{Instance, InstanceId, Snapshot};
use crate::spec::PolicySet;
use crate::time::Timestamp;
use crate::totals::{MOST_WATCHED, Watch};
use crate::value::Value;

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
        let (mut step, mut watched) = (Step::default(), Vec::new());
        for instance in &seen.instances {
            for knob in &instance.knobs {
                step.decisions.extend(self.step_knob(seen, instance, knob, &mut watched));
            }
            step.watched.extend(watched.drain(..).map(|watch| (instance.id.clone(), watch)));
        }
        // Processes and knobs that were not seen are gone.
        self.knobs.retain(|_, bound| bound.seen_in(self.step));
        sets::confer(&mut self.knobs);
        step
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
        watched: &mut Vec<Watch>,
    ) -> Option<Decision> {
        if !knob.hot {
            return None;
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
            return None;
        }
        let learning = self.learn_until.since(seen.at);
        let mut decision = bound.step(
            seen,
            instance,
            knob,
            Circumstances { learning, held_up: seen.at < self.held_up_until },
        );
        watch(watched, knob, bound.policies().filter_map(Policy::watches));
        if bound.note(&decision.to) {
            self.decisions_made += 1;
            bound.decided_as(self.decisions_made);
        }
        decision.id = bound.decision_id();
        decision.action = actual(knob, &decision);
        Some(decision)
    }

    /// When some policy wants to be stepped again, if sooner than the next tick.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.knobs.values().filter_map(Bound::wake_at).min()
    }
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

/// What a decision does to the knob, whatever the winner meant to do.
fn actual(knob: &Knob, decision: &Decision) -> Action {
    let quantity = matches!(decision.to, Value::Concurrency(_) | Value::Number(_) | Value::Rate { .. });
    match decision.action {
        Action::Probe | Action::Release => decision.action,
        _ if decision.to == decision.from => Action::Hold,
        _ if tighter(knob, &decision.to, &decision.from) => Action::Decrease,
        stated if !quantity => stated,
        _ => Action::Increase,
    }
}

#[cfg(test)]
mod tests;
