//! The section of each controller: from its fields to the checked type of `setpoint-policies`.
//!
//! A new controller is one function here and one line in [`CONTROLLERS`].

use std::time::Duration;

use setpoint_policies::controllers::adaptive_concurrency::AdaptiveConcurrency;
use setpoint_policies::controllers::breaker::{BreakerSpec, FailureRate, Probe};
use setpoint_policies::controllers::memory_cap::MemoryCap;
use setpoint_policies::controllers::scheduler_cap::SchedulerCap;
use setpoint_policies::spec::{Controller, InvalidConfig};

use crate::yaml::{COUNT, DURATION, Fields, NUMBER, RATIO};

/// Reads a section; `None` when it has a problem.
type Read = fn(Fields<'_>) -> Option<Controller>;

/// The controllers that a policy chooses one of, as named in files.
pub(super) const CONTROLLERS: [(&str, Read); 4] = [
    ("adaptive_concurrency", adaptive_concurrency),
    ("memory_cap", memory_cap),
    ("scheduler_cap", scheduler_cap),
    ("breaker", breaker),
];

/// What the names of the knobs start with that a limit or a cap moves.
const LIMIT: &str = "limit.";

/// The waits of `Probe::default()`, which does not show them; a test compares.
const PROBE_BASE: Duration = Duration::from_secs(1);
const PROBE_CAP: Duration = Duration::from_secs(30);

fn adaptive_concurrency(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        AdaptiveConcurrency::try_new(
            fields.knob(LIMIT),
            fields.optional("min", &NUMBER, AdaptiveConcurrency::MIN),
            fields.optional("max", &NUMBER, AdaptiveConcurrency::MAX),
            fields.maybe("initial", &NUMBER),
            fields.optional("latency_budget", &DURATION, Duration::ZERO),
        )?
        .with_deadline(fields.maybe("deadline", &DURATION))
    })?;
    Some(Controller::AdaptiveConcurrency(spec))
}

fn memory_cap(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        MemoryCap::try_new(
            fields.knob(LIMIT),
            fields.optional("start", &RATIO, MemoryCap::START),
            fields.optional("full", &RATIO, MemoryCap::FULL),
            fields.optional("floor", &RATIO, MemoryCap::FLOOR),
        )
    })?;
    Some(Controller::MemoryCap(spec))
}

fn scheduler_cap(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        SchedulerCap::try_new(
            fields.knob(LIMIT),
            fields.optional("runtime_delay", &DURATION, SchedulerCap::RUNTIME_DELAY),
            fields.optional("run_delay", &DURATION, SchedulerCap::RUN_DELAY),
            fields.optional("cpu_some", &RATIO, SchedulerCap::CPU_SOME),
            fields.optional("floor", &RATIO, SchedulerCap::FLOOR),
        )
    })?;
    Some(Controller::SchedulerCap(spec))
}

fn breaker(mut fields: Fields<'_>) -> Option<Controller> {
    let rate = fields.section("failure_rate", failure_rate);
    let probe = if fields.entry("probe").is_some() {
        fields.section("probe", probe).unwrap_or_default()
    } else {
        fields.note("probe.exponential.base", &(DURATION.show)(&PROBE_BASE));
        fields.note("probe.exponential.cap", &(DURATION.show)(&PROBE_CAP));
        Probe::default()
    };
    let spec = fields.build(|fields| {
        BreakerSpec::try_new(
            fields.knob("breaker."),
            rate,
            fields.maybe("consecutive", &COUNT),
            probe,
            fields.optional("probes", &COUNT, BreakerSpec::PROBES),
        )
    })?;
    Some(Controller::Breaker(spec))
}

fn failure_rate(fields: Fields<'_>) -> Option<FailureRate> {
    fields.build(|fields| {
        let above = fields.required("above", &RATIO, 0.5);
        let window = fields.optional("window", &DURATION, FailureRate::WINDOW);
        let in_a_row = fields.optional("in_a_row", &COUNT, u64::from(FailureRate::IN_A_ROW));
        let in_a_row = u32::try_from(in_a_row).unwrap_or(u32::MAX);
        let minimum_calls = fields.optional("minimum_calls", &COUNT, FailureRate::MINIMUM_CALLS);
        FailureRate::try_new(above, window, in_a_row, minimum_calls)
    })
}

fn probe(mut fields: Fields<'_>) -> Option<Probe> {
    let mut probe = None;
    for (name, entry) in fields.choice(&["exponential", "fixed"]) {
        let wait = fields.inside(name, entry).and_then(if name == "fixed" { fixed } else { exponential });
        probe = probe.or(wait);
    }
    if fields.finish() { probe } else { None }
}

fn exponential(fields: Fields<'_>) -> Option<Probe> {
    fields.build(|fields| {
        Probe::try_new(
            fields.optional("base", &DURATION, PROBE_BASE),
            fields.optional("cap", &DURATION, PROBE_CAP),
        )
    })
}

fn fixed(fields: Fields<'_>) -> Option<Probe> {
    fields.build(|fields| {
        let wait = fields.required("wait", &DURATION, Duration::from_secs(1));
        Probe::try_new(wait, wait).map_err(|error| match error {
            InvalidConfig::OutOfRange { range, .. } => InvalidConfig::OutOfRange { field: "wait", range },
            other => other,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_probe_is_the_one_that_is_shown() {
        assert_eq!(Probe::try_new(PROBE_BASE, PROBE_CAP), Ok(Probe::default()));
    }
}
