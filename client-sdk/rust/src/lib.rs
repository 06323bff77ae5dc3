//! The Setpoint SDK for Rust services: enforces and counts per request, hot-swaps pushed limits.

#![allow(dead_code)] // until the session is in; then only under cfg(loom), where only the atomics are built
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod outcome;
mod sync;

#[cfg(not(loom))]
mod actuator;
#[cfg(not(loom))]
mod breaker;
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod clock;
#[cfg(not(loom))]
mod declare;
#[cfg(not(loom))]
mod health;
#[cfg(not(loom))]
mod knob;
#[cfg(not(loom))]
mod layer;
#[cfg(not(loom))]
mod limiter;
#[cfg(not(loom))]
mod permit;
#[cfg(not(loom))]
mod priority;
#[cfg(not(loom))]
mod rate;
#[cfg(not(loom))]
mod rejected;
#[cfg(not(loom))]
mod session;
#[cfg(not(loom))]
mod setpoint;
#[cfg(not(loom))]
mod slot;

#[cfg(not(loom))]
pub use self::{
    breaker::{Breaker, BreakerBuilder, BreakerState},
    builder::Builder,
    health::Health,
    knob::{KnobBuilder, NumericKnob},
    layer::{LimitFuture, LimitLayer, LimitService, RequestHead, ResponseHead},
    limiter::{Limiter, LimiterBuilder},
    outcome::Outcome,
    permit::Permit,
    priority::Priority,
    rate::{Rate, RateBuilder},
    rejected::{RejectReason, Rejected},
    setpoint::Setpoint,
};
#[cfg(not(loom))]
pub use setpoint_policies::{knob::Restrictive, value::Breaker as BreakerSetpoint};
#[cfg(not(loom))]
pub use setpoint_proto::message::{Evidence, Why};

#[cfg(loom)]
mod breaker {
    mod machine;
    mod probes;
    mod pushed;
    mod wait;
    mod word;
}
#[cfg(loom)]
mod limiter {
    mod counters;
    mod gauge;
    mod histogram;
}
