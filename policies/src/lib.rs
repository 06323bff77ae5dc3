//! The pure decision core of Setpoint.
//!
//! Everything in this crate is a plain value or a plain function: there is no clock, I/O, runtime, lock or randomness
//! here, and time is always an argument. The sidecar, the simulator and embedded mode run exactly this code, which is
//! why a decision can be replayed, explained and tested to the nanosecond.
//!

pub mod decision;
pub mod knob;
pub mod lease;
pub mod reason;
pub mod signal;
pub mod snapshot;
pub mod time;
pub mod totals;
pub mod value;
