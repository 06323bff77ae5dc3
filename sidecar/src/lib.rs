//! The Setpoint sidecar: signals in, explained setpoints out.

pub mod config;
