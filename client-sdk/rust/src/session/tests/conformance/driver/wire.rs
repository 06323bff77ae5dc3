//! The scenario's words in those of the contract.

use std::time::Duration;

use setpoint_policies::lease::{Lease, OnExpiry};
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::message::Channel;

use crate::session::tests::conformance::scenario::{ChannelName, Expiry, LeaseSpec, Wanted};

pub(super) const fn channel(name: ChannelName) -> Channel {
    match name {
        ChannelName::Safety => Channel::Safety,
        ChannelName::Limits => Channel::Limits,
        ChannelName::Runtime => Channel::Runtime,
        ChannelName::Custom => Channel::Custom,
    }
}

pub(super) fn value(knob: &str, wanted: &Wanted) -> Value {
    match (wanted, knob.split('.').next()) {
        (Wanted::State(state), _) => Value::Breaker(breaker(state)),
        (Wanted::Number(number), Some("limit")) => Value::Concurrency(*number),
        (Wanted::Number(number), Some("rate")) => Value::Rate { per_second: *number, burst: None },
        (Wanted::Number(number), _) => Value::Number(*number),
    }
}

pub(super) fn terms(told: &LeaseSpec) -> Lease {
    let usual = Lease::default();
    Lease {
        ttl: told.ttl.map_or(usual.ttl, |length| length.0),
        hold: told.hold.map_or(usual.hold, |length| length.0),
        decay: told.decay.map_or(usual.decay, |length| length.0),
        on_expiry: match told.on_expiry {
            Expiry::HoldThenDecay => OnExpiry::HoldThenDecay,
            Expiry::Baseline => OnExpiry::Baseline,
            Expiry::Safe => OnExpiry::Safe(told.safe),
            Expiry::Keep => OnExpiry::Keep,
        },
    }
}

fn breaker(state: &str) -> Breaker {
    let second = Duration::from_secs(1);
    match state {
        "local" => Breaker::Local,
        "closed" => Breaker::Closed,
        "half_open" => Breaker::HalfOpen { round: 1, probe_max: 1, probe_total: 1, deadline: second },
        "open" => Breaker::Open { retry_after: second },
        "forced_open" => Breaker::ForcedOpen { retry_after: second },
        other => panic!("{other} is no state of a breaker"),
    }
}
