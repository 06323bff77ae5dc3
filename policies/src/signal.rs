//! Signals of the host, the container and the runtime: a closed set, each a plain number with the time of its reading.
//!
//! Unknown stays unknown: a signal without a reading is `None`, and a policy that needs it holds. It is never taken for
//! "no pressure".

use std::time::Duration;

use crate::time::Timestamp;

/// Everything that a policy can watch beside the counters of a limiter. Ratios are 0 to 1, times are seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// (usage - inactive file cache) / limit.
    MemoryWorkingSetRatio,
    /// Limit of the cgroup, bytes.
    MemoryLimitBytes,
    /// Share of the last second in which some task waited for memory.
    MemorySome,
    /// Share of the last second in which all tasks waited for memory.
    MemoryFull,
    /// Share of the last second in which some task waited for a CPU.
    CpuSome,
    /// Share of the last second in which some task waited for I/O.
    IoSome,
    /// Share of CFS periods that were throttled.
    ThrottledRatio,
    /// Kernel run delay of all threads per time slice, seconds.
    RunDelayPerSlice,
    /// 99th percentile of the lateness of a timer in the application's runtime, seconds.
    RuntimeDelay,
    /// Refaults of file and anonymous pages per second.
    RefaultsPerSecond,
    /// Times per second that the memory limit was hit.
    LimitHitsPerSecond,
    /// OOM kills so far.
    OomKills,
    /// Tasks of the application's runtime that have not ended: tokio tasks, goroutines.
    Tasks,
    /// 99th percentile of the pauses in which a garbage collector stops the application, over the newest second, seconds.
    GcPause,
    // What garbage collection and parallelism are tuned by.
    /// Limit at which the kernel throttles the cgroup instead of killing, bytes.
    MemoryHighBytes,
    /// Inactive file cache of the cgroup, bytes: the part of its usage that is no working set.
    MemoryInactiveFileBytes,
    /// Which cgroup the memory limit is of: equal for processes that share it.
    MemoryGroup,
    /// Anonymous memory of this process in RAM, bytes.
    ProcessAnonBytes,
    /// Memory that a soft limit of the runtime counts, bytes.
    RuntimeMemoryBytes,
    /// Of that, what is neither a heap object nor free heap, bytes.
    RuntimeOverheadBytes,
    /// Heap that the newest collection found alive, bytes.
    HeapLiveBytes,
    /// What is marked besides the heap, stacks and globals, bytes.
    HeapRootsBytes,
    /// Heap objects, dead ones that are not swept yet too, bytes.
    HeapObjectsBytes,
    /// Size of the heap at which the running or next collection ends, bytes.
    HeapGoalBytes,
    /// Heap bytes allocated so far.
    HeapAllocatedBytes,
    /// Collections so far.
    GcCycles,
    /// CPU time of collections so far, without marking on idle CPUs, seconds.
    GcCpuSeconds,
    /// Share of the usable CPUs that collections took, the same marking left out.
    GcCpuRatio,
    /// Number of the newest collection whose CPU time the runtime had to limit.
    GcLimiterCycle,
    /// Threads that the runtime lets run application code at once.
    RuntimeParallelism,
    /// 99th percentile of the time that runnable tasks of the runtime waited for a thread, seconds.
    SchedulerLatency,
    /// Threads of the process that are stuck in the kernel.
    BlockedThreads,
    /// Threads waiting for a CPU, on average: kernel run delay of all threads, seconds per second.
    RunDelayCores,
    /// CPU quota of the cgroup and everything above it, cores.
    CpuQuotaCores,
    /// CPUs in use by the cgroup, cores.
    CpuUsedCores,
    /// CPUs that the process may run on, cores.
    CpuAffinityCores,
    /// Share of time that the cgroup was throttled.
    ThrottledTimeRatio,
}

impl Signal {
    /// All signals, in order.
    pub const ALL: [Self; 37] = [
        Self::MemoryWorkingSetRatio,
        Self::MemoryLimitBytes,
        Self::MemorySome,
        Self::MemoryFull,
        Self::CpuSome,
        Self::IoSome,
        Self::ThrottledRatio,
        Self::RunDelayPerSlice,
        Self::RuntimeDelay,
        Self::RefaultsPerSecond,
        Self::LimitHitsPerSecond,
        Self::OomKills,
        Self::Tasks,
        Self::GcPause,
        Self::MemoryHighBytes,
        Self::MemoryInactiveFileBytes,
        Self::MemoryGroup,
        Self::ProcessAnonBytes,
        Self::RuntimeMemoryBytes,
        Self::RuntimeOverheadBytes,
        Self::HeapLiveBytes,
        Self::HeapRootsBytes,
        Self::HeapObjectsBytes,
        Self::HeapGoalBytes,
        Self::HeapAllocatedBytes,
        Self::GcCycles,
        Self::GcCpuSeconds,
        Self::GcCpuRatio,
        Self::GcLimiterCycle,
        Self::RuntimeParallelism,
        Self::SchedulerLatency,
        Self::BlockedThreads,
        Self::RunDelayCores,
        Self::CpuQuotaCores,
        Self::CpuUsedCores,
        Self::CpuAffinityCores,
        Self::ThrottledTimeRatio,
    ];

    /// The name in policy files, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryWorkingSetRatio => "memory_working_set_ratio",
            Self::MemoryLimitBytes => "memory_limit_bytes",
            Self::MemorySome => "memory_some_ratio",
            Self::MemoryFull => "memory_full_ratio",
            Self::CpuSome => "cpu_some_ratio",
            Self::IoSome => "io_some_ratio",
            Self::ThrottledRatio => "throttled_ratio",
            Self::RunDelayPerSlice => "run_delay_per_slice_seconds",
            Self::RuntimeDelay => "runtime_delay_seconds",
            Self::RefaultsPerSecond => "refaults_per_second",
            Self::LimitHitsPerSecond => "limit_hits_per_second",
            Self::OomKills => "oom_kills",
            Self::Tasks => "tasks",
            Self::GcPause => "gc_pause_seconds",
            Self::MemoryHighBytes => "memory_high_bytes",
            Self::MemoryInactiveFileBytes => "memory_inactive_file_bytes",
            Self::MemoryGroup => "memory_group",
            Self::ProcessAnonBytes => "process_anon_bytes",
            Self::RuntimeMemoryBytes => "runtime_memory_bytes",
            Self::RuntimeOverheadBytes => "runtime_overhead_bytes",
            Self::HeapLiveBytes => "heap_live_bytes",
            Self::HeapRootsBytes => "heap_roots_bytes",
            Self::HeapObjectsBytes => "heap_objects_bytes",
            Self::HeapGoalBytes => "heap_goal_bytes",
            Self::HeapAllocatedBytes => "heap_allocated_bytes",
            Self::GcCycles => "gc_cycles",
            Self::GcCpuSeconds => "gc_cpu_seconds",
            Self::GcCpuRatio => "gc_cpu_ratio",
            Self::GcLimiterCycle => "gc_limiter_cycle",
            Self::RuntimeParallelism => "runtime_parallelism",
            Self::SchedulerLatency => "scheduler_latency_seconds",
            Self::BlockedThreads => "blocked_threads",
            Self::RunDelayCores => "run_delay_cores",
            Self::CpuQuotaCores => "cpu_quota_cores",
            Self::CpuUsedCores => "cpu_used_cores",
            Self::CpuAffinityCores => "cpu_affinity_cores",
            Self::ThrottledTimeRatio => "throttled_time_ratio",
        }
    }
}

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// In the unit of the signal.
    pub value: f64,
    /// When it was made, on the engine's clock.
    pub at: Timestamp,
}

impl Reading {
    /// How old it is.
    pub const fn age(&self, now: Timestamp) -> Duration {
        now.since(self.at)
    }
}

/// The newest reading of each signal, if there ever was one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signals([Option<Reading>; Signal::ALL.len()]);

// By hand: the language derives it for arrays of up to 32.
impl Default for Signals {
    fn default() -> Self {
        Self([None; Signal::ALL.len()])
    }
}

impl Signals {
    /// The newest reading.
    pub const fn reading(&self, signal: Signal) -> Option<Reading> {
        self.0[signal as usize]
    }

    /// Stores a reading; one that is not a finite number is no reading and is left out.
    pub fn set(&mut self, signal: Signal, value: f64, at: Timestamp) {
        if value.is_finite() {
            self.0[signal as usize] = Some(Reading { value, at });
        }
    }

    /// Stores a reading where there is one.
    pub fn set_known(&mut self, signal: Signal, value: Option<f64>, at: Timestamp) {
        if let Some(value) = value {
            self.set(signal, value, at);
        }
    }

    /// Every signal that has a reading.
    pub fn known(&self) -> impl Iterator<Item = (Signal, Reading)> + '_ {
        Signal::ALL.into_iter().filter_map(|signal| Some((signal, self.reading(signal)?)))
    }
}
