//! Targets of a runtime: garbage collection and parallelism.
//!
//! Zero is unset for all of their numbers, because none of them makes sense as zero; what the mode of a target needs must
//! be there.

use setpoint_policies::envelope::{GcMode, GcTarget, InvalidGcTarget};
use setpoint_policies::value::Value;

use super::field::{self, At, Trouble, Under};
use super::{BadField, Problem};
use crate::{bounds, v1};

pub(super) fn gc_target(wire: &v1::GcTarget) -> Result<GcTarget, Trouble> {
    let target = GcTarget {
        mode: mode(wire.mode).at("mode")?,
        budget_bytes: bytes(wire.budget_bytes).at("budget_bytes")?,
        memory_limit_bytes: bytes(wire.memory_limit_bytes).at("memory_limit_bytes")?,
        percent: percent(wire.fixed_percent).at("fixed_percent")?,
        percent_min: percent(wire.percent_min).at("percent_min")?.unwrap_or(GcTarget::PERCENT_MIN),
        percent_max: percent(wire.percent_max).at("percent_max")?.unwrap_or(GcTarget::PERCENT_MAX),
        gc_cpu_target: share(wire.gc_cpu_target, GcTarget::GC_CPU_TARGET).at("gc_cpu_target")?,
        gc_cpu_cap: share(wire.gc_cpu_cap, GcTarget::GC_CPU_CAP).at("gc_cpu_cap")?,
        collect: wire.force_collect,
        return_memory: wire.return_memory,
    };
    target.checked().map_err(|invalid| {
        let (field, problem) = match invalid {
            InvalidGcTarget::NoBudget => ("budget_bytes", Problem::Missing),
            InvalidGcTarget::Nothing => ("fixed_percent", Problem::Missing),
            _ => ("percent_min", Problem::OutOfRange("at most percent_max")),
        };
        problem.under(field).into()
    })
}

fn mode(wire: i32) -> Result<GcMode, Trouble> {
    use v1::gc_target::Mode as Wire;
    Ok(match Wire::try_from(wire) {
        Ok(Wire::Unspecified) => return Err(Problem::Missing.into()),
        Ok(Wire::Throughput) => GcMode::Throughput,
        Ok(Wire::Frugal) => GcMode::Frugal,
        Ok(Wire::Fixed) => GcMode::Fixed,
        Err(_) => return Err(Trouble::Unsupported(format!("mode {wire} is not known to this build"))),
    })
}

fn bytes(wire: i64) -> Result<Option<u64>, Problem> {
    match u64::try_from(wire) {
        Ok(0) => Ok(None),
        Ok(bytes) if bytes <= GcTarget::BYTES_LIMIT => Ok(Some(bytes)),
        _ => Err(Problem::OutOfRange("1 byte to 8 PiB, or 0 for unset")),
    }
}

fn percent(wire: i32) -> Result<Option<u32>, Problem> {
    match u32::try_from(wire) {
        Ok(0) => Ok(None),
        Ok(percent) if percent <= GcTarget::PERCENT_LIMIT => Ok(Some(percent)),
        _ => Err(Problem::OutOfRange("1 to 100000, or 0 for unset")),
    }
}

fn share(wire: f64, default: f64) -> Result<f64, Problem> {
    Ok(if field::ratio(wire)? == 0.0 { default } else { wire })
}

pub(super) fn encode_gc_target(target: &GcTarget) -> v1::GcTarget {
    use v1::gc_target::Mode as Wire;
    let bytes = |bytes: Option<u64>| bytes.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let percent = |percent: u32| i32::try_from(percent).unwrap_or(i32::MAX);
    let mode = match target.mode {
        GcMode::Throughput => Wire::Throughput,
        GcMode::Frugal => Wire::Frugal,
        GcMode::Fixed => Wire::Fixed,
    };
    v1::GcTarget {
        budget_bytes: bytes(target.budget_bytes),
        percent_min: percent(target.percent_min),
        percent_max: percent(target.percent_max),
        gc_cpu_target: target.gc_cpu_target,
        gc_cpu_cap: target.gc_cpu_cap,
        mode: mode.into(),
        force_collect: target.collect,
        return_memory: target.return_memory,
        fixed_percent: target.percent.map_or(0, percent),
        memory_limit_bytes: bytes(target.memory_limit_bytes),
    }
}

pub(super) fn parallelism(wire: &v1::Parallelism) -> Result<Value, BadField> {
    Ok(Value::Parallelism {
        threads: threads(wire.threads).and_then(|threads| threads.ok_or(Problem::Missing)).at("threads")?,
        blocking_threads: threads(wire.blocking_threads).at("blocking_threads")?,
    })
}

fn threads(wire: i32) -> Result<Option<u32>, Problem> {
    match u32::try_from(wire) {
        Ok(0) => Ok(None),
        Ok(threads) if threads <= bounds::THREADS => Ok(Some(threads)),
        _ => Err(Problem::OutOfRange("1 to 65536, or 0 for unset")),
    }
}

pub(super) fn encode_parallelism(threads: u32, blocking_threads: Option<u32>) -> v1::Parallelism {
    let wire = |threads: u32| i32::try_from(threads).unwrap_or(i32::MAX);
    v1::Parallelism { threads: wire(threads), blocking_threads: blocking_threads.map_or(0, wire) }
}
