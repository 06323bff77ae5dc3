//! The policies that ship with Setpoint, one idea per file.

pub mod adaptive_concurrency;
#[cfg(test)]
mod bench;
pub mod breaker;
pub mod gc_target;
pub mod memory_cap;
pub mod parallelism;
pub mod scheduler_cap;
