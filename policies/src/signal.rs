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
}

impl Signal {
    /// All signals, in order.
    pub const ALL: [Self; 12] = [
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
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Signals([Option<Reading>; Signal::ALL.len()]);

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
