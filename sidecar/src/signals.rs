//! From one look at the kernel to the closed set of signals that policies know.
//!
//! A reading of the whole node stands in only where the cgroup has none of its own kind: on a shared node it is mostly
//! somebody else's problem.

use setpoint_policies::signal::{Signal, Signals};
use setpoint_policies::time::Timestamp;
use setpoint_signals::{Pressure, Sample};
use std::time::Duration;

/// The signals of a sample. Each carries the time of its reading; a reading that is missing is left out.
///
/// The sample's clock must have the origin of the engine's.
pub fn signals(sample: &Sample) -> Signals {
    let mut signals = Signals::default();
    let mut set = |signal, value: Option<f64>, at: Option<Duration>| {
        if let Some(at) = at {
            signals.set_known(signal, value, Timestamp::ZERO + at);
        }
    };
    let memory = &sample.memory;
    set(Signal::MemoryWorkingSetRatio, memory.working_set_ratio, memory.at);
    set(Signal::MemoryLimitBytes, memory.limit_bytes.map(|bytes| bytes as f64), memory.at);
    set(Signal::RefaultsPerSecond, memory.refaults_per_second, memory.stat_at);
    set(Signal::LimitHitsPerSecond, memory.limit_hits_per_second, memory.events_at);
    set(Signal::OomKills, memory.oom_kills.map(|kills| kills as f64), memory.events_at);
    set(Signal::MemoryHighBytes, memory.high_bytes.map(|bytes| bytes as f64), memory.at);
    set(
        Signal::MemoryInactiveFileBytes,
        memory.inactive_file_bytes.map(|bytes| bytes as f64),
        memory.stat_at,
    );
    let memory_pressure = or_node(&sample.memory_pressure, &sample.node_memory_pressure);
    set(Signal::MemorySome, memory_pressure.some_1s_ratio, memory_pressure.at);
    set(Signal::MemoryFull, memory_pressure.full_1s_ratio, memory_pressure.at);
    let cpu_pressure = or_node(&sample.cpu_pressure, &sample.node_cpu_pressure);
    set(Signal::CpuSome, cpu_pressure.some_1s_ratio, cpu_pressure.at);
    let io_pressure = or_node(&sample.io_pressure, &sample.node_io_pressure);
    set(Signal::IoSome, io_pressure.some_1s_ratio, io_pressure.at);
    let cpu = &sample.cpu;
    set(Signal::ThrottledRatio, cpu.throttled_ratio, cpu.throttled_at);
    set(Signal::ThrottledTimeRatio, cpu.throttled_seconds_per_second, cpu.throttled_at);
    set(Signal::CpuQuotaCores, cpu.quota_cores, cpu.quota_at);
    set(Signal::CpuUsedCores, cpu.used_cores, cpu.at);
    let run_delay = &sample.run_delay;
    set(Signal::RunDelayPerSlice, run_delay.run_delay_seconds_per_slice, run_delay.at);
    set(Signal::RunDelayCores, run_delay.run_delay_seconds_per_second, run_delay.at);
    set(Signal::BlockedThreads, run_delay.blocked_threads.map(f64::from), run_delay.at);
    signals
}

/// The cgroup's own pressure if it was ever read, else the node's.
fn or_node<'a>(own: &'a Pressure, node: &'a Pressure) -> &'a Pressure {
    if own.at.is_some() { own } else { node }
}

#[cfg(test)]
mod tests {
    use super::*;
    use setpoint_signals::Memory;

    const AT: Option<Duration> = Some(Duration::from_secs(7));

    fn pressure(some: f64) -> Pressure {
        Pressure { at: AT, some_1s_ratio: Some(some), ..Pressure::default() }
    }

    fn value(sample: &Sample, signal: Signal) -> Option<f64> {
        signals(sample).reading(signal).map(|reading| reading.value)
    }

    #[test]
    fn missing_is_missing() {
        assert_eq!(signals(&Sample::default()).known().count(), 0);
        let memory = Memory { at: AT, working_set_ratio: None, limit_bytes: Some(1024), ..Memory::default() };
        let sample = Sample { memory, ..Sample::default() };
        assert_eq!(value(&sample, Signal::MemoryWorkingSetRatio), None);
        assert_eq!(value(&sample, Signal::MemoryLimitBytes), Some(1024.0));
    }

    #[test]
    fn the_node_stands_in_only_where_the_cgroup_has_nothing() {
        let node = Sample { node_cpu_pressure: pressure(0.9), ..Sample::default() };
        assert_eq!(value(&node, Signal::CpuSome), Some(0.9));
        let both = Sample { cpu_pressure: pressure(0.1), ..node.clone() };
        assert_eq!(value(&both, Signal::CpuSome), Some(0.1));
        // The cgroup's file can be read, there is just no rate yet: the node's value would be of another thing.
        let no_rate = Sample { cpu_pressure: Pressure { at: AT, ..Pressure::default() }, ..node };
        assert_eq!(value(&no_rate, Signal::CpuSome), None);
    }

    #[test]
    fn a_reading_keeps_its_time() {
        let sample = Sample { at: Duration::from_secs(9), io_pressure: pressure(0.2), ..Sample::default() };
        let reading = signals(&sample).reading(Signal::IoSome).expect("set");
        assert_eq!(reading.at, Timestamp::from_millis(7000));
    }
}
