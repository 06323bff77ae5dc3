//! On this machine's kernel: groups made for the test, real processes in them. What cannot run here says so.
//!
//! The sampler's time is an argument, so the tests wait for the kernel's counters to move and then tell it that a second has passed.

use super::tree::SECOND;
use setpoint_signals::{LimitFrom, ReadError, Roots, Sampler, Target};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MEMORY: &str = "/sys/fs/cgroup/memory";
const CPU: &str = "/sys/fs/cgroup/cpu";
const FREEZER: &str = "/sys/fs/cgroup/freezer";
const UNIFIED: &str = "/sys/fs/cgroup/unified";
const MIB: u64 = 1 << 20;

/// A cgroup made for one test and removed with it.
struct Made(PathBuf);

impl Made {
    /// `None`, loudly, when this machine does not let us.
    fn try_new(hierarchy: &str, name: &str) -> Option<Self> {
        let path = Path::new(hierarchy).join(format!("setpoint-test-{}-{name}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                eprintln!("NOT RUN: cannot make a cgroup in {hierarchy}: {error}");
                None
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).expect("a writable cgroup file");
    }

    fn number(&self, file: &str, key: &str) -> u64 {
        let text = std::fs::read_to_string(self.file(file)).expect("readable");
        let value = text
            .split_whitespace()
            .skip_while(|word| !key.is_empty() && *word != key)
            .nth(usize::from(!key.is_empty()));
        value.and_then(|value| value.parse().ok()).expect("a number")
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A group can be removed once its last process has been reaped, which `Running` has seen to.
        if let Err(error) = std::fs::remove_dir(&self.0)
            && self.0.exists()
        {
            eprintln!("LEFT BEHIND: {}: {error}", self.0.display());
        }
    }
}

/// A child that ends with the test.
struct Running(Child);

impl Running {
    /// Runs `script` in the groups; everything it does is charged to them.
    fn shell(groups: &[&Made], script: &str) -> Self {
        let join: String = groups
            .iter()
            .map(|made| format!("echo $$ > {} && ", made.file("cgroup.procs").display()))
            .collect();
        let mut shell = Command::new("/bin/sh");
        let child = shell.arg("-c").arg(join + script).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("a shell"))
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        self.0.wait().expect("reaped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for the kernel, at most half a minute.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(30), "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn s1_usage_and_limit_of_a_real_process_and_their_end() {
    let Some(group) = Made::try_new(MEMORY, "memory") else { return };
    group.write("memory.limit_in_bytes", "67108864");
    let mut child = Running::shell(&[&group], "exec /bin/sleep 60");
    until("sleep runs in the group", || {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", child.0.id())).unwrap_or_default();
        name == "sleep\n" && group.number("memory.usage_in_bytes", "") > 0
    });
    let mut of_process = Sampler::new(Roots::default(), Target::pid(child.0.id()));
    let mut of_group = Sampler::new(Roots::default(), Target::cgroup(&group.0));
    for sampler in [&mut of_process, &mut of_group] {
        let memory = sampler.sample(Duration::ZERO).memory;
        assert!((1..64 * MIB).contains(&memory.usage_bytes.expect("usage")), "{memory:?}");
        assert_eq!((memory.limit_bytes, memory.limit_from), (Some(64 * MIB), Some(LimitFrom::Cgroup)));
        assert!(memory.working_set_ratio.is_some_and(|ratio| ratio < 1.0), "{memory:?}");
        assert_eq!(memory.oom_kills, Some(0));
    }
    group.write("memory.limit_in_bytes", "33554432");
    assert_eq!(
        of_process.sample(SECOND / 10).memory.limit_bytes,
        Some(32 * MIB),
        "resized in place, seen at the next call"
    );

    child.end();
    until("the empty group can be removed", || std::fs::remove_dir(&group.0).is_ok());
    let gone = of_group.sample(SECOND).memory;
    assert_eq!((gone.usage_bytes, gone.limit_bytes, gone.at), (None, None, Some(Duration::ZERO)));
    let faults: Vec<_> = of_group.faults().map(|(_, fault)| fault.to_string()).collect();
    assert!(faults.contains(&ReadError::Removed.to_string()), "{faults:?}");
    let ended = of_process.sample(SECOND);
    assert_eq!((ended.memory.usage_bytes, ended.run_delay.threads), (None, None));

    std::fs::create_dir(&group.0).expect("made again");
    assert_eq!(of_group.sample(2 * SECOND).memory.usage_bytes, None, "not before it is time to look again");
    let back = of_group.sample(11 * SECOND).memory;
    assert_eq!(back.usage_bytes, Some(0));
    assert_eq!(back.limit_from, Some(LimitFrom::Node), "the new group has no limit");
    assert_eq!(back.limit_hits_per_second, None, "another group, another history");
}

#[test]
fn s1_an_oom_kill_and_the_limit_hits_before_it_are_seen() {
    let Some(group) = Made::try_new(MEMORY, "oom") else { return };
    group.write("memory.limit_in_bytes", "8388608");
    group.write("memory.swappiness", "0");
    let mut sampler = Sampler::new(Roots::default(), Target::cgroup(&group.0));
    sampler.sample(Duration::ZERO);
    let mut child = Running::shell(&[&group], "exec dd if=/dev/zero of=/dev/null bs=64M count=1");
    until("the kernel kills it", || group.number("memory.oom_control", "oom_kill") > 0);
    let memory = sampler.sample(SECOND).memory;
    assert_eq!(memory.oom_kills, Some(1));
    assert!(memory.limit_hits_per_second.is_some_and(|rate| rate >= 1.0), "{memory:?}");
    child.end();
}

#[test]
fn s2_throttling_and_cpu_pressure_of_a_group_over_its_quota() {
    let Some(cpu) = Made::try_new(CPU, "quota") else { return };
    let Some(unified) = Made::try_new(UNIFIED, "quota") else { return };
    cpu.write("cpu.cfs_quota_us", "5000");
    cpu.write("cpu.cfs_period_us", "50000");
    let child = Running::shell(&[&cpu, &unified], "while :; do :; done");
    let mut sampler = Sampler::new(Roots::default(), Target::pid(child.0.id()));
    until("it has joined both groups", || {
        std::fs::read_to_string(unified.file("cgroup.procs")).is_ok_and(|members| !members.is_empty())
    });
    sampler.sample(Duration::ZERO);
    let before = cpu.number("cpu.stat", "nr_throttled");
    until("its quota runs out", || cpu.number("cpu.stat", "nr_throttled") >= before + 5);
    let sample = sampler.sample(SECOND);
    assert!(sample.cpu.quota_cores.is_some_and(|cores| (cores - 0.1).abs() < 1e-9), "{:?}", sample.cpu);
    assert!(sample.cpu.throttled_ratio.is_some_and(|ratio| ratio > 0.5), "{:?}", sample.cpu);
    assert!(sample.cpu.throttled_seconds_per_second.is_some_and(|seconds| seconds > 0.0), "{:?}", sample.cpu);
    assert!(sample.cpu_pressure.full_1s_ratio.is_some_and(|ratio| ratio > 0.0), "{:?}", sample.cpu_pressure);
    assert!(sample.memory_pressure.some_1s_ratio.is_some(), "{:?}", sample.memory_pressure);
    assert!(sample.io_pressure.some_1s_ratio.is_some(), "{:?}", sample.io_pressure);

    unified.write("cgroup.pressure", "0");
    let off = sampler.sample(2 * SECOND);
    assert_eq!(
        (off.cpu_pressure.some_1s_ratio, off.cpu_pressure.at),
        (None, Some(SECOND)),
        "accounting switched off"
    );
    assert!(off.cpu.throttled_ratio.is_some() && off.node_cpu_pressure.some_1s_ratio.is_some());
}

#[test]
fn s2_a_process_that_stands_still_in_the_kernel_is_seen() {
    // Nothing else that an ordinary process can do puts it into state D for as long as it likes.
    let Some(group) = Made::try_new(FREEZER, "blocked") else { return };
    let mut child = Running::shell(&[&group], "exec sleep 60");
    let joined = || std::fs::read_to_string(group.file("cgroup.procs")).is_ok_and(|ids| !ids.is_empty());
    until("the child has joined", joined);
    let mut sampler = Sampler::new(Roots::default(), Target::pid(child.0.id()));
    sampler.sample(Duration::ZERO);
    let running = sampler.sample(SECOND).run_delay.blocked_threads;
    group.write("freezer.state", "FROZEN");
    let state = || std::fs::read_to_string(group.file("freezer.state")).unwrap_or_default();
    until("the child is frozen", || state() == "FROZEN\n");
    let frozen = sampler.sample(2 * SECOND).run_delay.blocked_threads;
    group.write("freezer.state", "THAWED"); // before anything can fail: what is frozen cannot be killed
    let thawed = sampler.sample(4 * SECOND).run_delay.blocked_threads;
    child.end();
    assert_eq!((running, frozen, thawed), (Some(0), Some(1), Some(0)));
}

#[test]
fn s2_run_delay_of_threads_that_crowd_each_other_out() {
    if !Path::new("/proc/self/task").is_dir() || !Path::new("/proc/self/schedstat").exists() {
        eprintln!("NOT RUN: this kernel does not account run delay");
        return;
    }
    let spinning = 3 * std::thread::available_parallelism().expect("known").get();
    let mut sampler = Sampler::new(Roots::default(), Target::current());
    sampler.sample(Duration::ZERO);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop_them = StopOnDrop(&stop);
        for _ in 0..spinning {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let listed = sampler.sample(SECOND).run_delay.threads;
        assert!(listed > u32::try_from(spinning).ok(), "new threads are seen at the next pass: {listed:?}");
        let mut second = 1;
        until("threads wait for each other", || {
            second += 1;
            let values = sampler.sample(SECOND * second).run_delay;
            let waits = [values.run_delay_seconds_per_second, values.run_delay_seconds_per_slice];
            waits.iter().all(|wait| *wait > Some(0.0)) && values.run_slices_per_second > Some(0.0)
        });
    });
}

/// Lets the spinning threads go, whether the test has passed or not.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn s1_the_nodes_own_files_are_read() {
    let mut sampler = Sampler::new(Roots::default(), Target::current());
    sampler.sample(Duration::ZERO);
    let sample = sampler.sample(SECOND);
    let memory = sample.node_memory;
    assert!(
        memory.available_bytes.is_some_and(|available| available > 0 && Some(available) < memory.total_bytes)
    );
    if !Path::new("/proc/pressure/memory").exists() {
        eprintln!("NOT RUN: this kernel has no pressure files");
        return;
    }
    for pressure in [sample.node_memory_pressure, sample.node_cpu_pressure, sample.node_io_pressure] {
        assert!(pressure.some_1s_ratio.is_some_and(|ratio| (0.0..=1.0).contains(&ratio)), "{pressure:?}");
    }
}
