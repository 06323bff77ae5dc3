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
        let fields = [
            (Signal::RunDelayPerSlice, runtime.run_delay_per_slice_seconds, "run_delay_per_slice_seconds"),
            (Signal::RuntimeDelay, runtime.delay_p99_seconds, "delay_p99_seconds"),
            (Signal::GcPause, runtime.gc_pause_p99_seconds, "gc_pause_p99_seconds"),
        ];
        numbers(fields, field::not_negative, &mut signals).at("runtime")?;
        // Zero is not known: what reports has a task of its own.
        let tasks = Some(runtime.tasks).filter(|tasks| *tasks > 0);
        signals.extend(tasks.map(|tasks| (Signal::Tasks, count(tasks))));
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
    if let Some(kills) = wire.oom_kills {
        signals.push((Signal::OomKills, kills as f64));
    }
    Ok(())
}

fn rest_of_container(wire: &v1::ContainerStats, signals: &mut Vec<(Signal, f64)>) -> Result<(), BadField> {
    let ratios = [
        (Signal::MemorySome, wire.psi_mem_some, "psi_mem_some"),
        (Signal::MemoryFull, wire.psi_mem_full, "psi_mem_full"),
        (Signal::CpuSome, wire.psi_cpu_some, "psi_cpu_some"),
        (Signal::IoSome, wire.psi_io_some, "psi_io_some"),
        (Signal::ThrottledRatio, wire.throttled_ratio, "throttled_ratio"),
    ];
    numbers(ratios, field::ratio, signals)?;
    let rates = [
        (Signal::RefaultsPerSecond, wire.refaults_per_second, "refaults_per_second"),
        (Signal::LimitHitsPerSecond, wire.limit_hits_per_second, "limit_hits_per_second"),
    ];
    numbers(rates, field::not_negative, signals)
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
    let limit = known(Signal::MemoryLimitBytes).filter(|limit| *limit >= 1.0);
    let working_set = limit.zip(known(Signal::MemoryWorkingSetRatio)).map(|(limit, ratio)| limit * ratio);
    let container = v1::ContainerStats {
        working_set_bytes: working_set.map(whole),
        limit_bytes: limit.map(whole),
        oom_kills: known(Signal::OomKills).map(whole),
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
