//! B3: tasks pile up, new work is held back, a probe lets it in again.

use std::time::Duration;

use proptest::prelude::*;
use setpoint_policies::controllers::task_leak::TaskLeak;
use setpoint_policies::signal::Signal;
use setpoint_policies::spec::Controller;
use setpoint_policies::value::{Breaker, Value};

use super::world::{World, minutes, name};

const SECOND: Duration = Duration::from_secs(1);

/// Word for word: no task is explained by a call.
fn world() -> World {
    let guard = TaskLeak::new(name("breaker.inbound"));
    let guard = guard.holds(TaskLeak::HOLD, TaskLeak::FLOOR, 0.0).expect("valid");
    World::new([Controller::TaskLeak(guard)])
}

fn calm(tasks: f64) -> World {
    let mut world = world();
    world.signals.insert(Signal::Tasks, tasks);
    world.run(minutes(3));
    assert!(!is_open(&world) && world.alert().is_none());
    world
}

fn breaker(world: &World) -> Breaker {
    match world.value("breaker.inbound") {
        Some(Value::Breaker(breaker)) => breaker,
        other => panic!("no breaker but {other:?}"),
    }
}

fn is_open(world: &World) -> bool {
    matches!(breaker(world), Breaker::Open { .. })
}

fn probes(world: &World) -> bool {
    matches!(breaker(world), Breaker::HalfOpen { .. })
}

/// Right after a sample.
fn sampled(world: &mut World, tasks: f64) {
    world.signals.insert(Signal::Tasks, tasks);
    world.run(5 * SECOND);
}

#[test]
fn b3_task_leak_trips_after_three_samples() {
    let mut world = calm(400.0);
    world.signals.insert(Signal::Tasks, 601.0);
    let took = world.until(minutes(1), is_open).expect("1.5 times 400 is 600");
    assert!((10 * SECOND..=15 * SECOND).contains(&took), "three samples, five seconds apart: {took:?}");
    assert_eq!(world.rule(), Some("task_leak"));
    assert_eq!(
        world.newest.decisions[0].reason.to_string(),
        "601 tasks, over 600; 400 are usual",
        "with its evidence"
    );
    let opened = world.now;
    world.until(minutes(2), probes).expect("a probe");
    let held = world.now - opened;
    assert!((59 * SECOND..=61 * SECOND).contains(&held), "held for a minute: {held:?}");
}

#[test]
fn b3_two_samples_and_the_threshold_itself_do_not_trip() {
    let mut world = calm(400.0);
    for _ in 0..20 {
        sampled(&mut world, 900.0);
        sampled(&mut world, 900.0);
        sampled(&mut world, 400.0);
        assert!(!is_open(&world));
    }
    world.signals.insert(Signal::Tasks, 600.0);
    assert_eq!(world.until(minutes(10), is_open), None, "not more than 1.5 times");
}

#[test]
fn b3_a_small_process_may_double() {
    let mut world = calm(3.0);
    for tasks in [5.0, 30.0, 103.0] {
        world.signals.insert(Signal::Tasks, tasks);
        assert_eq!(world.until(minutes(2), is_open), None, "{tasks} tasks");
    }
    world.signals.insert(Signal::Tasks, 150.0);
    assert!(world.until(minutes(1), is_open).is_some());
}

#[test]
fn b3_calls_in_flight_explain_their_tasks() {
    let mut world = World::new([Controller::TaskLeak(TaskLeak::new(name("breaker.inbound")))]);
    world.signals.insert(Signal::Tasks, 400.0);
    world.run(minutes(2));
    (world.totals.admitted, world.totals.completed) = (5000, 4000);
    world.signals.insert(Signal::Tasks, 1400.0);
    assert_eq!(world.until(minutes(2), is_open), None, "a surge of traffic, not a leak");
    world.totals.completed = 5000;
    assert!(world.until(minutes(1), is_open).is_some(), "the calls have ended, their tasks have not");
}

/// Opens, waits out the hold and is about to probe.
fn half_open(leaked: f64) -> World {
    let mut world = calm(400.0);
    world.signals.insert(Signal::Tasks, leaked);
    world.until(minutes(2), probes).expect("half open");
    world
}

#[test]
fn b3_recovers_by_probe_when_the_tasks_are_gone() {
    let mut world = half_open(2000.0);
    world.signals.insert(Signal::Tasks, 410.0);
    world.run(30 * SECOND);
    assert!(probes(&world), "nobody came: nothing is known");
    world.succeed(3);
    let took = world.until(minutes(1), |world| breaker(world) == Breaker::Local).expect("closes");
    assert!(took <= 6 * SECOND, "three calls and a sample: {took:?}");
    assert!(world.alert().is_none());
    world.signals.insert(Signal::Tasks, 700.0);
    assert!(world.until(minutes(1), is_open).is_some(), "the baseline is the old one");
}

#[test]
fn b3_a_failed_probe_or_more_tasks_hold_it_for_another_minute() {
    let failed: [fn(&mut World); 3] = [
        |world| world.totals.admitted += 2,
        |world| {
            world.totals.admitted += 1;
            world.totals.failed += 1;
        },
        |world| {
            world.succeed(3);
            world.signals.insert(Signal::Tasks, 2101.0);
        },
    ];
    for (case, fail) in failed.into_iter().enumerate() {
        let mut world = half_open(2000.0);
        world.step();
        fail(&mut world);
        assert!(world.until(minutes(2), is_open).is_some(), "case {case}");
        assert_eq!(world.rule(), Some("tasks_probe_failed"), "and is no second leak");
        let opened = world.now;
        world.until(minutes(2), probes).expect("and probes again");
        assert!(world.now - opened >= 59 * SECOND);
    }
}

#[test]
fn b3_tasks_that_are_stuck_for_ever_do_not_hold_it_for_ever() {
    let mut world = half_open(2000.0);
    world.step();
    world.succeed(3);
    world.until(minutes(1), |world| breaker(world) == Breaker::Local).expect("closes");
    assert_eq!(world.until(minutes(20), is_open), None, "2000 are the new baseline");
    world.signals.insert(Signal::Tasks, 3100.0);
    assert!(world.until(minutes(1), is_open).is_some());
}

#[test]
fn b3_what_is_not_known_lets_go_and_a_restart_starts_afresh() {
    let mut world = calm(400.0);
    world.signals.insert(Signal::Tasks, 2000.0);
    world.until(minutes(1), is_open).expect("trips");
    world.silent = true;
    let released = world.until(minutes(1), |world| !is_open(world)).expect("lets go");
    assert!((9 * SECOND..=11 * SECOND).contains(&released), "{released:?}");
    assert!(world.alert().is_none());
    world.silent = false;
    world.until(minutes(1), is_open).expect("trips again");
    world.incarnation += 1;
    world.in_force.clear();
    world.step();
    assert!(!is_open(&world) && world.alert().is_none(), "another process");
}

proptest! {
    /// Whatever tasks and calls do, the guard comes back to where calls can pass, and a process with few tasks is left alone.
    #[test]
    fn b3_never_latches(changes in prop::collection::vec((0.0f64..5000.0, 0u64..4, 0u64..3, 1u64..40), 1..40)) {
        let mut world = world();
        for (tasks, completed, failed, seconds) in changes {
            world.signals.insert(Signal::Tasks, tasks);
            world.totals.admitted += completed + failed;
            world.totals.completed += completed;
            world.totals.failed += failed;
            world.run(Duration::from_secs(seconds));
        }
        // From here on all is well: three calls a minute at least, and as many tasks as ever.
        world.signals.insert(Signal::Tasks, 50.0);
        let mut open = true;
        for _ in 0..40 {
            world.run(5 * SECOND);
            if !is_open(&world) { world.succeed(3); }
            open = is_open(&world);
        }
        prop_assert!(!open && world.alert().is_none());
    }
}
