//! The simulator: a deterministic plant around the very engine that runs in the sidecar.
//!
//! Discrete events over virtual time, one seed, no clock and no thread: a run can be repeated to the bit. The plant is a
//! service with its clients; in front of it stands a [`law::Law`]: our engine behind a simulated connection, or the law of
//! another project.

pub mod arrivals;
pub mod distribution;
pub mod draw;
pub mod heap;
pub mod law;
pub mod link;
pub mod peers;
pub mod plant;
pub mod run;
pub mod scenario;
pub mod score;
pub mod station;
