//! The pure decision core of Setpoint.
//!
//! Everything in this crate is a plain value or a plain function: there is no clock, I/O, runtime, lock or randomness
//! here, and time is always an argument. The sidecar, the simulator and embedded mode run exactly this code, which is
//! why a decision can be replayed, explained and tested to the nanosecond.
//!
//! Reading order: [`snapshot`] (what is known at one instant) -> [`policy`] (what one policy wants, and why) ->
//! [`arbiter`] (the most restrictive wish wins) -> [`guard`] (how fast a knob may move) -> [`engine`] (one step for all).

pub mod admission;
pub mod alert;
pub mod arbiter;
pub mod claim;
pub mod controllers;
pub mod decision;
pub mod engine;
pub mod envelope;
pub mod guard;
pub mod knob;
pub mod lease;
pub mod policy;
pub mod probes;
pub mod reason;
pub mod reflex;
pub mod signal;
#[cfg(feature = "sim")]
pub mod sim;
pub mod snapshot;
pub mod spec;
pub mod time;
pub mod totals;
pub mod units;
pub mod value;
pub mod window;
