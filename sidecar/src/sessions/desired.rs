//! What one session should have: the newest decisions as complete channel states.
//!
//! A level, not a queue: each tick overwrites it, and the session sends whatever it finds when it gets to send. The texts
//! of a setpoint are those of the decision that changed it; a tick that changes no value rebuilds nothing.

use std::sync::Arc;

use setpoint_policies::decision::Decision;
use setpoint_policies::knob::{KnobName, READINESS};
use setpoint_policies::lease::{Lease, OnExpiry};
use setpoint_policies::reason::{GcReason, Reason};
use setpoint_policies::spec::{Mode as PolicyMode, PolicySet};
use setpoint_policies::totals::Watch;
use setpoint_policies::value::Value;
use setpoint_proto::message::{Channel, Evidence, Mode, Setpoint, Why};

/// The complete wanted state of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Whether it is to be put in force.
    pub mode: Mode,
    /// Hash of the policy set that it comes from.
    pub revision: String,
    /// Every setpoint, by name of the knob.
    pub set: Vec<Setpoint>,
    /// What the process is to count for policies, whatever the mode; on [`Channel::Safety`] only.
    pub watched: Vec<Watch>,
}

/// The wanted state of each channel, in the order of [`Channel::ALL`]. `None`: nothing was ever wanted, so nothing is
/// sent, and what the SDK holds from an earlier sidecar runs out by its own lease.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired([Option<Arc<Wanted>>; Channel::ALL.len()]);

impl Desired {
    /// The wanted state of a channel, if there ever was one.
    pub fn channel(&self, channel: Channel) -> Option<&Arc<Wanted>> {
        self.0[channel as usize].as_ref()
    }

    /// Takes over the decisions for this session and what policies watch of it; true when anything changed.
    pub fn update(&mut self, decisions: &[&Decision], watched: &[&Watch], set: &PolicySet) -> bool {
        let mut changed = false;
        for channel in Channel::ALL {
            let mut wanted =
                decisions.iter().copied().filter(|d| self.channel_of(d) == channel).collect::<Vec<_>>();
            wanted.sort_by(|a, b| a.knob.cmp(&b.knob));
            let watched = if channel == Channel::Safety { watched } else { &[] };
            changed |= update_channel(&mut self.0[channel as usize], &wanted, watched, set);
        }
        changed
    }
}

impl Desired {
    /// The channel of a decision. A garbage-collection target that follows a shrunken limit must not wait for others; once a
    /// knob went that way it keeps to it, because a frame of the old channel without it would give it back for a moment.
    fn channel_of(&self, decision: &Decision) -> Channel {
        let shrunken = matches!(
            decision.reason,
            Reason::Gc(GcReason::LimitChanged { from, to }) if to < from
        );
        let went = |wanted: &Arc<Wanted>| wanted.value(decision.knob.as_str()).is_some();
        match Channel::of(&decision.to) {
            Channel::Runtime if shrunken || self.channel(Channel::Safety).is_some_and(went) => {
                Channel::Safety
            }
            channel => channel,
        }
    }
}

impl Wanted {
    /// Whether a frame of `self` says the same as one of `other`, reasons aside.
    pub fn same_as(&self, other: &Self) -> bool {
        let alike = |(a, b): (&Setpoint, &Setpoint)| {
            a.knob == b.knob && a.value == b.value && a.admission == b.admission && a.lease == b.lease
        };
        self.mode == other.mode
            && self.watched == other.watched
            && self.set.len() == other.set.len()
            && self.set.iter().zip(&other.set).all(alike)
    }

    /// The value wanted for a knob.
    pub fn value(&self, knob: &str) -> Option<Value> {
        self.set.iter().find(|setpoint| setpoint.knob.as_str() == knob).map(|setpoint| setpoint.value)
    }
}

fn update_channel(
    slot: &mut Option<Arc<Wanted>>,
    decisions: &[&Decision],
    watched: &[&Watch],
    set: &PolicySet,
) -> bool {
    let (decisions, mode) = match set.mode {
        PolicyMode::Enforce => (decisions, Mode::Apply),
        PolicyMode::Shadow => (decisions, Mode::Shadow),
        // Nothing is wanted: what is in force is given back to its baseline, once.
        PolicyMode::Observe => (&[][..], Mode::Apply),
    };
    let same = match slot {
        None => decisions.is_empty() && watched.is_empty(),
        Some(wanted) => {
            wanted.mode == mode
                && wanted.watched.iter().eq(watched.iter().copied())
                && says(&wanted.set, decisions, &set.lease)
        }
    };
    if !same {
        *slot = Some(Arc::new(Wanted {
            mode,
            revision: set.revision.clone(),
            set: decisions.iter().map(|decision| setpoint(decision, &set.lease)).collect(),
            watched: watched.iter().copied().cloned().collect(),
        }));
    }
    !same
}

fn says(set: &[Setpoint], decisions: &[&Decision], lease: &Lease) -> bool {
    let alike = |(s, d): (&Setpoint, &&Decision)| {
        s.knob == d.knob
            && s.value == d.to
            && s.admission.resembles(&d.admission)
            && s.lease == lease_of(&d.knob, &d.to, lease)
    };
    set.len() == decisions.len() && set.iter().zip(decisions).all(alike)
}

/// A breaker's word is worth nothing without the sidecar: it goes back to the local breaker as soon as its lease ends. Neither is
/// that a service should stay away, nor a memory budget, because what others use goes on changing; and threads move once,
/// because each move stops the world.
fn lease_of(knob: &KnobName, value: &Value, lease: &Lease) -> Lease {
    match value {
        Value::Switch(_) if knob.as_str() != READINESS => *lease,
        Value::Breaker(_) | Value::Switch(_) | Value::Gc(_) | Value::Parallelism { .. } => {
            Lease { on_expiry: OnExpiry::Baseline, ..*lease }
        }
        _ => *lease,
    }
}

fn setpoint(decision: &Decision, lease: &Lease) -> Setpoint {
    Setpoint {
        knob: decision.knob.clone(),
        value: decision.to,
        admission: decision.admission,
        lease: lease_of(&decision.knob, &decision.to, lease),
        why: Arc::new(why(decision)),
        decision_id: decision.id,
    }
}

/// The explanation that goes to the SDK.
pub fn why(decision: &Decision) -> Why {
    let evidence = decision.reason.evidence().into_iter().map(|evidence| Evidence {
        signal: evidence.signal.to_owned(),
        observed: evidence.observed,
        threshold: evidence.threshold,
        unit: evidence.unit.to_owned(),
    });
    Why {
        policy: decision.policy.to_string(),
        rule: decision.reason.rule().to_owned(),
        text: explain(decision),
        action: decision.action.name().to_owned(),
        evidence: evidence.collect(),
    }
}

/// The reason of a decision and what the guard made of the wish, as one sentence.
pub fn explain(decision: &Decision) -> String {
    match decision.guarded {
        Some(rule) => format!("{}; {rule}", decision.reason),
        None => decision.reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use setpoint_policies::admission::Admission;
    use setpoint_policies::decision::Action;
    use setpoint_policies::envelope::GcTarget;
    use setpoint_policies::knob::KnobName;
    use setpoint_policies::snapshot::InstanceId;

    use super::*;

    fn decision(value: Value, reason: Reason) -> Decision {
        Decision {
            id: 1,
            instance: InstanceId("a/1".into()),
            knob: KnobName::try_new("gc").expect("valid"),
            from: value,
            to: value,
            admission: Admission::default(),
            action: Action::Hold,
            policy: "heap".into(),
            reason,
            guarded: None,
            overruled: Vec::new(),
        }
    }

    fn enforced() -> PolicySet {
        PolicySet { mode: PolicyMode::Enforce, ..PolicySet::observe_only() }
    }

    #[test]
    fn g1_a_target_goes_by_runtime_and_after_a_shrunken_limit_by_safety_for_good() {
        let changed = |from, to| GcReason::LimitChanged { from, to }.into();
        let mut desired = Desired::default();
        let mut seen = Vec::new();
        for (mib, reason) in [
            (480_u64, Reason::Calm),
            (700, changed(512.0, 768.0)),
            (360, changed(768.0, 384.0)),
            (370, Reason::Calm),
        ] {
            let decision = decision(Value::Gc(GcTarget::budget(mib << 20)), reason);
            assert!(desired.update(&[&decision], &[], &enforced()));
            let of = |channel| desired.channel(channel).and_then(|wanted| wanted.value("gc")).is_some();
            seen.push((of(Channel::Safety), of(Channel::Runtime)));
        }
        assert_eq!(seen, [(false, true), (false, true), (true, false), (true, false)]);
    }

    #[test]
    fn w11_targets_of_a_runtime_end_with_their_lease() {
        let knob = KnobName::try_new("drain").expect("valid");
        let lease = Lease::default();
        let threads = Value::Parallelism { threads: 2, blocking_threads: None };
        for value in [Value::Gc(GcTarget::budget(1 << 20)), threads] {
            assert_eq!(lease_of(&knob, &value, &lease).on_expiry, OnExpiry::Baseline);
        }
        assert_eq!(lease_of(&knob, &Value::Concurrency(1.0), &lease), lease);
    }
}
