//! What one look at the kernel found: plain data, every field a raw reading or a rate over real time, `None` when unknown.
//!
//! `at` fields are the time of the last successful reading behind their group, on the caller's clock; they stay when the
//! reading later fails, so that a caller can say since when it has been blind (a target that has moved or ended starts anew). A field
//! that may be `None` for want of a bound is to be read with its `at`: fresh and `None` is "no bound", old and `None` is "unknown".

use std::time::Duration;

/// All signals of one target at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When the sample was taken, as given by the caller.
    pub at: Duration,
    /// The cgroup's memory.
    pub memory: Memory,
    /// Time lost waiting for memory in the cgroup.
    pub memory_pressure: Pressure,
    /// Time lost waiting for a CPU in the cgroup; `full` is the time in which it was throttled or crowded out altogether.
    pub cpu_pressure: Pressure,
    /// Time lost waiting for disks in the cgroup.
    pub io_pressure: Pressure,
    /// As `memory_pressure`, for the whole node: somebody's problem, not necessarily this service's.
    pub node_memory_pressure: Pressure,
    /// As `cpu_pressure`, for the whole node; it has no `full` (the kernel defines none and prints zero).
    pub node_cpu_pressure: Pressure,
    /// As `io_pressure`, for the whole node.
    pub node_io_pressure: Pressure,
    /// The node's memory.
    pub node_memory: NodeMemory,
    /// The cgroup's CPU use and quota.
    pub cpu: Cpu,
    /// What the process's threads wait for a CPU.
    pub run_delay: RunDelay,
}

/// Where the effective memory limit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFrom {
    /// The group or one of its ancestors.
    Cgroup,
    /// No group has a smaller limit than the node has memory.
    Node,
}

/// A cgroup's memory. In the root group of v1 these are the node's; the root group of v2 has none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Of usage and limit: read on every call.
    pub at: Option<Duration>,
    /// Everything charged to the group, page cache included.
    pub usage_bytes: Option<u64>,
    /// The smallest limit of the group, its visible ancestors and the node's memory.
    pub limit_bytes: Option<u64>,
    /// Which of these it is.
    pub limit_from: Option<LimitFrom>,
    /// Usage without the page cache that the kernel would drop first. Usage is of now, the cache of `stat_at`.
    pub working_set_bytes: Option<u64>,
    /// Working set over limit; above 1 is possible for a moment after the limit was lowered.
    pub working_set_ratio: Option<f64>,
    /// Of `memory.stat`, behind the fields from here to `major_faults_per_second`: read once a second.
    pub stat_at: Option<Duration>,
    /// v2 only: the smallest `memory.high`, above which the kernel slows the group down; `None` when there is none.
    pub high_bytes: Option<u64>,
    /// Page cache not used lately.
    pub inactive_file_bytes: Option<u64>,
    /// Pages read again soon after they had been evicted, files and swap; over the last second.
    pub refaults_per_second: Option<f64>,
    /// The part of these that came from swap; `None` before Linux 5.9.
    pub anon_refaults_per_second: Option<f64>,
    /// Faults that waited for a disk; over the last second.
    pub major_faults_per_second: Option<f64>,
    /// Of limit hits and kills: read on every call.
    pub events_at: Option<Duration>,
    /// How often usage ran into `memory.high` or the limit; over the last second.
    pub limit_hits_per_second: Option<f64>,
    /// Processes of the group killed for want of memory, since it was made.
    pub oom_kills: Option<u64>,
}

/// Shares of time, 0 to 1, lost to waiting: over the last second and the last ten.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// When it was read: on every call, node CPU and IO once a second where the cgroup has its own.
    pub at: Option<Duration>,
    /// At least one task waited; last second.
    pub some_1s_ratio: Option<f64>,
    /// At least one task waited; last ten seconds.
    pub some_10s_ratio: Option<f64>,
    /// All tasks waited; last second.
    pub full_1s_ratio: Option<f64>,
    /// All tasks waited; last ten seconds.
    pub full_10s_ratio: Option<f64>,
}

/// The node's memory, read once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeMemory {
    /// When it was read.
    pub at: Option<Duration>,
    /// Installed and usable.
    pub total_bytes: Option<u64>,
    /// What could be had without swapping.
    pub available_bytes: Option<u64>,
}

/// A cgroup's CPU use. In the root group use is the node's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Of use: read on every call.
    pub at: Option<Duration>,
    /// CPU seconds used per second, over the last second.
    pub used_cores: Option<f64>,
    /// Of throttling: read on every call.
    pub throttled_at: Option<Duration>,
    /// Share of the last second's enforcement periods in which the group ran out of quota; 0 when no period was enforced.
    pub throttled_ratio: Option<f64>,
    /// Time spent out of quota per second, summed over CPUs, so it can exceed 1.
    pub throttled_seconds_per_second: Option<f64>,
    /// Of the quota: read once a second.
    pub quota_at: Option<Duration>,
    /// The smallest quota of the group and its visible ancestors; `None` when there is none.
    pub quota_cores: Option<f64>,
}

/// What a process's threads waited for a CPU, over the last second or whatever lay between two readings.
///
/// A wait is booked when it ends, and threads that ended between two readings are not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunDelay {
    /// When it was read: once a second.
    pub at: Option<Duration>,
    /// How many threads the process had when they were last listed.
    pub threads: Option<u32>,
    /// How many of them the rates were computed from; when not all could be watched, rates are scaled up to all.
    pub threads_read: Option<u32>,
    /// Mean wait before a thread got a CPU; `None` when none got one.
    pub run_delay_seconds_per_slice: Option<f64>,
    /// Waiting time of all threads together per second.
    pub run_delay_seconds_per_second: Option<f64>,
    /// How often per second a thread was given a CPU: few slices make the mean above uncertain.
    pub run_slices_per_second: Option<f64>,
    /// Threads that were stuck in the kernel (state D) when this was read; scaled up when not all were looked at.
    pub blocked_threads: Option<u32>,
}
