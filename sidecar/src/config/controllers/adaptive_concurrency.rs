//! `adaptive_concurrency`.

use std::time::Duration;

use setpoint_policies::controllers::adaptive_concurrency::AdaptiveConcurrency;
use setpoint_policies::spec::Controller;

use super::LIMIT;
use crate::yaml::{DURATION, Fields, NUMBER};

pub(super) fn adaptive_concurrency(fields: Fields<'_>) -> Option<Controller> {
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
