//! From the one number that an SDK reads back to the value that is in force.
//!
//! The engine integrates from what is in force, never from what was asked for; so this is where anti-windup begins.

use std::time::Duration;

use setpoint_policies::knob::{Kind, Knob};
use setpoint_policies::value::{Breaker, Value};

/// The value in force behind `effective`. `asked` is what was sent, if anything: it says what the number alone cannot,
/// such as a burst or a retry time.
pub fn value(knob: &Knob, asked: Option<Value>, effective: f64) -> Option<Value> {
    if !effective.is_finite() {
        return None;
    }
    match (knob.kind, asked) {
        (_, Some(asked)) if asked.scalar() == effective => Some(asked),
        (Kind::Breaker, _) => breaker(effective).map(Value::Breaker),
        (Kind::Switch, _) => Some(Value::Switch(effective != 0.0)),
        (Kind::GcTarget, asked) => Some(gc_target(knob, asked, effective)),
        (_, Some(asked)) if asked.is_quantity() => Some(asked.with_scalar(effective)),
        _ => Some(knob.baseline_value().with_scalar(effective)),
    }
}

/// What comes out of an envelope differs with each collection; the envelope stays. A percentage that was found with an
/// envelope and is known without it is worth no more than the baseline: without the limit it could fill all memory.
fn gc_target(knob: &Knob, asked: Option<Value>, effective: f64) -> Value {
    match asked {
        Some(Value::Gc(target)) => Value::Gc(target).with_scalar(effective),
        _ => knob.baseline_value().with_scalar(effective.min(knob.baseline)),
    }
}

/// The breaker state of that number, with details that hold back least.
fn breaker(number: f64) -> Option<Breaker> {
    let retry_after = Duration::ZERO;
    let states = [
        Breaker::Local,
        Breaker::Closed,
        Breaker::HalfOpen { round: 0, probe_max: 1, probe_total: 1, deadline: Duration::ZERO },
        Breaker::Open { retry_after },
        Breaker::ForcedOpen { retry_after },
        Breaker::Recovering { ramp: Duration::ZERO },
        Breaker::Disabled,
        Breaker::Shadow { would_reject: false },
    ];
    states.into_iter().find(|state| f64::from(state.number()) == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use setpoint_policies::envelope::GcTarget;
    use setpoint_policies::knob::KnobName;

    fn knob(kind: Kind) -> Knob {
        Knob::try_new(KnobName::try_new("k").expect("valid"), kind, 0.0, 100.0, 50.0).expect("valid")
    }

    #[test]
    fn the_number_read_back_becomes_a_value_of_the_knobs_kind() {
        let open = Value::Breaker(Breaker::Open { retry_after: Duration::from_secs(7) });
        let envelope = Value::Gc(GcTarget::budget(1 << 30));
        let threads = |threads| Value::Parallelism { threads, blocking_threads: None };
        let rate = |per_second| Value::Rate { per_second, burst: Some(9.0) };
        let cases = [
            (Kind::ConcurrencyLimit, None, 12.0, Some(Value::Concurrency(12.0))),
            (Kind::ConcurrencyLimit, Some(Value::Concurrency(20.0)), 15.0, Some(Value::Concurrency(15.0))),
            (Kind::RateLimit, None, 5.0, Some(Value::Rate { per_second: 5.0, burst: None })),
            (Kind::RateLimit, Some(rate(20.0)), 5.0, Some(rate(5.0))),
            (Kind::Breaker, Some(open), 3.0, Some(open)),
            (Kind::Breaker, Some(open), 0.0, Some(Value::Breaker(Breaker::Local))),
            (Kind::Breaker, None, 1.0, Some(Value::Breaker(Breaker::Closed))),
            (Kind::Breaker, None, 6.0, Some(Value::Breaker(Breaker::Disabled))),
            (Kind::Breaker, None, 9.0, None),
            (Kind::Switch, None, 1.0, Some(Value::Switch(true))),
            (Kind::Switch, Some(Value::Switch(true)), 0.0, Some(Value::Switch(false))),
            (Kind::PoolSize, None, 8.0, Some(Value::Number(8.0))),
            (Kind::GcTarget, None, 30.0, Some(Value::Gc(GcTarget::fixed(30)))),
            (Kind::GcTarget, None, 400.0, Some(Value::Gc(GcTarget::fixed(50)))),
            (Kind::GcTarget, Some(envelope), 240.0, Some(envelope.with_scalar(240.0))),
            (Kind::Parallelism, None, 3.0, Some(threads(3))),
            (Kind::Parallelism, Some(threads(4)), 2.0, Some(threads(2))),
            (Kind::Numeric, None, f64::NAN, None),
        ];
        for (kind, asked, effective, expected) in cases {
            assert_eq!(value(&knob(kind), asked, effective), expected, "{kind:?} {asked:?} {effective}");
        }
    }
}
