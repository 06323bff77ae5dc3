//! What is known of a process's memory in one tick, out of its signals.
//!
//! Five numbers are needed: limit, working set, live heap, and what the runtime holds in all and besides objects. Without
//! one of them nothing is decided. The others refine: what is not known is left out of the reckoning, never taken as zero
//! where that would be the permissive guess.

use std::time::Duration;

use crate::policy::{Proposal, Seen};
use crate::signal::Signal;
use crate::time::Timestamp;

const STALE_AFTER: Duration = Duration::from_secs(2);

/// One look at a process. Bytes, seconds, cores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sensed {
    /// When the heap was looked at.
    pub at: Timestamp,
    /// The least of hard limit and throttling limit.
    pub limit: f64,
    /// Working set of the cgroup.
    pub working: f64,
    /// What the runtime's own limit counts.
    pub runtime: f64,
    /// How much of the working set the runtime answers for: the lesser of what it counts (with pages that were never
    /// touched) and the process's anonymous memory (with memory of other libraries).
    pub held: f64,
    pub live: f64,
    pub roots: f64,
    /// Heap objects, alive, dead or not swept yet.
    pub objects: Option<f64>,
    pub overhead: f64,
    /// Totals since the start of the process.
    pub allocated: Option<f64>,
    pub cycles: Option<f64>,
    pub gc_seconds: Option<f64>,
    /// Share of usable CPUs for collections, as the process says.
    pub gc_ratio: Option<f64>,
    pub limiter_cycle: Option<f64>,
    /// Usable CPUs: threads or quota, whichever is less.
    pub cpus: Option<f64>,
    /// Share of the last second that some task waited for memory.
    pub stall: Option<f64>,
    pub limit_hits: Option<f64>,
    pub group: Option<u64>,
}

impl Sensed {
    /// # Errors
    /// What to propose instead when something needed is unknown.
    pub(super) fn of(seen: &Seen<'_>) -> Result<Self, Proposal> {
        let needed = |signal| seen.fresh(signal, STALE_AFTER).map(|value| value.max(0.0));
        let known = |signal| seen.fresh(signal, STALE_AFTER).ok().map(|value| value.max(0.0));
        let hard = needed(Signal::MemoryLimitBytes)?;
        let runtime = needed(Signal::RuntimeMemoryBytes)?;
        let live = needed(Signal::HeapLiveBytes)?;
        let threads = known(Signal::RuntimeParallelism).filter(|threads| *threads > 0.0);
        let quota = known(Signal::CpuQuotaCores).filter(|quota| *quota > 0.0);
        Ok(Self {
            at: seen.reading(Signal::HeapLiveBytes).map_or(seen.now, |reading| reading.at),
            limit: known(Signal::MemoryHighBytes)
                .filter(|high| *high > 0.0)
                .map_or(hard, |high| high.min(hard)),
            working: needed(Signal::MemoryWorkingSetRatio)? * hard,
            runtime,
            held: known(Signal::ProcessAnonBytes).map_or(runtime, |anon| anon.min(runtime)),
            live,
            roots: known(Signal::HeapRootsBytes).unwrap_or(0.0),
            objects: known(Signal::HeapObjectsBytes),
            overhead: needed(Signal::RuntimeOverheadBytes)?,
            allocated: known(Signal::HeapAllocatedBytes),
            cycles: known(Signal::GcCycles),
            gc_seconds: known(Signal::GcCpuSeconds),
            gc_ratio: known(Signal::GcCpuRatio),
            limiter_cycle: known(Signal::GcLimiterCycle),
            cpus: threads.into_iter().chain(quota).reduce(f64::min),
            stall: known(Signal::MemorySome),
            limit_hits: known(Signal::LimitHitsPerSecond),
            group: known(Signal::MemoryGroup).filter(|group| *group > 0.0).map(|group| group as u64),
        })
    }

    /// What a collection has to mark.
    pub(super) fn marked(&self) -> f64 {
        self.live + self.roots
    }
}
