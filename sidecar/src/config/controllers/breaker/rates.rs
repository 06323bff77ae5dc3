//! The rates that trip a breaker, and the windows over which they are judged.

use std::time::Duration;

use setpoint_policies::controllers::breaker::{Length, Rate, Windows};
use setpoint_policies::spec::InvalidConfig;

use super::{of_field, small};
use crate::yaml::{COUNT, DURATION, Fields, RATIO};

/// More slow calls than that, and the 95th percentile is above.
const OVER_P95: f64 = 0.05;

pub(super) fn failure_rate(fields: Fields<'_>) -> Option<Rate> {
    fields.build(|fields| {
        let above = fields.required("above", &RATIO, 0.5);
        Rate::failures(above, windows(fields)?)
    })
}

/// `above` and `slower_than`, or the same thing in other words: `p95_above`.
pub(super) fn slow_call_rate(fields: Fields<'_>) -> Option<Rate> {
    fields.build(|fields| {
        if fields.entry("p95_above").is_some() {
            alone(fields, "p95_above", &["above", "slower_than"]);
            let slower_than = fields.maybe("p95_above", &DURATION).unwrap_or(Duration::from_secs(1));
            let rate = Rate::slow_calls(OVER_P95, slower_than, windows(fields)?);
            return rate.map_err(|error| of_field(error, "slower_than", "p95_above"));
        }
        let above = fields.required("above", &RATIO, 0.5);
        let slower_than = fields.required("slower_than", &DURATION, Duration::from_secs(1));
        Rate::slow_calls(above, slower_than, windows(fields)?)
    })
}

fn windows(fields: &mut Fields<'_>) -> Result<Windows, InvalidConfig> {
    let length = match fields.maybe("calls", &COUNT) {
        Some(calls) => {
            alone(fields, "calls", &["window"]);
            Length::Calls(calls)
        }
        None => Length::Time(fields.optional("window", &DURATION, Windows::LENGTH)),
    };
    let windows = match fields.maybe("of", &COUNT) {
        Some(of) => {
            alone(fields, "of", &["in_a_row"]);
            let hits = fields.required("hits", &COUNT, 1);
            Windows::try_new(length, small(hits), small(of))
        }
        None => {
            if fields.entry("hits").is_some() {
                fields.needed("of");
            }
            let in_a_row = small(fields.optional("in_a_row", &COUNT, 1));
            Windows::try_new(length, in_a_row, in_a_row).map_err(|error| of_field(error, "of", "in_a_row"))
        }
    }?;
    let minimum_calls = fields.optional("minimum_calls", &COUNT, Windows::MINIMUM_CALLS);
    windows.with_certainty(minimum_calls, fields.optional("confidence", &RATIO, Windows::CONFIDENCE))
}

/// Reports the fields that say the same as `field` in other words.
fn alone(fields: &mut Fields<'_>, field: &'static str, others: &[&'static str]) {
    for other in others {
        if let Some(entry) = fields.entry(other) {
            fields.complain(other, entry.at, format!("beside `{field}`: only one of them is allowed"));
        }
    }
}
