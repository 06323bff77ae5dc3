//! One setpoint: its lease and its reason. The value is in [`super::value`].

use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::lease::{Lease, OnExpiry};

use super::field::{self, At, Trouble};
use super::{BadField, Problem, admission, value};
use crate::bounds;
use crate::message::{Evidence, Setpoint, Why};
use crate::v1;

pub(super) fn setpoint(wire: &v1::Setpoint) -> Result<Setpoint, Trouble> {
    Ok(Setpoint {
        knob: field::name(&wire.knob).at("knob")?,
        value: value::value(wire.value.as_ref())?,
        admission: admission::admission(wire.value.as_ref())?,
        lease: wire.lease.as_ref().map(lease).transpose().at("lease")?.unwrap_or_default(),
        why: Arc::new(wire.reason.as_ref().map(why).transpose().at("reason")?.unwrap_or_default()),
        decision_id: wire.decision_id,
    })
}

fn lease(wire: &v1::Lease) -> Result<Lease, Trouble> {
    use v1::lease::OnExpiry as Wire;
    let default = Lease::default();
    let ttl = field::duration_or(wire.ttl.as_ref(), default.ttl).at("ttl")?;
    if ttl == Duration::ZERO {
        return Err(Problem::OutOfRange("above 0")).at("ttl").map_err(Trouble::from);
    }
    let safe = field::finite(wire.safe_value).at("safe_value")?;
    let on_expiry = match Wire::try_from(wire.on_expiry) {
        Ok(Wire::HoldThenDecay) => OnExpiry::HoldThenDecay,
        Ok(Wire::Baseline) => OnExpiry::Baseline,
        Ok(Wire::Safe) => OnExpiry::Safe(safe),
        Ok(Wire::Keep) => OnExpiry::Keep,
        Err(_) => {
            return Err(Trouble::Unsupported(format!(
                "on_expiry {} is not known to this build",
                wire.on_expiry
            )));
        }
    };
    let hold = field::duration_or(wire.hold.as_ref(), default.hold).at("hold")?;
    let decay = field::duration_or(wire.decay.as_ref(), default.decay).at("decay")?;
    Ok(Lease { ttl, hold, decay, on_expiry })
}

fn why(wire: &v1::Reason) -> Result<Why, BadField> {
    field::count(wire.evidence.len(), bounds::EVIDENCE).at("evidence")?;
    let evidence = wire.evidence.iter().enumerate().map(|(i, entry)| evidence(entry).at_index("evidence", i));
    Ok(Why {
        policy: field::text(&wire.policy, bounds::STRING_BYTES).at("policy")?,
        rule: field::text(&wire.rule, bounds::STRING_BYTES).at("rule")?,
        text: field::text(&wire.text, bounds::TEXT_BYTES).at("text")?,
        action: field::text(&wire.action, bounds::STRING_BYTES).at("action")?,
        evidence: evidence.collect::<Result<_, _>>()?,
    })
}

fn evidence(wire: &v1::Evidence) -> Result<Evidence, BadField> {
    Ok(Evidence {
        signal: field::text(&wire.signal, bounds::STRING_BYTES).at("signal")?,
        observed: field::finite(wire.observed).at("observed")?,
        threshold: field::finite(wire.threshold).at("threshold")?,
        unit: field::text(&wire.unit, bounds::STRING_BYTES).at("unit")?,
    })
}

pub(super) fn encode(setpoint: &Setpoint) -> v1::Setpoint {
    v1::Setpoint {
        knob: setpoint.knob.as_str().to_owned(),
        value: Some(admission::encode(&setpoint.admission, value::encode(&setpoint.value))),
        lease: Some(encode_lease(&setpoint.lease)),
        reason: Some(encode_why(&setpoint.why)),
        decision_id: setpoint.decision_id,
    }
}

fn encode_lease(lease: &Lease) -> v1::Lease {
    use v1::lease::OnExpiry as Wire;
    let (on_expiry, safe_value) = match lease.on_expiry {
        OnExpiry::HoldThenDecay => (Wire::HoldThenDecay, 0.0),
        OnExpiry::Baseline => (Wire::Baseline, 0.0),
        OnExpiry::Safe(safe) => (Wire::Safe, safe),
        OnExpiry::Keep => (Wire::Keep, 0.0),
    };
    v1::Lease {
        ttl: field::encode_duration(lease.ttl),
        on_expiry: on_expiry.into(),
        hold: field::encode_duration(lease.hold),
        decay: field::encode_duration(lease.decay),
        safe_value,
    }
}

/// The wire form of an explanation.
pub fn encode_why(why: &Why) -> v1::Reason {
    let sayable = |entry: &&Evidence| entry.observed.is_finite() && entry.threshold.is_finite();
    let evidence = why.evidence.iter().filter(sayable).take(bounds::EVIDENCE).map(|entry| v1::Evidence {
        signal: field::short(&entry.signal),
        observed: entry.observed,
        threshold: entry.threshold,
        unit: field::short(&entry.unit),
        ..Default::default()
    });
    v1::Reason {
        policy: field::short(&why.policy),
        rule: field::short(&why.rule),
        text: field::clip(&why.text, bounds::TEXT_BYTES),
        evidence: evidence.collect(),
        action: field::short(&why.action),
    }
}
