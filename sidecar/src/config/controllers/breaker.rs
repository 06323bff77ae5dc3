//! `breaker`.

use std::time::Duration;

use setpoint_policies::controllers::breaker::{Acts, BreakerSpec, Set, Trip, Wait};
use setpoint_policies::probes::Budget;
use setpoint_policies::spec::{Controller, InvalidConfig};

use crate::yaml::{COUNT, DURATION, Fields, Kind, LONGEST, NAME, RATIO, closest, quoted};

mod rates;

/// Whether the breaker acts.
const ACTS: Kind<Acts> = Kind {
    expected: "enforce, shadow, disabled or forced_open",
    quotable: true,
    longest: LONGEST,
    parse: |text| {
        Acts::ALL.into_iter().find(|acts| acts.name() == text).ok_or_else(|| {
            match closest(text, Acts::ALL.map(Acts::name)) {
                Some(name) => format!("unknown mode {}, did you mean `{name}`?", quoted(text)),
                None => {
                    format!(
                        "unknown mode {}, expected enforce, shadow, disabled or forced_open",
                        quoted(text)
                    )
                }
            }
        })
    },
    show: |acts| acts.name().to_owned(),
};

pub(super) fn breaker(mut fields: Fields<'_>) -> Option<Controller> {
    let failure_rate = fields.section("failure_rate", rates::failure_rate);
    let slow_call_rate = fields.section("slow_call_rate", rates::slow_call_rate);
    let set = fields.section("set", set);
    let wait = if fields.entry("probe").is_some() {
        fields.section("probe", probe).unwrap_or_default()
    } else {
        fields.note("probe.exponential.base", &(DURATION.show)(&Wait::BASE));
        fields.note("probe.exponential.cap", &(DURATION.show)(&Wait::CAP));
        fields.note("probe.exponential.jitter", &(RATIO.show)(&Wait::JITTER));
        Wait::default()
    };
    let budget = if fields.entry("half_open").is_some() {
        fields.section("half_open", half_open).unwrap_or_default()
    } else {
        let budget = Budget::default();
        fields.note("half_open.concurrent", &budget.concurrent().to_string());
        fields.note("half_open.probes", &budget.total().to_string());
        fields.note("half_open.successes", &budget.needed().to_string());
        fields.note("half_open.deadline", &(DURATION.show)(&budget.deadline()));
        fields.note("half_open.patience", &(DURATION.show)(&budget.patience()));
        budget
    };
    let spec = fields.build(|fields| {
        let acts = fields.optional("mode", &ACTS, Acts::default());
        let consecutive = fields.maybe("consecutive", &COUNT);
        let trip = Trip { consecutive, failure_rate, slow_call_rate };
        let ramp = fields.optional("ramp", &DURATION, BreakerSpec::RAMP);
        let spec = BreakerSpec::try_new(fields.knob("breaker."), acts, trip)?;
        Ok(spec.with_wait(wait).with_budget(budget).with_ramp(ramp)?.with_set(set.clone()))
    })?;
    Some(Controller::Breaker(spec.into()))
}

fn set(fields: Fields<'_>) -> Option<Set> {
    fields.build(|fields| {
        let name = fields.title("name", &NAME);
        Set::try_new(&name, fields.required("max_open", &RATIO, 0.5))
    })
}

fn probe(mut fields: Fields<'_>) -> Option<Wait> {
    let mut probe = None;
    for (name, entry) in fields.choice(&["exponential", "fixed"]) {
        let wait = fields.inside(name, entry).and_then(if name == "fixed" { fixed } else { exponential });
        probe = probe.or(wait);
    }
    if fields.finish() { probe } else { None }
}

fn exponential(fields: Fields<'_>) -> Option<Wait> {
    fields.build(|fields| {
        Wait::exponential(
            fields.optional("base", &DURATION, Wait::BASE),
            fields.optional("cap", &DURATION, Wait::CAP),
            fields.optional("jitter", &RATIO, Wait::JITTER),
        )
    })
}

fn fixed(fields: Fields<'_>) -> Option<Wait> {
    fields.build(|fields| {
        let wait = fields.required("wait", &DURATION, Duration::from_secs(1));
        Wait::fixed(wait, fields.optional("jitter", &RATIO, Wait::JITTER))
    })
}

fn half_open(fields: Fields<'_>) -> Option<Budget> {
    let default = Budget::default();
    fields.build(|fields| {
        Budget::try_new(
            small(fields.optional("concurrent", &COUNT, default.concurrent().into())),
            small(fields.optional("probes", &COUNT, default.total().into())),
            small(fields.optional("successes", &COUNT, default.needed().into())),
            fields.optional("deadline", &DURATION, default.deadline()),
            fields.optional("patience", &DURATION, default.patience()),
        )
    })
}

/// What is far too large stays so.
fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A rule about `from` said in the words of the field that was written.
fn of_field(error: InvalidConfig, from: &str, written: &'static str) -> InvalidConfig {
    match error {
        InvalidConfig::OutOfRange { field, range } if field == from => {
            InvalidConfig::OutOfRange { field: written, range }
        }
        other => other,
    }
}
