//! Where the session touches the service: one call, and the reasons of the moves that the SDK makes by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use setpoint_policies::value::Value;
use setpoint_proto::message::Why;

use crate::actuator::Actuator;

/// No frame names the knob any more.
pub(super) static RELEASED: LazyLock<Why> =
    LazyLock::new(|| why("released", "no policy names this knob any more"));
/// The lease is on its way out.
pub(super) static LEASE_OVER: LazyLock<Why> = LazyLock::new(|| why("lease_over", "no word from the sidecar"));
/// One of all-or-nothing was refused.
pub(super) static ROLLED_BACK: LazyLock<Why> =
    LazyLock::new(|| why("rolled_back", "another setpoint of the same atomic frame was refused"));

fn why(rule: &str, text: &str) -> Why {
    Why {
        policy: "sdk".to_owned(),
        rule: rule.to_owned(),
        text: text.to_owned(),
        action: "baseline".to_owned(),
        evidence: Vec::new(),
    }
}

/// Puts a value in force and returns the one read back. A callback of the service's owner runs in here: whatever it does,
/// the session goes on.
///
/// # Errors
/// Refused, for the reason in the text.
pub(super) fn apply(actuator: &dyn Actuator, value: &Value, why: &Why) -> Result<Value, String> {
    catch_unwind(AssertUnwindSafe(|| actuator.apply(value, why)))
        .unwrap_or_else(|_| Err("the callback panicked".to_owned()))
}

/// A value as a log has it: a number, or the name of a breaker's state.
pub(super) fn said(value: &Value) -> Box<dyn tracing::Value> {
    match value.state() {
        Some(state) => Box::new(state),
        None => Box::new(value.scalar()),
    }
}

/// Puts a knob at its baseline, whatever was pushed to it.
pub(super) fn to_baseline(actuator: &dyn Actuator) {
    let knob = actuator.knob();
    actuator.admit(None);
    actuator.close();
    if let Err(why) = apply(actuator, &knob.baseline_value(), &RELEASED) {
        tracing::error!(knob = %knob.name, why, "the baseline was refused");
    }
}

#[cfg(test)]
mod tests {
    use setpoint_policies::value::Breaker;

    use super::*;

    #[test]
    fn a_state_has_its_name_in_the_log() {
        let said = [Value::Breaker(Breaker::Closed), Value::Concurrency(3.0)];
        assert_eq!(said.map(|value| format!("{:?}", super::said(&value))), ["\"closed\"", "3.0"]);
    }
}
