//! Real cgroups around the real service, as a container runtime makes them. Version 1, because that is what can be made
//! without owning the whole machine; needs root and the two controllers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use setpoint::status::Status;
use setpoint_integration::load::Generator;

use crate::service::{DemoService, SERVICE, load};
use crate::sidecar::{PUSHED, Sidecar, fixed, guarded_command, session};
use crate::until::PATIENCE;

const DEMO_SERVICE: &str = env!("CARGO_BIN_EXE_demo-service");

/// A cgroup of our own; removed when dropped, after its processes.
pub struct Group(PathBuf);

impl Group {
    /// Makes one below the root of this controller of version 1; `None`, loudly, where that cannot be done.
    pub fn make(controller: &str, name: &str, test: &str) -> Option<Self> {
        let name = format!("setpoint-{}-{name}", std::process::id());
        let path = Path::new("/sys/fs/cgroup").join(controller).join(name);
        match fs::create_dir(&path) {
            Ok(()) if path.join("cgroup.procs").exists() => Some(Self(path)),
            made => {
                eprintln!("SKIPPED {test}: no cgroup can be made at {}: {made:?}", path.display());
                let _ = fs::remove_dir(&path);
                None
            }
        }
    }

    pub fn set(&self, file: &str, value: u64) {
        fs::write(self.0.join(file), value.to_string()).unwrap();
    }

    /// The same for a file that not every kernel has.
    pub fn try_set(&self, file: &str, value: u64) {
        if let Err(error) = fs::write(self.0.join(file), value.to_string()) {
            eprintln!("{file} is not set: {error}");
        }
    }

    /// Processes in it that were killed for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let control = fs::read_to_string(self.0.join("memory.oom_control")).unwrap();
        let kills = control.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.expect("Linux 4.13 or newer").parse().unwrap()
    }

    /// The most memory that was ever charged to it, bytes.
    pub fn most(&self) -> u64 {
        fs::read_to_string(self.0.join("memory.max_usage_in_bytes")).unwrap().trim().parse().unwrap()
    }

    /// Starts a service inside.
    pub async fn start(&self, program: &str, socket: &Path, arguments: &[&str]) -> DemoService {
        let mut command: Command = guarded_command(Path::new("/bin/sh"));
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(self.0.join("cgroup.procs"));
        command.arg(program);
        DemoService::start_as(command, socket, arguments).await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel needs a moment to take the last process out.
        for _ in 0..1_000 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::yield_now();
        }
        eprintln!("{} is left behind", self.0.display());
    }
}

fn signal(status: &Status, name: &str) -> Option<f64> {
    session(status, SERVICE)?.signals.get(name).copied()
}

pub async fn s1_the_memory_limit_of_a_real_cgroup_is_followed() {
    const MIB: u64 = 1 << 20;
    let Some(group) = Group::make("memory", "limit", "s1_the_memory_limit_of_a_real_cgroup_is_followed")
    else {
        return;
    };
    group.set("memory.limit_in_bytes", 256 * MIB);
    let sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let _demo = group.start(DEMO_SERVICE, &sidecar.socket(), &[]).await;
    let limit_is =
        |mib: u64| move |status: &Status| signal(status, "memory_limit_bytes") == Some((mib * MIB) as f64);
    let status = sidecar.shows("256 MiB", PATIENCE, limit_is(256)).await;
    let ratio = signal(&status, "memory_working_set_ratio").unwrap();
    assert!((0.001..0.5).contains(&ratio), "a small process in 256 MiB: {ratio}");

    // In place, as the kubelet resizes a container.
    for mib in [192, 320] {
        group.set("memory.limit_in_bytes", mib * MIB);
        let set = Instant::now();
        sidecar.shows("the new limit", PATIENCE, limit_is(mib)).await;
        let took = set.elapsed();
        eprintln!("memory limit resized to {mib} MiB: seen after {took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

pub async fn s2_a_real_cpu_quota_shows_as_throttling() {
    let Some(group) = Group::make("cpu", "quota", "s2_a_real_cpu_quota_shows_as_throttling") else { return };
    group.set("cpu.cfs_period_us", 100_000);
    let sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let demo = group.start(DEMO_SERVICE, &sidecar.socket(), &["--cpu", "5ms"]).await;
    let load: Generator = load(demo.at, 100.0);
    let served = load.begin_phase();
    let before = sidecar
        .shows("requests without a quota", PATIENCE, |status| {
            served.snapshot().ok > 20 && signal(status, "throttled_ratio").is_some()
        })
        .await;
    assert_eq!(signal(&before, "throttled_ratio"), Some(0.0));

    // Half a core of work in a fifth of a core.
    group.set("cpu.cfs_quota_us", 20_000);
    let set = Instant::now();
    let is_throttled = |status: &Status| signal(status, "throttled_ratio").is_some_and(|ratio| ratio > 0.3);
    let status = sidecar.shows("throttling", PATIENCE, is_throttled).await;
    eprintln!(
        "cpu quota set: throttled_ratio {:.2} seen after {:?}, runtime_delay {:?} s",
        signal(&status, "throttled_ratio").unwrap(),
        set.elapsed(),
        signal(&status, "runtime_delay_seconds"),
    );
    load.rate(0.0);
}
