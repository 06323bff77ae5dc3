//! The guards in virtual time, through the real engine: what a process reports goes in, what is in force and what fires comes out.

#[path = "guards/alerts.rs"]
mod alerts;
#[path = "guards/memory_ceiling.rs"]
mod memory_ceiling;
#[path = "guards/runtime_health.rs"]
mod runtime_health;
#[path = "guards/slo.rs"]
mod slo;
#[path = "guards/task_leak.rs"]
mod task_leak;
#[path = "guards/task_trend.rs"]
mod task_trend;
#[path = "guards/world.rs"]
mod world;
