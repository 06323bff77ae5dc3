//! `adaptive_rate`.

use setpoint_policies::controllers::adaptive_rate::AdaptiveRate;
use setpoint_policies::spec::Controller;

use crate::yaml::{DURATION, Fields, RATE, RATIO};

pub(super) fn adaptive_rate(fields: Fields<'_>) -> Option<Controller> {
    let spec = fields.build(|fields| {
        let knob = fields.knob("rate.");
        let min = fields.optional("min", &RATE, AdaptiveRate::MIN);
        let max = fields.optional("max", &RATE, AdaptiveRate::MAX);
        let cut_to = fields.optional("cut_to", &RATIO, AdaptiveRate::CUT_TO);
        let recovery = fields.optional("recovery", &DURATION, AdaptiveRate::RECOVERY);
        let tolerate = fields.optional("tolerate", &RATIO, AdaptiveRate::TOLERATE);
        let cool_down = fields.optional("cool_down", &DURATION, AdaptiveRate::COOL_DOWN);
        let burst = fields.optional("burst", &DURATION, AdaptiveRate::BURST);
        AdaptiveRate::try_new(knob, min, max)?
            .with_curve(cut_to, recovery)?
            .with_patience(tolerate, cool_down)?
            .with_burst(burst)
    })?;
    Some(Controller::AdaptiveRate(spec))
}
