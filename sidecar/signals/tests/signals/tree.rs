//! A `/proc` and a `/sys` in a temporary directory, written file by file.

use setpoint_signals::{Roots, Sample, Sampler, Target};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const SECOND: Duration = Duration::from_secs(1);

/// A service with 512 MiB and one and a half cores, on a hybrid host's v1 controllers or on v2.
pub struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    /// Nothing but the node's own files, on which 16 GiB are installed.
    pub fn new() -> Self {
        let tree = Self { directory: tempfile::tempdir().expect("a directory") };
        tree.write("proc/meminfo", "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n");
        for file in ["memory", "cpu", "io"] {
            tree.write(&format!("proc/pressure/{file}"), &pressure(0, 0));
        }
        tree
    }

    /// cgroup v2 as on a host: the process is in `/pods/app`, and `/pods` has limits of its own.
    pub fn v2() -> Self {
        let tree = Self::new();
        tree.process("self", "0::/pods/app\n");
        tree.mounts("self", "/", "");
        for level in ["", "pods/", "pods/app/"] {
            tree.write(&format!("sys/fs/cgroup/{level}cgroup.controllers"), "cpu io memory pids\n");
            tree.write(
                &format!("sys/fs/cgroup/{level}cpu.stat"),
                "usage_usec 1000\nuser_usec 1\nsystem_usec 1\n",
            );
            if !level.is_empty() {
                tree.v2_group(&format!("sys/fs/cgroup/{level}"));
            }
        }
        tree.write("sys/fs/cgroup/pods/memory.max", "1073741824\n");
        tree.write("sys/fs/cgroup/pods/app/memory.max", "536870912\n");
        tree.write("sys/fs/cgroup/pods/app/cpu.max", "150000 100000\n");
        tree
    }

    /// The files of one v2 group without bounds.
    pub fn v2_group(&self, group: &str) {
        let write = |file: &str, text: &str| self.write(&format!("{group}{file}"), text);
        write("cgroup.events", "populated 1\nfrozen 0\n");
        write("memory.current", "268435456\n");
        write("memory.max", "max\n");
        write("memory.high", "max\n");
        write("memory.stat", &stat_v2(0));
        write("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
        write("cpu.max", "max 100000\n");
        write("cpu.stat", "usage_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
        for file in ["memory", "cpu", "io"] {
            write(&format!("{file}.pressure"), &pressure(0, 0));
        }
    }

    /// v1 controllers alone, as in a container without its own cgroup namespace: only the own group is mounted.
    pub fn v1() -> Self {
        let tree = Self::new();
        tree.process("self", "4:memory:/docker/c\n2:cpu,cpuacct:/docker/c\n1:name=systemd:/docker/c\n");
        let mount = |at: &str, names: &str| {
            format!("30 20 0:30 /docker/c /sys/fs/cgroup/{at} ro - cgroup cgroup rw,{names}\n")
        };
        let mounts = mount("memory", "memory")
            + &mount("cpu,cpuacct", "cpu,cpuacct")
            + &mount("systemd", "name=systemd");
        tree.write("proc/self/mountinfo", &mounts);
        tree.v1_group("sys/fs/cgroup/memory/", "sys/fs/cgroup/cpu,cpuacct/");
        tree
    }

    /// The files of one v1 group with 512 MiB and one and a half cores.
    pub fn v1_group(&self, memory: &str, cpu: &str) {
        let write = |group: &str, file: &str, text: &str| self.write(&format!("{group}{file}"), text);
        write(memory, "memory.usage_in_bytes", "268435456\n");
        write(memory, "memory.limit_in_bytes", "536870912\n");
        write(memory, "memory.stat", &stat_v1(0, 536_870_912));
        write(memory, "memory.failcnt", "0\n");
        write(memory, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
        write(cpu, "cpuacct.usage", "0\n");
        write(cpu, "cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
        write(cpu, "cpu.cfs_quota_us", "150000\n");
        write(cpu, "cpu.cfs_period_us", "100000\n");
    }

    /// v1 controllers in a group, pressure in the v2 hierarchy beside them.
    pub fn hybrid() -> Self {
        let tree = Self::new();
        tree.process("self", "4:memory:/app\n2:cpuacct:/app\n1:cpu:/app\n0::/app\n");
        let v1 = |name: &str| format!("30 20 0:30 / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n");
        let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        tree.write("proc/self/mountinfo", &(v1("memory") + &v1("cpuacct") + &v1("cpu") + v2));
        tree.v1_group("sys/fs/cgroup/memory/app/", "sys/fs/cgroup/cpu/app/");
        tree.v1_group("sys/fs/cgroup/memory/", "sys/fs/cgroup/cpu/");
        tree.write("sys/fs/cgroup/memory/release_agent", "\n");
        tree.write("sys/fs/cgroup/cpu/release_agent", "\n");
        tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
        tree.write("sys/fs/cgroup/cpuacct/app/cpuacct.usage", "0\n");
        tree.write("sys/fs/cgroup/unified/app/cgroup.events", "populated 1\n");
        for file in ["memory", "cpu", "io"] {
            tree.write(&format!("sys/fs/cgroup/unified/{file}.pressure"), &pressure(0, 0));
            tree.write(&format!("sys/fs/cgroup/unified/app/{file}.pressure"), &pressure(0, 0));
        }
        tree
    }

    /// A process in the given groups, with one thread.
    pub fn process(&self, name: &str, cgroup: &str) {
        self.write(&format!("proc/{name}/cgroup"), cgroup);
        self.write(&format!("proc/{name}/task/1/schedstat"), "0 0 0\n");
    }

    /// The mountinfo of a process that sees the v2 hierarchy from `root` on, at `prefix` + `/sys/fs/cgroup`.
    pub fn mounts(&self, name: &str, root: &str, prefix: &str) {
        let line = format!("41 31 0:38 {root} {prefix}/sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
        self.write(&format!("proc/{name}/mountinfo"), &format!("22 1 8:1 / / rw - ext4 /dev/vda rw\n{line}"));
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("below the directory")).expect("created");
        std::fs::write(path, text).expect("written");
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .expect("removed");
    }

    pub fn roots(&self) -> Roots {
        Roots { proc: self.path("proc"), sys: self.path("sys") }
    }

    pub fn sampler(&self) -> Sampler {
        Sampler::new(self.roots(), Target::current())
    }
}

pub fn pressure(some_micros: u64, full_micros: u64) -> String {
    let line = |name, total| format!("{name} avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n");
    line("some", some_micros) + &line("full", full_micros)
}

/// `memory.stat` with 64 MiB of inactive file cache and each event counter at `count`, anonymous refaults at half of it.
pub fn stat_v2(count: u64) -> String {
    let half = count / 2;
    format!(
        "anon 1\ninactive_file 67108864\nworkingset_refault_anon {half}\nworkingset_refault_file {count}\npgmajfault {count}\n"
    )
}

pub fn stat_v1(count: u64, limit: u64) -> String {
    let total = stat_v2(count).replace('\n', "\ntotal_");
    let total = total.strip_suffix("total_").expect("ends with a line").replace("anon 1\n", "");
    format!("inactive_file 1\nworkingset_refault_file 1\nhierarchical_memory_limit {limit}\n{total}")
}

/// Samples at whole seconds `from..=to` and returns the last.
pub fn run(sampler: &mut Sampler, from: u64, to: u64) -> Sample {
    (from..=to).map(|second| sampler.sample(Duration::from_secs(second))).last().expect("at least one")
}

/// A file that the sampler reported as faulty, with the reason as text.
pub fn fault_of(sampler: &Sampler, path: &Path) -> Option<String> {
    sampler.faults().find(|(faulty, _)| *faulty == path).map(|(_, fault)| fault.to_string())
}
