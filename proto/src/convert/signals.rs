//! Signals of the container and the runtime, as the process itself sees them.
//!
//! The wire carries memory in bytes, so that a reader in any language can show it; the domain carries the working set as
//! a ratio of the limit, because that is what policies compare. Without a limit there is no ratio, and without a ratio
//! nothing is said about the working set.

use setpoint_policies::signal::Signal;

use super::field::{self, At, Under};
use super::{BadField, Problem};
use crate::v1;

pub(super) fn signals(
    container: Option<&v1::ContainerStats>,
    runtime: Option<&v1::RuntimeStats>,
) -> Result<Vec<(Signal, f64)>, BadField> {
    let mut signals = Vec::new();
    if let Some(container) = container {
        memory(container, &mut signals).at("container")?;
        rest_of_container(container, &mut signals).at("container")?;
    }
    if let Some(runtime) = runtime {
        // Zero is not known: what reports has a task of its own.
        let tasks = Some(runtime.tasks).filter(|tasks| *tasks > 0);
        signals.extend(tasks.map(|tasks| (Signal::Tasks, count(tasks))));
        rest_of_runtime(runtime, &mut signals).at("runtime")?;
    }
    signals.sort_by_key(|(signal, _)| *signal);
    Ok(signals)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a number of tasks is far below 2^53, and any other is nonsense anyway"
)]
const fn count(number: u64) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "bytes of memory and counts of kills are far below 2^53")]
fn memory(wire: &v1::ContainerStats, signals: &mut Vec<(Signal, f64)>) -> Result<(), BadField> {
    if wire.limit_bytes == Some(0) {
        return Err(Problem::OutOfRange("above 0")).at("limit_bytes");
    }
    if let Some(limit) = wire.limit_bytes {
        signals.push((Signal::MemoryLimitBytes, limit as f64));
        if let Some(working_set) = wire.working_set_bytes {
            signals.push((Signal::MemoryWorkingSetRatio, working_set as f64 / limit as f64));
        }
    }
    let counts = [
        (Signal::OomKills, wire.oom_kills),
        (Signal::MemoryHighBytes, wire.high_bytes),
        (Signal::MemoryInactiveFileBytes, wire.inactive_file_bytes),
        (Signal::MemoryGroup, wire.limit_group),
    ];
    wholes(counts, signals);
    Ok(())
}

fn rest_of_container(wire: &v1::ContainerStats, signals: &mut Vec<(Signal, f64)>) -> Result<(), BadField> {
    let ratios = [
        (Signal::MemorySome, wire.psi_mem_some, "psi_mem_some"),
        (Signal::MemoryFull, wire.psi_mem_full, "psi_mem_full"),
        (Signal::CpuSome, wire.psi_cpu_some, "psi_cpu_some"),
        (Signal::IoSome, wire.psi_io_some, "psi_io_some"),
        (Signal::ThrottledRatio, wire.throttled_ratio, "throttled_ratio"),
        (Signal::ThrottledTimeRatio, wire.throttled_time_ratio, "throttled_time_ratio"),
    ];
    numbers(ratios, field::ratio, signals)?;
    let rates = [
        (Signal::RefaultsPerSecond, wire.refaults_per_second, "refaults_per_second"),
        (Signal::LimitHitsPerSecond, wire.limit_hits_per_second, "limit_hits_per_second"),
        (Signal::CpuUsedCores, wire.cpu_used_cores, "cpu_used_cores"),
    ];
    numbers(rates, field::not_negative, signals)?;
    let cores = [
        (Signal::CpuQuotaCores, wire.cpu_quota_cores, "cpu_quota_cores"),
        (Signal::CpuAffinityCores, wire.cpu_affinity_cores, "cpu_affinity_cores"),
    ];
    numbers(cores, above_zero, signals)
}

fn rest_of_runtime(wire: &v1::RuntimeStats, signals: &mut Vec<(Signal, f64)>) -> Result<(), BadField> {
    let counts = [
        (Signal::HeapLiveBytes, wire.heap_live),
        (Signal::HeapRootsBytes, wire.heap_roots),
        (Signal::HeapObjectsBytes, wire.heap_objects),
        (Signal::HeapGoalBytes, wire.heap_goal),
        (Signal::HeapAllocatedBytes, wire.heap_allocated),
        (Signal::GcCycles, wire.gc_cycles),
        (Signal::GcLimiterCycle, wire.gc_limiter_cycle),
        (Signal::RuntimeMemoryBytes, wire.runtime_memory),
        (Signal::RuntimeOverheadBytes, wire.runtime_overhead),
        (Signal::ProcessAnonBytes, wire.process_anon),
        (Signal::BlockedThreads, wire.blocked_threads),
    ];
    wholes(counts, signals);
    let quantities = [
        (Signal::RunDelayPerSlice, wire.run_delay_per_slice_seconds, "run_delay_per_slice_seconds"),
        (Signal::RuntimeDelay, wire.delay_p99_seconds, "delay_p99_seconds"),
        (Signal::GcPause, wire.gc_pause_p99_seconds, "gc_pause_p99_seconds"),
        (Signal::GcCpuSeconds, wire.gc_cpu_seconds, "gc_cpu_seconds"),
        (Signal::SchedulerLatency, wire.sched_latency_p99_seconds, "sched_latency_p99_seconds"),
        (Signal::RunDelayCores, wire.run_delay_share, "run_delay_share"),
    ];
    numbers(quantities, field::not_negative, signals)?;
    numbers([(Signal::GcCpuRatio, wire.gc_cpu_share, "gc_cpu_share")], field::ratio, signals)?;
    let threads = wire.parallelism.map(f64::from);
    numbers([(Signal::RuntimeParallelism, threads, "parallelism")], above_zero, signals)
}

fn above_zero(number: f64) -> Result<f64, Problem> {
    if field::finite(number)? > 0.0 { Ok(number) } else { Err(Problem::OutOfRange("above 0")) }
}

#[allow(clippy::cast_precision_loss, reason = "bytes and counts are far below 2^53")]
fn wholes<const N: usize>(fields: [(Signal, Option<u64>); N], signals: &mut Vec<(Signal, f64)>) {
    signals.extend(fields.into_iter().filter_map(|(signal, number)| Some((signal, number? as f64))));
}

fn numbers<const N: usize>(
    fields: [(Signal, Option<f64>, &str); N],
    check: fn(f64) -> Result<f64, Problem>,
    signals: &mut Vec<(Signal, f64)>,
) -> Result<(), BadField> {
    for (signal, number, name) in fields {
        if let Some(number) = number {
            signals.push((signal, check(number).map_err(|problem| problem.under(name))?));
        }
    }
    Ok(())
}

/// The two groups of the wire, each only when something in it is known.
pub(super) fn encode(signals: &[(Signal, f64)]) -> (Option<v1::ContainerStats>, Option<v1::RuntimeStats>) {
    let known = |wanted: Signal| {
        let sound =
            |(signal, number): &&(Signal, f64)| *signal == wanted && number.is_finite() && *number >= 0.0;
        signals.iter().find(sound).map(|(_, number)| *number)
    };
    let ratio = |wanted| known(wanted).map(|number: f64| number.min(1.0));
    let positive = |wanted| known(wanted).filter(|number| *number > 0.0);
    let limit = known(Signal::MemoryLimitBytes).filter(|limit| *limit >= 1.0);
    let working_set = limit.zip(known(Signal::MemoryWorkingSetRatio)).map(|(limit, ratio)| limit * ratio);
    let container = v1::ContainerStats {
        working_set_bytes: working_set.map(whole),
        limit_bytes: limit.map(whole),
        oom_kills: known(Signal::OomKills).map(whole),
        high_bytes: known(Signal::MemoryHighBytes).map(whole),
        inactive_file_bytes: known(Signal::MemoryInactiveFileBytes).map(whole),
        limit_group: known(Signal::MemoryGroup).map(whole),
        cpu_quota_cores: positive(Signal::CpuQuotaCores),
        cpu_affinity_cores: positive(Signal::CpuAffinityCores),
        cpu_used_cores: known(Signal::CpuUsedCores),
        throttled_time_ratio: ratio(Signal::ThrottledTimeRatio),
        throttled_ratio: ratio(Signal::ThrottledRatio),
        psi_mem_some: ratio(Signal::MemorySome),
        psi_mem_full: ratio(Signal::MemoryFull),
        psi_cpu_some: ratio(Signal::CpuSome),
        psi_io_some: ratio(Signal::IoSome),
        limit_hits_per_second: known(Signal::LimitHitsPerSecond),
        refaults_per_second: known(Signal::RefaultsPerSecond),
        ..Default::default()
    };
    let runtime = v1::RuntimeStats {
        delay_p99_seconds: known(Signal::RuntimeDelay),
        run_delay_per_slice_seconds: known(Signal::RunDelayPerSlice),
        gc_pause_p99_seconds: known(Signal::GcPause),
        tasks: known(Signal::Tasks).map_or(0, whole),
        run_delay_share: known(Signal::RunDelayCores),
        sched_latency_p99_seconds: known(Signal::SchedulerLatency),
        gc_cpu_seconds: known(Signal::GcCpuSeconds),
        gc_cpu_share: ratio(Signal::GcCpuRatio),
        parallelism: known(Signal::RuntimeParallelism)
            .and_then(|threads| i32::try_from(whole(threads)).ok())
            .filter(|threads| *threads > 0),
        heap_live: known(Signal::HeapLiveBytes).map(whole),
        heap_roots: known(Signal::HeapRootsBytes).map(whole),
        heap_objects: known(Signal::HeapObjectsBytes).map(whole),
        heap_goal: known(Signal::HeapGoalBytes).map(whole),
        heap_allocated: known(Signal::HeapAllocatedBytes).map(whole),
        gc_cycles: known(Signal::GcCycles).map(whole),
        gc_limiter_cycle: known(Signal::GcLimiterCycle).map(whole),
        runtime_memory: known(Signal::RuntimeMemoryBytes).map(whole),
        runtime_overhead: known(Signal::RuntimeOverheadBytes).map(whole),
        process_anon: known(Signal::ProcessAnonBytes).map(whole),
        blocked_threads: known(Signal::BlockedThreads).map(whole),
        ..Default::default()
    };
    let container = Some(container).filter(|stats| *stats != v1::ContainerStats::default());
    (container, Some(runtime).filter(|stats| *stats != v1::RuntimeStats::default()))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sound numbers only; the cast saturates"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_tasks_is_an_unknown_one() {
        let read = |tasks| signals(None, Some(&v1::RuntimeStats { tasks, ..Default::default() }));
        assert_eq!(read(0), Ok(Vec::new()));
        assert_eq!(read(7), Ok(vec![(Signal::Tasks, 7.0)]));
        assert_eq!(encode(&[(Signal::Tasks, f64::NAN)]), (None, None));
    }
}
