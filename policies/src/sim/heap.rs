//! A plant for garbage collection and parallelism: a Go service in a container, in virtual time.
//!
//! ```text
//! calls -> service -> allocates -> runtime: heap, pacer, marking -> container: limit, neighbours, quota -> killed or not
//!                                     ^ percent, soft limit, threads, calls at once
//!          a tuner of another project, or our engine at 100 ms behind a delay, with the envelope evaluated as an SDK does
//! ```
//!
//! Fluid in CPU time and bytes, discrete in calls, collections and decisions; steps of 5 ms, one seed. It is not the Go
//! runtime: it has its pacing (goal, trigger, assists, CPU limiter, scavenging) as documented in `mgcpacer.go`, so that
//! laws can be compared and broken cheaply. Figures for people come from real processes.

pub mod container;
pub mod hands;
pub mod peers;
pub mod run;
pub mod runtime;
pub mod scenario;
pub mod service;
pub mod setpoint;

#[cfg(test)]
mod tests;
