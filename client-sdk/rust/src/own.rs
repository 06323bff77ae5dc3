//! What this process sees of its own container and runtime, for the reports.
//!
//! The sidecar looks as well, and usually from closer. These readings count where it cannot: another mount namespace, no
//! shared cgroup view, or a runtime whose scheduling delay is in no file of the kernel.

mod heartbeat;

use std::time::Duration;

use setpoint_policies::signal::Signal;
use setpoint_signals::{Roots, Sample, Sampler, Target};
use tokio::runtime::Handle;
use tokio::time::Instant;

use heartbeat::Heartbeat;

/// The runtime's delay is a percentile over this long.
const DELAY_WINDOW: Duration = Duration::from_secs(1);

/// Where tasks wait longer than this, seconds, a policy wants to know whether threads are stuck in the kernel.
const LONG_WAIT: f64 = 0.001;

/// Reads the signals of this process.
pub(crate) struct Own {
    sampler: Sampler,
    started: Instant,
    runtime: Option<Handle>,
    heartbeat: Option<Heartbeat>,
    delay: Option<f64>,
    delay_at: Duration,
}

impl Own {
    /// Reads nothing yet. `runtime` is where the application runs, if that is known.
    pub(crate) fn new(runtime: Option<&Handle>) -> Self {
        Self {
            sampler: Sampler::new(Roots::default(), Target::current()),
            started: Instant::now(),
            runtime: runtime.cloned(),
            heartbeat: runtime.map(Heartbeat::start),
            delay: None,
            delay_at: DELAY_WINDOW,
        }
    }

    /// Every signal that is known now. Costs about 10 us; what is due once a second, the memory limit among it, is read
    /// once a second.
    pub(crate) fn signals(&mut self) -> Vec<(Signal, f64)> {
        let now = self.started.elapsed();
        if now >= self.delay_at {
            self.delay_at = now + DELAY_WINDOW;
            self.delay = self.heartbeat.as_ref().and_then(Heartbeat::take_p99);
            self.sampler.look_at_states(self.delay.is_some_and(|delay| delay > LONG_WAIT));
        }
        let delay = self.delay.map(|delay| (Signal::RuntimeDelay, delay));
        from_sample(&self.sampler.sample(now)).chain(delay).chain(self.tasks()).collect()
    }

    /// Tasks that have not ended, the heartbeat's included. A runtime that has ended has none, which says nothing.
    #[allow(clippy::cast_precision_loss, reason = "tasks are far below 2^53")]
    fn tasks(&self) -> Option<(Signal, f64)> {
        let tasks = self.runtime.as_ref()?.metrics().num_alive_tasks();
        (tasks > 0).then_some((Signal::Tasks, tasks as f64))
    }
}

fn from_sample(sample: &Sample) -> impl Iterator<Item = (Signal, f64)> + use<> {
    let memory = &sample.memory;
    #[allow(clippy::cast_precision_loss, reason = "bytes of memory and counts of kills are far below 2^53")]
    let whole = |number: Option<u64>| number.map(|number| number as f64);
    let readings = [
        (Signal::MemoryWorkingSetRatio, memory.working_set_ratio),
        (Signal::MemoryLimitBytes, whole(memory.limit_bytes)),
        (Signal::MemorySome, sample.memory_pressure.some_1s_ratio),
        (Signal::MemoryFull, sample.memory_pressure.full_1s_ratio),
        (Signal::CpuSome, sample.cpu_pressure.some_1s_ratio),
        (Signal::IoSome, sample.io_pressure.some_1s_ratio),
        (Signal::ThrottledRatio, sample.cpu.throttled_ratio),
        (Signal::RunDelayPerSlice, sample.run_delay.run_delay_seconds_per_slice),
        (Signal::RefaultsPerSecond, memory.refaults_per_second),
        (Signal::LimitHitsPerSecond, memory.limit_hits_per_second),
        (Signal::OomKills, whole(memory.oom_kills)),
        (Signal::MemoryHighBytes, whole(memory.high_bytes)),
        (Signal::MemoryInactiveFileBytes, whole(memory.inactive_file_bytes)),
        (Signal::ThrottledTimeRatio, sample.cpu.throttled_seconds_per_second),
        (Signal::CpuQuotaCores, sample.cpu.quota_cores),
        (Signal::CpuUsedCores, sample.cpu.used_cores),
        (Signal::RunDelayCores, sample.run_delay.run_delay_seconds_per_second),
        (Signal::BlockedThreads, sample.run_delay.blocked_threads.map(f64::from)),
    ];
    readings.into_iter().filter_map(|(signal, value)| Some((signal, value?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_s2_the_process_sees_its_own_memory_limit() {
        let mut own = Own::new(None);
        let signals = own.signals();
        let value = |wanted| signals.iter().find(|(signal, _)| *signal == wanted).map(|(_, value)| *value);
        if std::path::Path::new("/proc/meminfo").exists() {
            let limit = value(Signal::MemoryLimitBytes);
            if limit.is_none() {
                eprintln!(
                    "SKIPPED: no memory controller is visible here, faults: {:?}",
                    own.sampler.faults().collect::<Vec<_>>()
                );
                return;
            }
            assert!(limit.is_some_and(|bytes| bytes >= 1024.0 * 1024.0), "{signals:?}");
        }
        assert_eq!(value(Signal::RuntimeDelay), None, "no runtime is known: nothing is said about it");
    }

    #[test]
    fn b3_the_tasks_of_the_runtime_are_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut own = Own::new(Some(runtime.handle()));
        let mut tasks = || own.signals().into_iter().find(|(signal, _)| *signal == Signal::Tasks);
        assert_eq!(tasks(), Some((Signal::Tasks, 1.0)), "the heartbeat");
        let more: Vec<_> = (0..5).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
        assert_eq!(tasks(), Some((Signal::Tasks, 6.0)));
        drop((more, runtime));
        assert_eq!(tasks(), None, "it has ended");
    }

    #[test]
    fn s1_an_unknown_reading_is_left_out() {
        assert_eq!(from_sample(&Sample::default()).count(), 0);
        let mut sample = Sample::default();
        sample.memory.oom_kills = Some(0);
        assert_eq!(from_sample(&sample).collect::<Vec<_>>(), [(Signal::OomKills, 0.0)]);
    }
}
