//! The Setpoint sidecar: signals in, explained setpoints out.
//!
//! ```text
//! kernel  --> signals --+
//! SDKs   --> sessions --+--> control: engine.step --> sessions --> SDKs
//! file    --> config ---+         |
//!                                 +--> journal, metrics, status (admin)
//! ```
//!
//! [`replay`] and [`simulate`] run the same engine without any of this.
//! [`app`] puts the parts together, [`control`] is the loop, [`sessions`] talks with the services. Invariants: nothing that
//! waits for a client, a disk or an operator is on the loop's path; every queue, table and message has a bound; tonic is
//! named in [`transport`] alone; only `main.rs` installs anything process-wide.

pub mod admin;
pub mod alarm;
pub mod alerts;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod journal;
pub mod logging;
pub mod metrics;
pub mod pulse;
pub mod record;
pub mod reload;
pub mod replay;
#[cfg(test)]
mod rig;
mod sense;
pub mod sessions;
pub mod show;
pub mod signals;
pub mod simulate;
pub mod socket;
pub mod status;
pub mod transport;
pub mod view;
pub mod watchdog;
pub mod yaml;
