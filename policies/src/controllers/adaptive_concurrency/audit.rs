//! How a baseline that is wrong is found out, when no decrease does it.
//!
//! A baseline that was learned under load is too high, and then nothing ever looks like a queue: every half minute of
//! saturation a brief cut measures it again. The other way round, at its minimum the limit cannot be cut to see whether
//! latency follows: there latency that stays is accepted as the floor.

use std::time::Duration;

use super::{AdaptiveConcurrencyPolicy, Baseline, Sample};
use crate::decision::Action;
use crate::policy::{Proposal, Seen};
use crate::reason::Reason;
use crate::time::Timestamp;

const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// A brief cut to measure the baseline again.
#[derive(Debug)]
pub(super) struct Audit {
    restore: f64,
}

impl AdaptiveConcurrencyPolicy {
    pub(super) fn audit_is_due(&self, seen: &Seen<'_>) -> bool {
        // +-20 % by instance, so that a fleet does not audit at once.
        let spread = 0.8 + 0.4 * (seen.incarnation % 1000) as f64 / 1000.0;
        let for_long = |at: Option<Timestamp>, long: Duration| at.is_none_or(|at| seen.now.since(at) > long);
        self.pace
            .saturated_since
            .is_some_and(|at| seen.now.since(at) > Duration::from_secs(20).mul_f64(spread))
            && for_long(self.pace.verified_at, AUDIT_EVERY.mul_f64(spread))
    }

    pub(super) fn start_audit(&mut self, now: Timestamp, in_force: f64, sample: &Sample) -> Proposal {
        self.audit = Some(Audit { restore: in_force });
        self.limit = self.bounded((0.7 * sample.window.mean_in_flight).min(in_force));
        self.settle(now, sample.latency);
        self.want(Action::Probe, Reason::Audit)
    }

    pub(super) fn finish_audit(
        &mut self,
        now: Timestamp,
        audit: &Audit,
        baseline: Baseline,
        sample: &Sample,
    ) -> Proposal {
        self.pace.verified_at = Some(now);
        self.baseline = Some(baseline.audited(sample));
        self.limit = self.bounded(audit.restore);
        self.settle(now, sample.latency);
        self.want(Action::Increase, Reason::Audit)
    }

    /// Whether neither policy nor knob allow a cut.
    pub(super) fn is_at_minimum(&self, seen: &Seen<'_>) -> bool {
        seen.in_force.scalar() <= self.spec.min.max(seen.knob.min)
    }

    pub(super) fn experiment_is_stale(&self, now: Timestamp) -> bool {
        self.experiment.as_ref().is_some_and(|experiment| experiment.is_stale(now))
    }

    /// At its minimum the limit cannot be cut to see whether latency follows. But the owner says that so few calls make no
    /// queue, so latency that stays for as long as an experiment may take is the floor: else the limit would stay there.
    pub(super) fn accept_floor(
        &mut self,
        now: Timestamp,
        in_force: f64,
        baseline: Baseline,
        sample: &Sample,
    ) -> Proposal {
        self.pace.verified_at = Some(now);
        self.experiment = None;
        self.baseline = Some(Baseline { latency: sample.latency, in_flight: sample.window.mean_in_flight });
        self.limit = self.bounded(in_force);
        self.hold(Reason::FloorMoved { before_seconds: baseline.latency, now_seconds: sample.latency })
    }
}
