//! The policies that ship with Setpoint, one idea per file.

pub mod adaptive_concurrency;
pub mod adaptive_rate;
#[cfg(test)]
mod bench;
pub mod breaker;
pub mod fixed;
pub mod gc_target;
pub mod memory_cap;
pub mod memory_ceiling;
pub mod parallelism;
pub mod runtime_health;
pub mod scheduler_cap;
pub mod slo;
pub mod task_leak;
pub mod task_trend;
