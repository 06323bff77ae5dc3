//! Where a knob should go now: a pure function of what was pushed to it, how old that is, and what it had under a lease.
//!
//! Nothing here moves or remembers anything, so it can be asked at every tick.

use std::sync::Arc;

use setpoint_policies::admission::Admission;
use setpoint_policies::knob::Knob;
use setpoint_policies::lease::{OnExpiry, Phase};
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;
use setpoint_proto::message::{Channel, Version, Why};

use super::lease::LeaseClock;

/// A decay moves in so many steps: an owner's callback is not called twenty times a second for a minute.
const DECAY_STEPS: f64 = 100.0;

/// What the sidecar wants of a knob.
#[derive(Debug, Clone)]
pub(super) struct Push {
    pub(super) channel: Channel,
    pub(super) version: Version,
    pub(super) wanted: Value,
    pub(super) admission: Admission,
    pub(super) lease: LeaseClock,
    pub(super) why: Arc<Why>,
}

/// Where the knob should go now.
pub(super) enum Goal {
    /// What the sidecar wants, under a lease.
    Leased(Push),
    /// To the baseline, because no frame names the knob any more.
    Released,
    /// Where the end of the lease leads.
    Expired(Value),
}

impl Goal {
    /// Where `push` leads at this time; `leased` is what the knob took last under a lease, where a decay starts.
    pub(super) fn of(push: Option<&Push>, knob: &Knob, leased: &Value, at: Timestamp) -> Self {
        let Some(push) = push else { return Self::Released };
        let baseline = knob.baseline_value();
        match (push.lease.phase(at), push.lease.lease().on_expiry) {
            (Phase::Valid | Phase::Held, _) => Self::Leased(push.clone()),
            (Phase::Decaying(share), _) if leased.is_quantity() => {
                let share = (share * DECAY_STEPS).floor() / DECAY_STEPS;
                let (from, to) = (leased.scalar(), baseline.scalar());
                Self::Expired(fitted(knob, &leased.with_scalar(from + (to - from) * share)))
            }
            (Phase::Over, OnExpiry::Safe(safe)) => Self::Expired(fitted(knob, &leased.with_scalar(safe))),
            _ => Self::Expired(baseline),
        }
    }
}

/// Within the knob's bounds and on its quantum.
pub(super) fn fitted(knob: &Knob, wanted: &Value) -> Value {
    match knob.fit(wanted.scalar()) {
        Some(fitted) if wanted.is_quantity() => wanted.with_scalar(fitted),
        _ => *wanted,
    }
}
