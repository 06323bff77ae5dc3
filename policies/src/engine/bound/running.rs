//! A policy at work on one knob.

use std::sync::Arc;

use crate::alert::Alert;
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
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::Reason;
use crate::snapshot::Labels;
use crate::spec::{Controller, PolicySpec};
use crate::time::Timestamp;

/// A policy at work, and what it wanted last.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) spec: PolicySpec,
    pub(super) policy: Box<dyn Policy>,
    pub(super) want: Want,
    /// Why it wants that: the reason of the proposal that changed the wish.
    pub(super) cause: Reason,
    pub(super) proposal: Proposal,
    /// Its alert, and since when it fires.
    pub(super) alert: Option<(Timestamp, Alert)>,
}

impl Running {
    /// A policy that has seen nothing yet.
    pub(super) fn new(spec: &PolicySpec, labels: &Arc<Labels>) -> Self {
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

    /// Looks at its knob once more.
    pub(super) fn step(&mut self, seen: &Seen<'_>) {
        self.proposal = self.policy.step(seen);
        if self.proposal.want != Want::Hold && self.proposal.want != self.want {
            self.want = self.proposal.want;
            self.cause = self.proposal.reason;
        }
        let since = self.alert.map_or(seen.now, |(since, _)| since);
        self.alert = self.policy.alert().map(|alert| (since, alert));
    }
}
