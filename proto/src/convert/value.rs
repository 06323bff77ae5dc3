//! The value of a setpoint.
//!
//! The wire can say more than this version does: a limit with a waiting queue or a local floor. Such a setpoint is
//! unsupported as a whole. To enforce half of it would be answered with "applied", and that would be a lie.

use std::time::Duration;

use setpoint_policies::value::{Breaker, Value};

use super::field::{self, At, Trouble, Under};
use super::{admission, runtime};
use crate::v1::{self, setpoint::Value as Wire};

/// Handed to callers where the sidecar names no other.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The probes of a round where the sidecar names no other number, and the time that each has.
const PROBE_TOTAL: u32 = 10;
const PROBE_DEADLINE: Duration = Duration::from_secs(3);
/// Until all calls pass again.
const RAMP: Duration = Duration::from_secs(10);

pub(super) fn value(wire: Option<&Wire>) -> Result<Value, Trouble> {
    match wire {
        Some(Wire::Limit(wire)) => limit(wire).at("limit"),
        Some(Wire::Breaker(wire)) => breaker(wire).at("breaker").map(Value::Breaker),
        Some(Wire::Number(number)) => Ok(Value::Number(field::finite(*number).at("number")?)),
        Some(Wire::On(on)) => Ok(Value::Switch(*on)),
        Some(Wire::Gc(wire)) => runtime::gc_target(wire).at("gc").map(Value::Gc),
        Some(Wire::Parallelism(wire)) => Ok(runtime::parallelism(wire).at("parallelism")?),
        None => unsupported("there is no value of a kind that this build knows"),
    }
}

fn unsupported<T>(why: &str) -> Result<T, Trouble> {
    Err(Trouble::Unsupported(why.to_owned()))
}

fn limit(wire: &v1::Limit) -> Result<Value, Trouble> {
    let number = |number: Option<f64>, name| {
        number.map(|n| field::not_negative(n).map_err(|problem| problem.under(name))).transpose()
    };
    let (concurrency, rate) =
        (number(wire.concurrency, "concurrency")?, number(wire.rate_per_s, "rate_per_s")?);
    let burst = number(wire.burst, "burst")?;
    number(wire.floor, "floor")?;
    field::duration(wire.queue_timeout.as_ref()).at("queue_timeout")?;
    if wire.queue.is_some() || wire.local_adapt || wire.floor.is_some() {
        return unsupported("queue, local_adapt and floor are not supported by this build");
    }
    match (concurrency, rate) {
        (Some(limit), None) => Ok(Value::Concurrency(limit)),
        (None, Some(_)) if admission::is_asked_for(wire) => {
            unsupported("priority_share and baseline_latency of a rate are not supported by this build")
        }
        (None, Some(per_second)) => Ok(Value::Rate { per_second, burst }),
        (Some(_), Some(_)) => {
            unsupported("concurrency and rate in one setpoint are not supported by this build")
        }
        (None, None) => unsupported("there is no limit of a kind that this build knows"),
    }
}

fn breaker(wire: &v1::Breaker) -> Result<Breaker, Trouble> {
    use v1::breaker::State;
    // A round of so many probes has no use for a share of calls; it has to be a share all the same.
    field::ratio(wire.probe_ratio).at("probe_ratio")?;
    let retry_after = field::duration_or(wire.retry_after.as_ref(), RETRY_AFTER).at("retry_after")?;
    let deadline = field::duration_or(wire.probe_deadline.as_ref(), PROBE_DEADLINE).at("probe_deadline")?;
    let ramp = field::duration_or(wire.ramp.as_ref(), RAMP).at("ramp")?;
    match State::try_from(wire.state) {
        Ok(State::Local) => Ok(Breaker::Local),
        Ok(State::Closed) => Ok(Breaker::Closed),
        Ok(State::HalfOpen) => Ok(Breaker::HalfOpen {
            round: wire.round,
            probe_max: wire.probe_max,
            probe_total: wire.probe_total.unwrap_or(PROBE_TOTAL),
            deadline,
        }),
        Ok(State::Open) => Ok(Breaker::Open { retry_after }),
        Ok(State::ForcedOpen) => Ok(Breaker::ForcedOpen { retry_after }),
        Ok(State::Recovering) => Ok(Breaker::Recovering { ramp }),
        Ok(State::Disabled) => Ok(Breaker::Disabled),
        Ok(State::Shadow) => Ok(Breaker::Shadow { would_reject: wire.would_reject }),
        Err(_) => {
            Err(Trouble::Unsupported(format!("breaker state {} is not known to this build", wire.state)))
        }
    }
}

pub(super) fn encode(value: &Value) -> Wire {
    match *value {
        Value::Concurrency(limit) => {
            Wire::Limit(v1::Limit { concurrency: Some(limit), ..Default::default() })
        }
        Value::Rate { per_second, burst } => {
            Wire::Limit(v1::Limit { rate_per_s: Some(per_second), burst, ..Default::default() })
        }
        Value::Breaker(breaker) => Wire::Breaker(encode_breaker(breaker)),
        Value::Gc(target) => Wire::Gc(runtime::encode_gc_target(&target)),
        Value::Parallelism { threads, blocking_threads } => {
            Wire::Parallelism(runtime::encode_parallelism(threads, blocking_threads))
        }
        Value::Number(number) => Wire::Number(number),
        Value::Switch(on) => Wire::On(on),
    }
}

fn encode_breaker(breaker: Breaker) -> v1::Breaker {
    use v1::breaker::State;
    let plain = |state: State| v1::Breaker { state: state.into(), ..Default::default() };
    let rejecting =
        |state, retry_after| v1::Breaker { retry_after: field::encode_duration(retry_after), ..plain(state) };
    match breaker {
        Breaker::Local => plain(State::Local),
        Breaker::Closed => plain(State::Closed),
        Breaker::HalfOpen { round, probe_max, probe_total, deadline } => v1::Breaker {
            round,
            probe_ratio: 1.0,
            probe_max,
            probe_total: Some(probe_total),
            probe_deadline: field::encode_duration(deadline),
            ..plain(State::HalfOpen)
        },
        Breaker::Open { retry_after } => rejecting(State::Open, retry_after),
        Breaker::ForcedOpen { retry_after } => rejecting(State::ForcedOpen, retry_after),
        Breaker::Recovering { ramp } => {
            v1::Breaker { ramp: field::encode_duration(ramp), ..plain(State::Recovering) }
        }
        Breaker::Disabled => plain(State::Disabled),
        Breaker::Shadow { would_reject } => v1::Breaker { would_reject, ..plain(State::Shadow) },
    }
}
