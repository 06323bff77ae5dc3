//! Run delay over all threads of a recorded process.

use super::tree::{Tree, fault_of, run};
use setpoint_signals::{RETRY, RunDelay, Sampler, Target};
use std::time::Duration;

const TASKS: &str = "proc/42/task";

fn tree() -> Tree {
    let tree = Tree::v2();
    tree.process("42", "0::/pods/app\n");
    tree.remove(TASKS);
    tree
}

/// Sets a thread's counters: delay in milliseconds, slices.
fn thread(tree: &Tree, id: u32, delay: u64, slices: u64) {
    tree.write(&format!("{TASKS}/{id}/schedstat"), &format!("1 {} {slices}\n", delay * 1_000_000));
}

/// Six hundred threads whose counters are all in the file `proc/all`.
fn crowd() -> Tree {
    let tree = tree();
    tree.write("proc/all", "1 0 0\n");
    for id in 1..=600 {
        let directory = tree.path(&format!("{TASKS}/{id}"));
        std::fs::create_dir_all(&directory).expect("created");
        std::os::unix::fs::symlink(tree.path("proc/all"), directory.join("schedstat")).expect("linked");
    }
    tree
}

fn sampler(tree: &Tree) -> Sampler {
    Sampler::new(tree.roots(), Target::pid(42))
}

fn delay(values: RunDelay) -> Option<(u32, u32, f64)> {
    Some((values.threads?, values.threads_read?, values.run_delay_seconds_per_second?))
}

#[test]
fn s2_run_delay_is_the_sum_over_all_threads() {
    let tree = tree();
    for id in [42, 43, 44] {
        thread(&tree, id, 1000, 10);
    }
    let mut sampler = sampler(&tree);
    let first = sampler.sample(Duration::ZERO).run_delay;
    assert_eq!(
        first,
        RunDelay { threads: Some(3), ..RunDelay::default() },
        "a first look is only a baseline"
    );
    thread(&tree, 43, 1300, 30);
    thread(&tree, 44, 1100, 90);
    let values = sampler.sample(Duration::from_secs(2)).run_delay;
    let expected = RunDelay {
        at: Some(Duration::from_secs(2)),
        threads: Some(3),
        threads_read: Some(3),
        run_delay_seconds_per_slice: Some(0.004),
        run_delay_seconds_per_second: Some(0.2),
        run_slices_per_second: Some(50.0),
        blocked_threads: None,
    };
    assert_eq!(values, expected, "the main thread alone would have shown nothing");
    let idle = sampler.sample(Duration::from_secs(3)).run_delay;
    assert_eq!((idle.run_delay_seconds_per_second, idle.run_delay_seconds_per_slice), (Some(0.0), None));
}

#[test]
fn s2_run_delay_is_read_once_a_second_over_real_time() {
    let tree = tree();
    thread(&tree, 42, 0, 0);
    let mut sampler = sampler(&tree);
    sampler.sample(Duration::ZERO);
    thread(&tree, 42, 250, 1);
    assert_eq!(sampler.sample(Duration::from_millis(900)).run_delay.at, None);
    let values = sampler.sample(Duration::from_millis(1250)).run_delay;
    assert_eq!(values.run_delay_seconds_per_second, Some(0.2));
    let kept = sampler.sample(Duration::from_millis(1350)).run_delay;
    assert_eq!(kept, values, "kept, with the time it was read");
}

#[test]
fn s2_a_new_thread_starts_with_a_baseline() {
    let tree = tree();
    thread(&tree, 42, 0, 0);
    let mut sampler = sampler(&tree);
    run(&mut sampler, 0, 1);
    thread(&tree, 99, 60_000, 1000);
    for second in 2..=6 {
        assert_eq!(
            run(&mut sampler, second, second).run_delay.run_delay_seconds_per_second,
            Some(0.0),
            "its past is not ours"
        );
    }
    thread(&tree, 99, 60_100, 1001);
    assert_eq!(delay(run(&mut sampler, 7, 7).run_delay), Some((2, 2, 0.1)));
}

#[test]
fn s2_an_ended_thread_and_a_counter_that_goes_backwards_count_for_nothing() {
    let tree = tree();
    for id in [42, 43, 44] {
        thread(&tree, id, 5000, 50);
    }
    let mut sampler = sampler(&tree);
    run(&mut sampler, 0, 1);
    thread(&tree, 42, 5200, 51);
    thread(&tree, 43, 1, 1);
    tree.write(&format!("{TASKS}/44/schedstat"), "");
    tree.remove(&format!("{TASKS}/44"));
    let values = run(&mut sampler, 2, 2).run_delay;
    assert_eq!(values.run_delay_seconds_per_second, Some(0.2));
    assert_eq!(values.threads_read, Some(1));
    assert_eq!(run(&mut sampler, 3, 6).run_delay.threads_read, Some(2), "43 counts from its new baseline on");
}

#[test]
fn s2_more_threads_than_descriptors_are_watched_in_turns_and_scaled_up() {
    let tree = crowd();
    let mut sampler = sampler(&tree);
    sampler.sample(Duration::ZERO);
    for second in 1..=20 {
        tree.write("proc/all", &format!("1 {second}000000 {second}\n"));
        let values = sampler.sample(Duration::from_secs(second)).run_delay;
        let (threads, read, delay) =
            delay(values).expect("known at every pass, also when the turn has changed");
        assert_eq!((threads, read), (600, 256), "{second}");
        assert!((delay - 0.6).abs() < 1e-9, "1 ms each of 600: {delay}");
        assert!((values.run_delay_seconds_per_slice.expect("slices") - 0.001).abs() < 1e-9);
    }
}

#[test]
fn s2_every_thread_gets_its_turn() {
    let tree = crowd();
    tree.remove(&format!("{TASKS}/400/schedstat"));
    thread(&tree, 400, 0, 0);
    let mut sampler = sampler(&tree);
    sampler.sample(Duration::ZERO);
    let mut seen = 0;
    for second in 1..=15 {
        thread(&tree, 400, second * 10, second);
        seen += u32::from(
            sampler.sample(Duration::from_secs(second)).run_delay.run_slices_per_second > Some(0.0),
        );
    }
    assert!((4..=10).contains(&seen), "watched for one turn or two of three: {seen}");
}

/// Sets a thread's state.
fn state(tree: &Tree, id: u32, state: char) {
    tree.write(&format!("{TASKS}/{id}/stat"), &format!("{id} (wor) ker) {state} 1 42 42 0 -1\n"));
}

#[test]
fn s2_threads_that_are_stuck_in_the_kernel_are_counted() {
    let tree = tree();
    for (id, letter) in [(42, 'S'), (43, 'D'), (44, 'D'), (45, 'R')] {
        thread(&tree, id, 0, 0);
        state(&tree, id, letter);
    }
    let mut sampler = sampler(&tree);
    let stuck = |sampler: &mut Sampler, second| run(sampler, second, second).run_delay.blocked_threads;
    assert_eq!(
        [stuck(&mut sampler, 0), stuck(&mut sampler, 1)],
        [None, Some(2)],
        "from the second pass on, as all is"
    );
    state(&tree, 43, 'S');
    assert_eq!(stuck(&mut sampler, 2), Some(1), "as it is now");
    tree.write(&format!("{TASKS}/44/stat"), "44 (worker\n");
    assert_eq!(stuck(&mut sampler, 3), Some(0), "what cannot be read is not counted");
    sampler.look_at_states(false);
    assert_eq!(stuck(&mut sampler, 4), None, "not looked at");
    sampler.look_at_states(true);
    for id in 42..=45 {
        tree.remove(&format!("{TASKS}/{id}"));
    }
    thread(&tree, 46, 0, 0);
    stuck(&mut sampler, 8);
    assert_eq!(stuck(&mut sampler, 9), None, "no state to be seen is not none stuck");
}

#[test]
fn s2_of_many_threads_some_are_looked_at_and_their_share_counts() {
    let tree = tree();
    for id in 1..=200 {
        thread(&tree, id, 0, 0);
        state(&tree, id, if id % 2 == 0 { 'D' } else { 'S' });
    }
    let mut sampler = sampler(&tree);
    run(&mut sampler, 0, 0);
    assert_eq!(run(&mut sampler, 1, 1).run_delay.blocked_threads, Some(100), "of 64 half");
}

#[test]
fn a_process_that_has_ended_is_not_replaced_by_the_next_with_its_number() {
    let tree = tree();
    thread(&tree, 42, 0, 0);
    let mut sampler = sampler(&tree);
    assert!(run(&mut sampler, 0, 1).memory.usage_bytes.is_some());
    tree.remove("proc/42");
    let sample = run(&mut sampler, 2, 2);
    assert_eq!((sample.memory.usage_bytes, sample.run_delay), (None, RunDelay::default()));
    assert!(sample.node_memory.total_bytes.is_some(), "the node is still there");
    tree.process("42", "0::/pods/app\n");
    let sample = sampler.sample(Duration::from_secs(3) + RETRY);
    assert_eq!((sample.memory.usage_bytes, sample.run_delay), (None, RunDelay::default()));
    let error = sampler.layout().expect_err("gone");
    assert_eq!(
        std::error::Error::source(error).map(ToString::to_string).as_deref(),
        Some("process has ended")
    );
}

#[test]
fn a_process_that_has_ended_leaves_a_given_cgroup_in_sight() {
    let tree = tree();
    thread(&tree, 42, 0, 0);
    let target = Target::pid(42).with_cgroup(tree.path("sys/fs/cgroup/pods/app"));
    let mut sampler = Sampler::new(tree.roots(), target);
    run(&mut sampler, 0, 1);
    tree.remove("proc/42");
    let sample = sampler.sample(RETRY);
    assert!(sample.memory.usage_bytes.is_some());
    assert_eq!(sample.run_delay, RunDelay::default());
}

#[test]
fn threads_without_readable_counters_are_unknown_and_said_to_be() {
    let tree = tree();
    tree.write(&format!("{TASKS}/42/schedstat"), "garbage\n");
    let mut sampler = sampler(&tree);
    let values = run(&mut sampler, 0, 2).run_delay;
    assert_eq!(values, RunDelay { threads: Some(1), ..RunDelay::default() });
    assert_eq!(fault_of(&sampler, &tree.path(TASKS)).as_deref(), Some("run: byte 0x67 in a number"));
    tree.remove(&format!("{TASKS}/42/schedstat"));
    let values = run(&mut sampler, 3, 8).run_delay;
    assert_eq!(values, RunDelay { threads: Some(1), ..RunDelay::default() });
    assert_eq!(fault_of(&sampler, &tree.path(TASKS)).as_deref(), Some("no such file"), "an older kernel");
}
