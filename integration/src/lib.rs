//! Demo, load generator, end-to-end tests and benches of Setpoint.
//!
//! Everything here runs on real processes and real sockets of 127.0.0.1, because the claim to be shown ("a live service is
//! tuned, and survives its tuner") cannot be shown on mocks. Four parts, none of which knows the next one:
//! [`process`] starts, kills and reaps, [`sidecar`] is the one that tunes, [`service`] is something worth protecting, and [`load`]
//! is the outside world. [`demo`] puts them on a stage and tells the story; [`mod@real`] plays the scenarios of the
//! [`scoreboard`], which is a simulation, on them; [`incidents`] plays what field reports tell, with and without Setpoint.

pub mod demo;
pub mod http;
pub mod incidents;
pub mod load;
pub mod process;
pub mod real;
pub mod rng;
pub mod scoreboard;
pub mod service;
pub mod sidecar;
pub mod svg;
pub mod units;
