//! Knobs, and their coming and going.

use std::time::Duration;

use setpoint_policies::knob::{InvalidKnob, Kind, Knob, Restrictive};

use super::field::{self, At, Trouble, Under};
use super::{BadField, Problem};
use crate::bounds;
use crate::message::KnobUpdate;
use crate::v1;

/// What an apply costs: an atomic store or a short callback. Dearer kinds come with the runtime targets.
const CHEAP: u32 = 1;

pub(super) fn knobs(list: &str, wire: &[v1::Knob]) -> Result<field::Known<Knob>, BadField> {
    field::known(list, wire, |knob| &knob.name, knob)
}

pub(super) fn update(wire: &v1::KnobUpdate) -> Result<KnobUpdate, BadField> {
    let (add, unsupported) = knobs("add", &wire.add)?;
    Ok(KnobUpdate { add, unsupported, remove: field::names(&wire.remove, "remove")? })
}

fn knob(wire: &v1::Knob) -> Result<Knob, Trouble> {
    let knob = Knob {
        name: field::name(&wire.name).at("name")?,
        kind: kind(wire.kind).at("kind")?,
        unit: field::text(&wire.unit, bounds::STRING_BYTES).at("unit")?,
        min: field::finite(wire.min).at("min")?,
        max: field::finite(wire.max).at("max")?,
        step: field::finite(wire.step).at("step")?,
        baseline: field::finite(wire.baseline).at("baseline")?,
        restrictive: restrictive(wire.restrictive)?,
        max_change_ratio: field::finite(wire.max_change_ratio).at("max_change_ratio")?,
        min_dwell: field::duration_or(wire.min_dwell.as_ref(), Duration::ZERO).at("min_dwell")?,
        deadline: field::duration(wire.deadline.as_ref()).at("deadline")?,
        hot: wire.hot,
    };
    knob.checked().map_err(|invalid| Problem::InvalidKnob(invalid).under(culprit(invalid)).into())
}

/// The field to look at first when a rule is broken.
fn culprit(invalid: InvalidKnob) -> &'static str {
    match invalid {
        InvalidKnob::Bounds | InvalidKnob::NegativeLimit => "min",
        InvalidKnob::Baseline => "baseline",
        InvalidKnob::Step => "step",
        InvalidKnob::MaxChangeRatio => "max_change_ratio",
        InvalidKnob::Deadline => "deadline",
        _ => "name",
    }
}

fn kind(wire: i32) -> Result<Kind, Trouble> {
    use v1::knob::Kind as Wire;
    Ok(match Wire::try_from(wire) {
        Ok(Wire::Unspecified) => return Err(Problem::Missing.into()),
        Ok(Wire::ConcurrencyLimit) => Kind::ConcurrencyLimit,
        Ok(Wire::RateLimit) => Kind::RateLimit,
        Ok(Wire::QueueLimit) => Kind::QueueLimit,
        Ok(Wire::Breaker) => Kind::Breaker,
        Ok(Wire::GcTarget) => Kind::GcTarget,
        Ok(Wire::MemoryLimit) => Kind::MemoryLimit,
        Ok(Wire::Parallelism) => Kind::Parallelism,
        Ok(Wire::PoolSize) => Kind::PoolSize,
        Ok(Wire::TimeoutMs) => Kind::TimeoutMs,
        Ok(Wire::Sampling) => Kind::Sampling,
        Ok(Wire::Numeric) => Kind::Numeric,
        Ok(Wire::Switch) => Kind::Switch,
        Err(_) => return Err(Trouble::Unsupported(format!("kind {wire} is not known to this build"))),
    })
}

fn restrictive(wire: i32) -> Result<Restrictive, Trouble> {
    use v1::knob::Restrictive as Wire;
    Ok(match Wire::try_from(wire) {
        Ok(Wire::Neither) => Restrictive::Neither,
        Ok(Wire::Lower) => Restrictive::Lower,
        Ok(Wire::Higher) => Restrictive::Higher,
        Err(_) => {
            return Err(Trouble::Unsupported(format!("restrictive {wire} is not known to this build")));
        }
    })
}

pub(super) fn encode(knob: &Knob) -> v1::Knob {
    v1::Knob {
        name: knob.name.as_str().to_owned(),
        kind: encode_kind(knob.kind).into(),
        unit: field::short(&knob.unit),
        min: knob.min,
        max: knob.max,
        step: knob.step,
        baseline: knob.baseline,
        restrictive: encode_restrictive(knob.restrictive).into(),
        max_change_ratio: knob.max_change_ratio,
        min_dwell: field::encode_duration(knob.min_dwell),
        hot: knob.hot,
        apply_cost: CHEAP,
        deadline: knob.deadline.and_then(field::encode_duration),
    }
}

pub(super) fn encode_update(update: &KnobUpdate) -> v1::KnobUpdate {
    v1::KnobUpdate {
        add: update.add.iter().map(encode).collect(),
        remove: update.remove.iter().map(|name| name.as_str().to_owned()).collect(),
    }
}

fn encode_kind(kind: Kind) -> v1::knob::Kind {
    use v1::knob::Kind as Wire;
    match kind {
        Kind::ConcurrencyLimit => Wire::ConcurrencyLimit,
        Kind::RateLimit => Wire::RateLimit,
        Kind::QueueLimit => Wire::QueueLimit,
        Kind::Breaker => Wire::Breaker,
        Kind::GcTarget => Wire::GcTarget,
        Kind::MemoryLimit => Wire::MemoryLimit,
        Kind::Parallelism => Wire::Parallelism,
        Kind::PoolSize => Wire::PoolSize,
        Kind::TimeoutMs => Wire::TimeoutMs,
        Kind::Sampling => Wire::Sampling,
        Kind::Numeric => Wire::Numeric,
        Kind::Switch => Wire::Switch,
    }
}

fn encode_restrictive(restrictive: Restrictive) -> v1::knob::Restrictive {
    match restrictive {
        Restrictive::Neither => v1::knob::Restrictive::Neither,
        Restrictive::Lower => v1::knob::Restrictive::Lower,
        Restrictive::Higher => v1::knob::Restrictive::Higher,
    }
}
