//! What the sampler makes of recorded files, and of files that come, go and break.

use super::tree::{SECOND, Tree, fault_of, pressure, run, stat_v1, stat_v2};
use setpoint_signals::{LimitFrom, Pressure, RETRY, Sampler, Target};
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn close(value: Option<f64>, expected: f64) {
    let value = value.expect("known");
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn s1_working_set_and_limit_on_v1_and_v2() {
    for tree in [Tree::v1(), Tree::v2(), Tree::hybrid()] {
        let memory = tree.sampler().sample(SECOND).memory;
        assert_eq!(memory.usage_bytes, Some(256 * MIB));
        assert_eq!(memory.inactive_file_bytes, Some(64 * MIB));
        assert_eq!(memory.working_set_bytes, Some(192 * MIB));
        assert_eq!((memory.limit_bytes, memory.limit_from), (Some(512 * MIB), Some(LimitFrom::Cgroup)));
        close(memory.working_set_ratio, 192.0 / 512.0);
        assert_eq!(memory.oom_kills, Some(0));
        assert_eq!((memory.at, memory.stat_at, memory.events_at), (Some(SECOND), Some(SECOND), Some(SECOND)));
    }
}

#[test]
fn s1_the_smallest_limit_of_all_ancestors_and_the_node_counts() {
    let tree = Tree::v2();
    let limit = || {
        let memory = tree.sampler().sample(SECOND).memory;
        memory.limit_bytes.zip(memory.limit_from)
    };
    tree.write("sys/fs/cgroup/pods/memory.max", "104857600\n");
    assert_eq!(limit(), Some((100 * MIB, LimitFrom::Cgroup)), "an ancestor's");
    tree.write("sys/fs/cgroup/pods/memory.max", "max\n");
    tree.write("sys/fs/cgroup/pods/app/memory.max", "max\n");
    assert_eq!(limit(), Some((16384 * MIB, LimitFrom::Node)), "no group has one");
    tree.write("sys/fs/cgroup/pods/app/memory.max", "1099511627776\n");
    assert_eq!(limit(), Some((16384 * MIB, LimitFrom::Node)), "more than the node has");
    tree.remove("proc/meminfo");
    assert_eq!(limit(), Some((1_048_576 * MIB, LimitFrom::Cgroup)));
    tree.write("sys/fs/cgroup/pods/memory.max", "lots\n");
    assert_eq!(limit(), None, "a level that cannot be understood could be the smallest");
}

#[test]
fn s1_v1_ancestors_beyond_the_mount_bind_as_well() {
    let tree = Tree::v1();
    tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    tree.write("sys/fs/cgroup/memory/memory.stat", &stat_v1(0, 300 * MIB));
    assert_eq!(tree.sampler().sample(SECOND).memory.limit_bytes, Some(300 * MIB));
}

#[test]
fn s1_a_limit_changed_in_place_is_seen_at_the_next_call() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    assert_eq!(sampler.sample(SECOND).memory.limit_bytes, Some(512 * MIB));
    tree.write("sys/fs/cgroup/pods/app/memory.max", "432013312\n");
    assert_eq!(sampler.sample(SECOND + Duration::from_millis(100)).memory.limit_bytes, Some(412 * MIB));
    tree.write("sys/fs/cgroup/pods/app/memory.high", "419430400\n");
    assert_eq!(sampler.sample(3 * SECOND).memory.high_bytes, Some(400 * MIB));
}

#[test]
fn s1_refaults_swap_ins_and_major_faults_are_rates_over_real_time() {
    for (tree, file, text) in [
        (Tree::v2(), "sys/fs/cgroup/pods/app/memory.stat", stat_v2(300)),
        (Tree::v1(), "sys/fs/cgroup/memory/memory.stat", stat_v1(300, 1 << 40)),
    ] {
        let mut sampler = tree.sampler();
        let first = sampler.sample(Duration::ZERO).memory;
        assert_eq!(first.refaults_per_second, None, "one reading is no rate");
        tree.write(file, &text);
        let memory = sampler.sample(Duration::from_millis(1500)).memory;
        close(memory.refaults_per_second, 300.0);
        close(memory.anon_refaults_per_second, 100.0);
        close(memory.major_faults_per_second, 200.0);
    }
}

#[test]
fn s1_without_a_target_only_the_node_is_looked_at() {
    let tree = Tree::v2();
    let mut sampler = Sampler::new(tree.roots(), Target::node());
    run(&mut sampler, 0, 1);
    tree.write("proc/pressure/cpu", &pressure(200_000, 0));
    let sample = sampler.sample(Duration::from_millis(1400));
    close(sample.node_cpu_pressure.some_1s_ratio, 0.5);
    for pressure in [&sample.node_memory_pressure, &sample.node_cpu_pressure, &sample.node_io_pressure] {
        assert_eq!(pressure.at, Some(sample.at), "in each call");
    }
    assert_eq!(sample.cpu_pressure.at, None, "the sidecar's own group says nothing");
    assert_eq!((sample.memory.at, sample.cpu.at, sample.run_delay.threads), (None, None, None));
    assert_eq!(sampler.layout().expect("nothing is missing").memory, None);
    assert_eq!(sampler.faults().count(), 0);
}

#[test]
fn s1_limit_hits_and_oom_kills() {
    let v2 = ("sys/fs/cgroup/pods/app/memory.events", "low 9\nhigh 20\nmax 30\noom 9\noom_kill 2\n");
    let v1 = ("sys/fs/cgroup/memory/memory.failcnt", "50\n");
    for (tree, (file, text)) in [(Tree::v2(), v2), (Tree::v1(), v1)] {
        let mut sampler = tree.sampler();
        sampler.sample(Duration::ZERO);
        tree.write(file, text);
        tree.write(
            "sys/fs/cgroup/memory/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        );
        let memory = sampler.sample(Duration::from_millis(500)).memory;
        close(memory.limit_hits_per_second, 100.0);
        assert_eq!(memory.oom_kills, Some(2));
    }
}

#[test]
fn s1_pressure_is_the_growth_of_its_totals_over_one_and_ten_seconds() {
    for (tree, file) in
        [(Tree::v2(), "sys/fs/cgroup/pods/app"), (Tree::hybrid(), "sys/fs/cgroup/unified/app")]
    {
        let mut sampler = tree.sampler();
        let sample = run(&mut sampler, 0, 9);
        assert_eq!(sample.memory_pressure.some_10s_ratio, Some(0.0));
        tree.write(&format!("{file}/memory.pressure"), &pressure(500_000, 200_000));
        tree.write(&format!("{file}/io.pressure"), &pressure(100_000, 0));
        let sample = sampler.sample(10 * SECOND);
        close(sample.memory_pressure.some_1s_ratio, 0.5);
        close(sample.memory_pressure.full_1s_ratio, 0.2);
        close(sample.memory_pressure.some_10s_ratio, 0.05);
        close(sample.memory_pressure.full_10s_ratio, 0.02);
        close(sample.io_pressure.some_1s_ratio, 0.1);
        assert_eq!(sample.node_memory_pressure.some_1s_ratio, Some(0.0), "the node's is another signal");
    }
}

#[test]
fn s1_pressure_is_unknown_until_there_is_some_history() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    for (millis, known) in [(0, false), (100, false), (200, false), (300, true), (400, true)] {
        let pressure = sampler.sample(Duration::from_millis(millis)).memory_pressure;
        assert_eq!(pressure.some_1s_ratio.is_some(), known, "{millis}");
        assert_eq!(pressure.full_10s_ratio.is_some(), known, "{millis}");
    }
}

#[test]
fn s1_a_group_made_again_restarts_the_rates() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    let group = "sys/fs/cgroup/pods/app";
    tree.write(&format!("{group}/memory.pressure"), &pressure(9_000_000, 9_000_000));
    tree.write(
        &format!("{group}/cpu.stat"),
        "usage_usec 9000000\nnr_periods 90\nnr_throttled 90\nthrottled_usec 9000000\n",
    );
    run(&mut sampler, 0, 3);
    tree.write(&format!("{group}/memory.pressure"), &pressure(1000, 1000));
    tree.write(
        &format!("{group}/cpu.stat"),
        "usage_usec 10\nnr_periods 1\nnr_throttled 1\nthrottled_usec 10\n",
    );
    let sample = sampler.sample(4 * SECOND);
    assert_eq!(sample.memory_pressure.some_1s_ratio, None);
    assert_eq!((sample.cpu.used_cores, sample.cpu.throttled_ratio), (None, None));
    let sample = sampler.sample(5 * SECOND);
    assert_eq!(sample.memory_pressure.some_10s_ratio, Some(0.0));
    assert_eq!((sample.cpu.used_cores, sample.cpu.throttled_ratio), (Some(0.0), Some(0.0)));
}

#[test]
fn s2_cpu_use_quota_and_throttling_on_v1_and_v2() {
    let v2 = "usage_usec 1200000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1386000\n";
    let v1 = "nr_periods 10\nnr_throttled 4\nthrottled_time 1386000000\n";
    for (tree, file, text, usage) in [
        (Tree::v2(), "sys/fs/cgroup/pods/app/cpu.stat", v2, None),
        (
            Tree::v1(),
            "sys/fs/cgroup/cpu,cpuacct/cpu.stat",
            v1,
            Some("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage"),
        ),
        (
            Tree::hybrid(),
            "sys/fs/cgroup/cpu/app/cpu.stat",
            v1,
            Some("sys/fs/cgroup/cpuacct/app/cpuacct.usage"),
        ),
    ] {
        let mut sampler = tree.sampler();
        close(sampler.sample(Duration::ZERO).cpu.quota_cores, 1.5);
        tree.write(file, text);
        if let Some(usage) = usage {
            tree.write(usage, "1200000000\n");
        }
        let cpu = sampler.sample(SECOND).cpu;
        close(cpu.used_cores, 1.2);
        close(cpu.throttled_ratio, 0.4);
        close(cpu.throttled_seconds_per_second, 1.386);
        assert_eq!((cpu.at, cpu.throttled_at, cpu.quota_at), (Some(SECOND), Some(SECOND), Some(SECOND)));
    }
}

#[test]
fn s2_the_smallest_quota_of_all_ancestors_counts_and_none_is_none() {
    let tree = Tree::v2();
    tree.write("sys/fs/cgroup/pods/cpu.max", "50000 100000\n");
    close(tree.sampler().sample(SECOND).cpu.quota_cores, 0.5);
    tree.write("sys/fs/cgroup/pods/cpu.max", "max 100000\n");
    tree.write("sys/fs/cgroup/pods/app/cpu.max", "max 100000\n");
    let cpu = tree.sampler().sample(SECOND).cpu;
    assert_eq!((cpu.quota_cores, cpu.quota_at), (None, Some(SECOND)), "known to have none");
    tree.write("sys/fs/cgroup/pods/cpu.max", "max\n");
    let cpu = tree.sampler().sample(SECOND).cpu;
    assert_eq!((cpu.quota_cores, cpu.quota_at), (None, None), "not known");
}

#[test]
fn s2_cpu_pressure_of_the_group_and_of_the_node() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    sampler.sample(Duration::ZERO);
    tree.write("sys/fs/cgroup/pods/app/cpu.pressure", &pressure(700_000, 600_000));
    tree.write("proc/pressure/cpu", &pressure(250_000, 0));
    let sample = sampler.sample(SECOND);
    close(sample.cpu_pressure.some_1s_ratio, 0.7);
    close(sample.cpu_pressure.full_1s_ratio, 0.6);
    close(sample.node_cpu_pressure.some_1s_ratio, 0.25);
    assert_eq!(sample.node_cpu_pressure.full_1s_ratio, None, "printed as zero, but not defined");
}

#[test]
fn the_nodes_pressure_is_read_on_every_call_when_it_has_to_stand_in() {
    let tick = Duration::from_millis(100);
    let at = |tree: Tree| {
        let mut sampler = tree.sampler();
        sampler.sample(Duration::ZERO);
        sampler.sample(tick).node_io_pressure.at
    };
    assert_eq!(at(Tree::v2()), Some(Duration::ZERO));
    assert_eq!(at(Tree::v1()), Some(tick));
    let off = Tree::v2();
    for file in ["memory", "cpu", "io"] {
        off.remove(&format!("sys/fs/cgroup/pods/app/{file}.pressure"));
    }
    assert_eq!(at(off), Some(tick));
}

#[test]
fn dearer_files_are_read_once_a_second() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    sampler.sample(Duration::ZERO);
    tree.write("proc/meminfo", "MemTotal: 1024 kB\nMemAvailable: 512 kB\n");
    tree.write("sys/fs/cgroup/pods/app/memory.current", "335544320\n");
    let sample = sampler.sample(Duration::from_millis(999));
    assert_eq!(sample.node_memory.at, Some(Duration::ZERO));
    assert_eq!(sample.memory.stat_at, Some(Duration::ZERO));
    assert_eq!(sample.memory.working_set_bytes, Some(256 * MIB), "the usage is fresh");
    let sample = sampler.sample(SECOND);
    assert_eq!((sample.node_memory.at, sample.node_memory.available_bytes), (Some(SECOND), Some(512 * 1024)));
}

#[test]
fn one_broken_file_is_unknown_and_hides_nothing_else() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    run(&mut sampler, 0, 1);
    let stat = "sys/fs/cgroup/pods/app/memory.stat";
    for garbage in ["", "\u{0}\u{1}\u{2}\n", "inactive_file 1", "inactive_file -1\n", "inactive_file 1\r\n"] {
        tree.write(stat, garbage);
        let memory = run(&mut sampler, 2, 2).memory;
        assert_eq!(memory.working_set_bytes, None, "{garbage:?}: usage alone would be too much");
        assert_eq!((memory.working_set_ratio, memory.refaults_per_second), (None, None), "{garbage:?}");
        assert_eq!((memory.usage_bytes, memory.at), (Some(256 * MIB), Some(2 * SECOND)), "{garbage:?}");
        assert_eq!(memory.stat_at, Some(SECOND), "blind since then");
        assert!(fault_of(&sampler, &tree.path(stat)).is_some(), "{garbage:?}");
        tree.write(stat, &stat_v2(0));
        sampler = tree.sampler();
        run(&mut sampler, 0, 1);
    }
}

#[test]
fn a_malformed_file_is_tried_again_at_once_and_an_absent_one_later() {
    let tree = Tree::v2();
    let (usage, events) = ("sys/fs/cgroup/pods/app/memory.current", "sys/fs/cgroup/pods/app/memory.events");
    tree.write(usage, "12");
    tree.remove(events);
    let mut sampler = tree.sampler();
    let memory = sampler.sample(SECOND).memory;
    assert_eq!((memory.usage_bytes, memory.limit_bytes, memory.oom_kills), (None, None, None));
    assert_eq!(
        fault_of(&sampler, &tree.path(usage)).as_deref(),
        Some("memory usage: the file does not end in a newline")
    );
    assert_eq!(fault_of(&sampler, &tree.path(events)).as_deref(), Some("no such file"));
    tree.write(usage, "12\n");
    tree.write(events, "low 0\nhigh 0\nmax 0\noom 0\noom_kill 5\n");
    let memory = sampler.sample(2 * SECOND).memory;
    assert_eq!((memory.usage_bytes, memory.oom_kills), (Some(12), None));
    assert_eq!(sampler.sample(RETRY).memory.oom_kills, None);
    assert_eq!(sampler.sample(SECOND + RETRY).memory.oom_kills, Some(5));
    assert_eq!(sampler.faults().count(), 0, "that the root has no memory.max is no fault");
}

#[test]
fn a_process_that_moves_takes_its_signals_along() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    sampler.sample(Duration::ZERO);
    tree.v2_group("sys/fs/cgroup/other/");
    tree.write("sys/fs/cgroup/other/memory.current", "1048576\n");
    tree.process("self", "0::/other\n");
    assert_eq!(sampler.sample(5 * SECOND).memory.usage_bytes, Some(256 * MIB));
    let sample = sampler.sample(RETRY);
    assert_eq!(sample.memory.usage_bytes, Some(MIB));
    assert_eq!(sample.memory_pressure.some_1s_ratio, None, "another group, another history");
}

#[test]
fn discovery_that_fails_for_a_while_keeps_what_it_had() {
    let tree = Tree::v2();
    let mut sampler = tree.sampler();
    sampler.sample(Duration::ZERO);
    tree.remove("proc/self/mountinfo");
    let sample = sampler.sample(RETRY);
    assert_eq!(sample.memory.usage_bytes, Some(256 * MIB));
    assert!(sampler.layout().is_err());
    tree.mounts("self", "/", "");
    sampler.sample(2 * RETRY);
    assert!(sampler.layout().is_ok());
}

#[test]
fn nothing_at_all_is_a_sample_of_nothing() {
    let tree = Tree::v2();
    for path in ["proc", "sys"] {
        tree.remove(path);
    }
    let mut sampler = tree.sampler();
    let sample = sampler.sample(SECOND);
    assert_eq!(sample, setpoint_signals::Sample { at: SECOND, ..Default::default() });
    assert!(sampler.layout().is_err());
}

#[test]
fn a_target_that_comes_later_is_found() {
    let tree = Tree::v2();
    let mut sampler = Sampler::new(tree.roots(), Target::pid(42));
    assert_eq!(sampler.sample(Duration::ZERO).memory.usage_bytes, None);
    tree.process("42", "0::/pods/app\n");
    assert_eq!(sampler.sample(RETRY).memory.usage_bytes, Some(256 * MIB));
}

#[test]
fn a_cgroup_without_a_process_has_everything_but_run_delay() {
    let tree = Tree::v2();
    let mut sampler = Sampler::new(tree.roots(), Target::cgroup(tree.path("sys/fs/cgroup/pods/app")));
    let sample = run(&mut sampler, 0, 2);
    assert_eq!(sample.memory.usage_bytes, Some(256 * MIB));
    assert_ne!(sample.memory_pressure, Pressure::default());
    assert_eq!(sample.run_delay, setpoint_signals::RunDelay::default());
}
