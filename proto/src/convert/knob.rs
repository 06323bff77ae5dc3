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
    if wire == v1::knob::Kind::Unspecified as i32 {
        return Err(Problem::Missing.into());
    }
    let known = Kind::ALL.into_iter().find(|kind| encode_kind(*kind) as i32 == wire);
    known.ok_or_else(|| Trouble::Unsupported(format!("kind {wire} is not known to this build")))
}

fn restrictive(wire: i32) -> Result<Restrictive, Trouble> {
    let known = Restrictive::ALL.into_iter().find(|direction| encode_restrictive(*direction) as i32 == wire);
    known.ok_or_else(|| Trouble::Unsupported(format!("restrictive {wire} is not known to this build")))
}

/// The wire form of a knob.
pub fn encode(knob: &Knob) -> v1::Knob {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_contract_are_those_of_the_domain_in_capitals() {
        use v1::knob as wire;
        let kinds = (1..).map_while(|number| wire::Kind::try_from(number).ok());
        let words: Vec<_> = kinds.map(|kind| kind.as_str_name().to_lowercase()).collect();
        assert_eq!(words, Kind::ALL.map(Kind::name));
        let directions = (0..).map_while(|number| wire::Restrictive::try_from(number).ok());
        let words: Vec<_> = directions.map(|direction| direction.as_str_name().to_lowercase()).collect();
        assert_eq!(words, Restrictive::ALL.map(Restrictive::name));
        assert!(
            Kind::ALL.into_iter().all(|kind| encode_kind(kind).as_str_name().to_lowercase() == kind.name())
        );
    }
}
