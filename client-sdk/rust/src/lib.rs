//! The Setpoint SDK for Rust services: enforces and counts per request, hot-swaps pushed limits.

#![allow(dead_code)] // until the session is in; then only under cfg(setpoint_loom), where only the atomics are built
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod outcome;
mod sync;

#[cfg(not(setpoint_loom))]
mod actuator;
#[cfg(not(setpoint_loom))]
mod breaker;
#[cfg(not(setpoint_loom))]
mod builder;
#[cfg(not(setpoint_loom))]
mod clock;
#[cfg(not(setpoint_loom))]
mod declare;
#[cfg(not(setpoint_loom))]
mod health;
#[cfg(not(setpoint_loom))]
mod knob;
#[cfg(not(setpoint_loom))]
mod layer;
#[cfg(not(setpoint_loom))]
mod limiter;
#[cfg(not(setpoint_loom))]
mod own;
#[cfg(not(setpoint_loom))]
mod permit;
#[cfg(not(setpoint_loom))]
mod priority;
#[cfg(not(setpoint_loom))]
mod rate;
#[cfg(not(setpoint_loom))]
mod rejected;
#[cfg(not(setpoint_loom))]
mod session;
#[cfg(not(setpoint_loom))]
mod setpoint;
#[cfg(not(setpoint_loom))]
mod slot;
#[cfg(not(setpoint_loom))]
mod transport;

#[cfg(not(setpoint_loom))]
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
#[cfg(not(setpoint_loom))]
pub use setpoint_policies::{knob::Restrictive, value::Breaker as BreakerSetpoint};
#[cfg(not(setpoint_loom))]
pub use setpoint_proto::message::{Evidence, Why};

#[cfg(setpoint_loom)]
mod breaker {
    mod machine;
    mod probes;
    mod pushed;
    mod wait;
    mod word;
}
#[cfg(setpoint_loom)]
mod limiter {
    mod counters;
    mod gauge;
    mod histogram;
}
