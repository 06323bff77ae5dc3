//! `task_leak`, `task_trend`, `runtime_health`, `slo` and `memory_ceiling`.

use std::time::Duration;

use setpoint_policies::controllers::memory_ceiling::MemoryCeiling;
use setpoint_policies::controllers::runtime_health::RuntimeHealth;
use setpoint_policies::controllers::slo::Slo;
use setpoint_policies::controllers::task_leak::TaskLeak;
use setpoint_policies::controllers::task_trend::TaskTrend;
use setpoint_policies::knob::{KnobName, MAX_NAME_BYTES};
use setpoint_policies::signal::Signal;
use setpoint_policies::spec::Controller;

use super::LIMIT;
use crate::yaml::{COUNT, DURATION, FLAG, Fields, Kind, NUMBER, RATIO};

/// Which pause: as in files, which leave out the unit.
const PAUSE: Kind<Signal> = Kind {
    expected: "runtime_delay or gc_pause",
    quotable: true,
    longest: 32,
    parse: |text| match text {
        "runtime_delay" => Ok(Signal::RuntimeDelay),
        "gc_pause" => Ok(Signal::GcPause),
        _ => Err("expected runtime_delay or gc_pause".to_owned()),
    },
    show: |signal| signal.name().trim_end_matches("_seconds").to_owned(),
};

/// A resource, by the limiter that counts its calls.
const RESOURCE: Kind<KnobName> = Kind {
    expected: "the name of a resource such as inbound",
    quotable: true,
    longest: MAX_NAME_BYTES,
    parse: |text| KnobName::try_new(&format!("{LIMIT}{text}")).map_err(|error| error.to_string()),
    show: |knob| knob.resource().unwrap_or_default().to_owned(),
};

pub(super) fn task_leak(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        let guard = TaskLeak::new(fields.knob("breaker."));
        let every = fields.optional("every", &DURATION, TaskLeak::EVERY);
        let factor = fields.optional("factor", &NUMBER, TaskLeak::FACTOR);
        let in_a_row = small(fields, "in_a_row", TaskLeak::IN_A_ROW);
        let hold = fields.optional("hold", &DURATION, TaskLeak::HOLD);
        let floor = fields.optional("floor", &NUMBER, TaskLeak::FLOOR);
        let per_call = fields.optional("per_call", &NUMBER, TaskLeak::PER_CALL);
        guard.trips(every, factor, in_a_row)?.holds(hold, floor, per_call)
    })?;
    Some(Controller::TaskLeak(spec))
}

pub(super) fn task_trend(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        TaskTrend::try_new(
            fields.maybe("limit", &NUMBER),
            fields.optional("warn_before", &DURATION, TaskTrend::WARN_BEFORE),
            fields.optional("window", &DURATION, TaskTrend::WINDOW),
        )
    })?;
    Some(Controller::TaskTrend(spec))
}

pub(super) fn runtime_health(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        let knob = fields.knob("health.");
        let signal = fields.optional("signal", &PAUSE, Signal::RuntimeDelay);
        let above = fields.optional("above", &DURATION, RuntimeHealth::ABOVE);
        let window = fields.optional("window", &DURATION, RuntimeHealth::WINDOW);
        let hits = small(fields, "hits", RuntimeHealth::HITS);
        let of = small(fields, "of", RuntimeHealth::OF);
        let apart = fields.optional("apart", &DURATION, RuntimeHealth::APART);
        let longest = fields.optional("longest", &DURATION, RuntimeHealth::LONGEST);
        let raw = fields.optional("raw", &FLAG, false);
        let guard = RuntimeHealth::try_new(knob, signal, above)?;
        Ok(guard.judged_over(window, hits, of)?.paced(apart, longest)?.raw(raw))
    })?;
    Some(Controller::RuntimeHealth(spec))
}

pub(super) fn slo(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        let unnamed = KnobName::try_new("limit.unnamed").expect("plain words are a name");
        let knob = fields.required("resource", &RESOURCE, unnamed);
        let within = fields.required("within", &DURATION, Duration::from_millis(200));
        let objective = fields.required("objective", &RATIO, 0.995);
        let fast_burn = fields.optional("fast_burn", &NUMBER, Slo::FAST_BURN);
        let slow_burn = fields.optional("slow_burn", &NUMBER, Slo::SLOW_BURN);
        let minimum_calls = fields.optional("minimum_calls", &COUNT, Slo::MINIMUM_CALLS);
        Slo::try_new(knob, within, objective)?.tolerates(fast_burn, slow_burn, minimum_calls)
    })?;
    Some(Controller::Slo(spec))
}

pub(super) fn memory_ceiling(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        MemoryCeiling::try_new(
            fields.knob(LIMIT),
            fields.optional("fill", &RATIO, MemoryCeiling::FILL),
            fields.optional("floor", &NUMBER, MemoryCeiling::FLOOR),
        )
    })?;
    Some(Controller::MemoryCeiling(spec))
}

fn small(fields: &mut Fields<'_>, field: &'static str, default: u32) -> u32 {
    u32::try_from(fields.optional(field, &COUNT, u64::from(default))).unwrap_or(u32::MAX)
}
