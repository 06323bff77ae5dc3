//! B4: a slow leak is told a quarter of an hour ahead; waves, steps and warm-ups are not.

use std::time::Duration;

use proptest::prelude::*;
use setpoint_policies::controllers::task_trend::TaskTrend;
use setpoint_policies::reason::{GuardReason, Reason, TaskLimit};
use setpoint_policies::signal::Signal;
use setpoint_policies::spec::Controller;

use super::world::{World, minutes};

const LIMIT: f64 = 19_800.0;

fn world(limit: Option<f64>) -> World {
    let trend = TaskTrend::try_new(limit, TaskTrend::WARN_BEFORE, TaskTrend::WINDOW).expect("valid");
    let mut world = World::new([Controller::TaskTrend(trend)]);
    world.tick = Duration::from_millis(1400);
    world
}

/// Repeatable noise between -1 and 1.
fn noise(seed: u64, at: u64) -> f64 {
    let mut x = seed.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Runs a shape of tasks over time (minutes) and says after how many minutes the alert fired first.
fn fires(limit: Option<f64>, length: Duration, seed: u64, tasks: impl Fn(f64) -> f64) -> Option<f64> {
    let mut world = world(limit);
    let start = world.now;
    while world.now - start < length {
        let at = (world.now - start).as_secs();
        let clean = tasks(at as f64 / 60.0);
        // Five per cent up and down, and a spike of twice as many every now and then.
        let noisy =
            clean * (1.0 + 0.05 * noise(seed, at / 5)) + if noise(seed, at / 7) > 0.97 { clean } else { 0.0 };
        world.signals.insert(Signal::Tasks, noisy.max(0.0).round());
        world.step();
        if world.alert().is_some() {
            return Some(at as f64 / 60.0);
        }
    }
    None
}

/// Tasks by minute.
type Shape = fn(f64) -> f64;

/// From 1,200 to 19,800 in two hours.
fn leaks() -> [(&'static str, Shape); 3] {
    [
        ("at the same pace", |m| 1200.0 + 155.0 * m),
        ("faster and faster", |m| 1200.0 * (LIMIT / 1200.0_f64).powf(m / 120.0)),
        ("in a batch every five minutes", |m| 1200.0 + 775.0 * (m / 5.0).floor()),
    ]
}

#[test]
fn b4_a_slow_leak_is_told_a_quarter_of_an_hour_before_the_limit() {
    for (name, leak) in leaks() {
        for seed in 0..3 {
            let fired = fires(Some(LIMIT), minutes(120), seed, leak).expect(name);
            eprintln!("a leak {name}: told {:.0} minutes ahead (seed {seed})", 120.0 - fired);
            assert!(120.0 - fired >= 15.0, "{name}: only {:.1} minutes ahead", 120.0 - fired);
            assert!(120.0 - fired <= 75.0, "{name}: {:.1} minutes ahead is crying wolf", 120.0 - fired);
        }
    }
}

#[test]
fn b4_the_memory_limit_counts_when_no_number_is_named() {
    let mut world = world(None);
    let start = world.now;
    let fired = loop {
        let minute = (world.now - start).as_secs_f64() / 60.0;
        assert!(minute < 120.0, "memory has run out");
        world.signals.insert(Signal::Tasks, 1200.0 + 155.0 * minute);
        world.signals.insert(Signal::MemoryWorkingSetRatio, 0.15 + 0.80 * minute / 120.0);
        world.step();
        if let Some(firing) = world.alert() {
            assert!(firing.knob.is_none(), "of the process as a whole");
            let Reason::Guard(GuardReason::TasksRising { left, limit, per_minute, .. }) = firing.alert.reason
            else {
                panic!("{:?}", firing.alert)
            };
            assert_eq!((limit, per_minute.round()), (TaskLimit::Memory, 155.0));
            let off = (left.as_secs_f64() / 60.0 - (120.0 - minute)).abs();
            assert!(off < 1.0, "{left:?} left at minute {minute}");
            break minute;
        }
    };
    assert!((15.0..45.0).contains(&(120.0 - fired)), "{fired}");
    assert!(world.newest.decisions.is_empty(), "it moves nothing");
}

#[test]
fn b4_memory_that_grows_without_tasks_is_no_task_leak() {
    let mut world = world(None);
    world.signals.insert(Signal::Tasks, 1200.0);
    for step in 0..5000u32 {
        world.signals.insert(Signal::MemoryWorkingSetRatio, 0.15 + f64::from(step) / 6500.0);
        assert_eq!(world.step().alerts, [], "after {step} steps");
    }
}

#[test]
fn b4_it_ends_when_the_leak_does_and_stays_while_nothing_is_known() {
    let mut world = world(Some(LIMIT));
    let mut tasks = 1200.0;
    let mut grow = |world: &mut World, per_second: f64, length: Duration| {
        let until = world.now + length;
        while world.now < until {
            tasks += per_second * world.tick.as_secs_f64();
            world.signals.insert(Signal::Tasks, tasks);
            world.step();
        }
    };
    grow(&mut world, 155.0 / 60.0, minutes(100));
    let since = world.alert().expect("fires").since;
    world.silent = true;
    world.run(minutes(1));
    assert_eq!(world.alert().map(|firing| firing.since), Some(since), "nothing says that it is over");
    world.silent = false;
    grow(&mut world, 0.0, minutes(20));
    assert!(world.alert().is_none(), "{:?}", world.alert());
}

/// Shapes that no one should be called for, in minutes.
fn harmless(which: usize, phase: f64, size: f64) -> impl Fn(f64) -> f64 {
    move |m| {
        let turn = std::f64::consts::TAU;
        match which % 6 {
            // A daily wave whose peak is near the limit.
            0 => size * 0.85 * (0.55 - 0.45 * (turn * (m / 1440.0 + phase)).cos()),
            // A step by half, by a deploy of somebody else.
            1 => size * if m > 40.0 + 100.0 * phase { 0.75 } else { 0.5 },
            // A warm-up that ends at three quarters of the limit.
            2 => size * 0.75 * (1.0 - (-m / (5.0 + 15.0 * phase)).exp()),
            // A batch job of ten minutes each hour.
            3 => size * if (m + 60.0 * phase) % 60.0 < 10.0 { 0.8 } else { 0.3 },
            // A wave each twenty minutes.
            4 => size * 0.8 * (0.6 - 0.4 * (turn * (m / 20.0 + phase)).cos()),
            // As ever.
            _ => size * (0.2 + 0.7 * phase),
        }
    }
}

#[test]
fn b4_waves_steps_and_warm_ups_are_not_told() {
    for which in 0..6 {
        for seed in 0..3u64 {
            let phase = seed as f64 / 3.0;
            let fired = fires(Some(LIMIT), minutes(360), seed, harmless(which, phase, LIMIT));
            assert_eq!(fired, None, "shape {which} at phase {phase}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn b4_any_of_these_shapes_is_left_alone(
        which in 0usize..6, phase in 0.0f64..1.0, size in 500.0f64..100_000.0, seed in any::<u64>(),
    ) {
        prop_assert_eq!(fires(Some(size), minutes(180), seed, harmless(which, phase, size)), None);
    }

    #[test]
    fn b4_any_steady_leak_is_told_in_time(
        start in 100.0f64..5000.0, factor in 4.0f64..40.0, hours in 2.0f64..6.0, seed in any::<u64>(),
    ) {
        let (end, length) = (start * factor, hours * 60.0);
        let leak = |m: f64| start + (end - start) * m / length;
        let fired = fires(Some(end), Duration::from_secs_f64(length * 60.0), seed, leak);
        let ahead = fired.map(|fired| length - fired);
        prop_assert!(ahead.is_some_and(|ahead| ahead >= 15.0), "{:?} minutes ahead", ahead);
    }
}
