//! Demo, load generator, end-to-end tests and benches of Setpoint.
//!
//! Everything here runs on real processes and real sockets of 127.0.0.1, because the claim to be shown ("a live service is
//! tuned, and survives its tuner") cannot be shown on mocks. Four parts, none of which knows the next one:
//! [`service`] is something worth protecting, [`load`] is the outside world, [`process`] starts, kills and reaps, and [`demo`]
//! puts them on a stage and tells the story.

pub mod demo;
pub mod http;
pub mod load;
pub mod process;
pub mod real;
pub mod rng;
pub mod scoreboard;
pub mod service;
pub mod sidecar;
pub mod units;
