//! `breaker`.

use std::time::Duration;

use setpoint_policies::controllers::breaker::{BreakerSpec, FailureRate, Probe};
use setpoint_policies::spec::{Controller, InvalidConfig};

use crate::yaml::{COUNT, DURATION, Fields, RATIO};

/// The waits of `Probe::default()`, which does not show them; a test compares.
const PROBE_BASE: Duration = Duration::from_secs(1);
const PROBE_CAP: Duration = Duration::from_secs(30);

pub(super) fn breaker(mut fields: Fields<'_>) -> Option<Controller> {
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
