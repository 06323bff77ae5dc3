//! `gc_target`, `heap_cap`, `heap_drain` and `parallelism`.
//!
//! The mode of a target decides which other fields there are: one of another mode is unknown, like any other misprint.

use std::time::Duration;

use setpoint_policies::controllers::gc_target::cap::HeapCap;
use setpoint_policies::controllers::gc_target::drain::HeapDrain;
use setpoint_policies::controllers::gc_target::{GcTargetSpec, Of, RatioRule, Rule};
use setpoint_policies::controllers::parallelism::{Follow, Parallelism};
use setpoint_policies::envelope::{GcMode, GcTarget};
use setpoint_policies::knob::KnobName;
use setpoint_policies::spec::{Controller, InvalidConfig};

use super::LIMIT;
use crate::yaml::{COUNT, DURATION, FLAG, Fields, KNOB, Kind, NUMBER, RATIO};

/// What the percentage is, where a rule of a field report begins.
const BASE: u64 = 100;

/// The mode of a target, as named in files.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Law(GcMode),
    Ratio,
}

const MODES: [(&str, Mode); 4] = [
    ("throughput", Mode::Law(GcMode::Throughput)),
    ("frugal", Mode::Law(GcMode::Frugal)),
    ("fixed", Mode::Law(GcMode::Fixed)),
    ("ratio", Mode::Ratio),
];

const MODE: Kind<Mode> = Kind {
    expected: "throughput, frugal, fixed or ratio",
    quotable: true,
    longest: KNOB.longest,
    parse: |text| {
        let found = MODES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode);
        found.ok_or_else(|| "must be throughput, frugal, fixed or ratio".to_owned())
    },
    show: |mode| {
        MODES.iter().find(|(_, known)| known == mode).map_or_else(String::new, |(name, _)| (*name).to_owned())
    },
};

const OF: Kind<Of> = Kind {
    expected: "live_over_goal, heap_over_goal, working_set or usage",
    quotable: true,
    longest: KNOB.longest,
    parse: |text| {
        Of::from_name(text)
            .ok_or_else(|| "must be live_over_goal, heap_over_goal, working_set or usage".to_owned())
    },
    show: |of| of.name().to_owned(),
};

const FOLLOW: Kind<Follow> = Kind {
    expected: "quota, load, cores or sched_latency",
    quotable: true,
    longest: KNOB.longest,
    parse: |text| {
        Follow::from_name(text).ok_or_else(|| "must be quota, load, cores or sched_latency".to_owned())
    },
    show: |follow| follow.name().to_owned(),
};

pub(super) fn gc_target(mut fields: Fields<'_>) -> Option<Controller> {
    let mode = fields.look("mode", &MODE).unwrap_or(Mode::Law(GcMode::Throughput));
    fields.note("mode", &(MODE.show)(&mode));
    let spec = fields.build(|fields| {
        let knob = fields.optional("knob", &KNOB, named(GcTargetSpec::KNOB));
        match mode {
            Mode::Law(GcMode::Fixed) => fixed(fields, knob),
            Mode::Law(mode) => law(fields, knob, mode),
            Mode::Ratio => ratio(fields, knob),
        }
    })?;
    Some(Controller::GcTarget(spec))
}

fn law(fields: &mut Fields<'_>, knob: KnobName, mode: GcMode) -> Result<GcTargetSpec, InvalidConfig> {
    let target = match mode {
        GcMode::Frugal => fields.optional("gc_cpu_target", &RATIO, GcTarget::GC_CPU_TARGET),
        _ => GcTarget::GC_CPU_TARGET,
    };
    let cap = fields.optional("gc_cpu_cap", &RATIO, GcTarget::GC_CPU_CAP);
    let least = fields.optional("percent_min", &COUNT, GcTarget::PERCENT_MIN.into());
    let most = fields.optional("percent_max", &COUNT, GcTarget::PERCENT_MAX.into());
    let restart = fields.optional("restart_not_brownout", &FLAG, false);
    let spec = GcTargetSpec::try_new(knob, Rule::Law(mode))?.with_cpu(target, cap)?;
    Ok(spec.with_percent(least, most)?.with_restart_not_brownout(restart))
}

fn fixed(fields: &mut Fields<'_>, knob: KnobName) -> Result<GcTargetSpec, InvalidConfig> {
    let percent = fields.maybe("percent", &COUNT).map(whole);
    let memory_limit = fields.maybe("memory_limit", &RATIO);
    GcTargetSpec::try_new(knob, Rule::Fixed { percent, memory_limit })
}

fn ratio(fields: &mut Fields<'_>, knob: KnobName) -> Result<GcTargetSpec, InvalidConfig> {
    let of = fields.required("of", &OF, Of::WorkingSet);
    let above = fields.required("above", &RATIO, 0.75);
    let below = fields.optional("below", &RATIO, above);
    let rule = RatioRule {
        of,
        above,
        below,
        drop: fields.maybe("drop", &COUNT).map(whole),
        recovery: fields.optional("recovery", &NUMBER, 2.0),
        every: fields.optional("every", &DURATION, Duration::from_secs(5)),
        hold: fields.optional("hold", &DURATION, Duration::from_secs(10)),
        base: whole(fields.optional("percent", &COUNT, BASE)),
        bounds: (
            whole(fields.optional("percent_min", &COUNT, 20)),
            whole(fields.optional("percent_max", &COUNT, 200)),
        ),
    };
    GcTargetSpec::try_new(knob, Rule::Ratio(rule.checked()?))
}

pub(super) fn heap_cap(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        HeapCap::try_new(
            fields.knob(LIMIT),
            fields.optional("gc_cpu_cap", &RATIO, GcTarget::GC_CPU_CAP),
            fields.optional("floor", &NUMBER, HeapCap::FLOOR),
        )
    })?;
    Some(Controller::HeapCap(spec))
}

pub(super) fn heap_drain(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        HeapDrain::try_new(
            fields.required("knob", &KNOB, named("drain")),
            fields.optional("gc_cpu_cap", &RATIO, GcTarget::GC_CPU_CAP),
            fields.optional("before", &DURATION, HeapDrain::BEFORE),
        )
    })?;
    Some(Controller::HeapDrain(spec))
}

pub(super) fn parallelism(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        Parallelism::try_new(
            fields.optional("knob", &KNOB, named(Parallelism::KNOB)),
            fields.optional("follow", &FOLLOW, Follow::default()),
            fields.optional("raw", &FLAG, false),
            fields.maybe("min", &COUNT),
            fields.maybe("max", &COUNT),
        )
    })?;
    Some(Controller::Parallelism(spec))
}

fn named(knob: &str) -> KnobName {
    KnobName::try_new(knob).expect("a plain word is a name")
}

fn whole(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
