//! B5: pauses turn the readiness answer, and nothing keeps it turned.

use std::time::Duration;

use proptest::prelude::*;
use setpoint_policies::controllers::runtime_health::RuntimeHealth;
use setpoint_policies::knob::READINESS;
use setpoint_policies::signal::Signal;
use setpoint_policies::spec::Controller;
use setpoint_policies::value::Value;

use super::world::{World, minutes, name};

const MILLI: f64 = 1e-3;
const SECOND: Duration = Duration::from_secs(1);

fn guard(signal: Signal) -> RuntimeHealth {
    RuntimeHealth::try_new(name(READINESS), signal, RuntimeHealth::ABOVE).expect("valid")
}

fn world(guard: RuntimeHealth) -> World {
    World::new([Controller::RuntimeHealth(guard)])
}

fn ready(world: &World) -> bool {
    world.value(READINESS) == Some(Value::Switch(true))
}

fn off(world: &World) -> bool {
    !ready(world)
}

/// The report of each second of a minute.
fn seconds(world: &mut World, signal: Signal, pauses: impl IntoIterator<Item = f64>) {
    for pause in pauses {
        world.signals.insert(signal, pause * MILLI);
        world.step();
    }
}

#[test]
fn b5_pauses_above_5_ms_turn_the_health_answer() {
    for signal in [Signal::RuntimeDelay, Signal::GcPause] {
        let mut world = world(guard(signal));
        seconds(&mut world, signal, [2.0; 60]);
        assert!(ready(&world));
        world.signals.insert(signal, 5.1 * MILLI);
        world.signals.insert(Signal::ThrottledRatio, 0.4);
        let took = world.until(minutes(2), off).expect("three windows of ten seconds");
        assert!((25 * SECOND..=40 * SECOND).contains(&took), "{took:?}");
        let said = world.newest.decisions[0].reason.to_string();
        assert!(said.contains("5.1 ms over 5.0 ms, 3 times; throttled 40 %"), "{said}");
        assert_eq!(world.rule(), Some("paused"));
        world.signals.insert(signal, 1.0 * MILLI);
        let took = world.until(minutes(2), ready).expect("well again");
        // The step in which it turned is not part of it.
        assert!((29 * SECOND..=60 * SECOND).contains(&took), "changes are half a minute apart: {took:?}");
        assert!(world.alert().is_none());
    }
}

#[test]
fn b5_a_pause_now_and_then_and_5_ms_themselves_prove_nothing() {
    let signal = Signal::RuntimeDelay;
    let mut world = world(guard(signal));
    for _ in 0..60 {
        seconds(&mut world, signal, [1.0, 900.0, 1.0, 1.0, 400.0, 5.0, 5.0, 60.0, 1.0, 2.0]);
        assert!(ready(&world));
    }
    // Two windows of five.
    for _ in 0..20 {
        seconds(&mut world, signal, [[9.0; 20].as_slice(), &[1.0; 30]].concat());
        assert!(ready(&world));
    }
}

#[test]
fn b5_the_raw_rule_follows_each_reading() {
    let signal = Signal::RuntimeDelay;
    let mut world = world(guard(signal).raw(true));
    for _ in 0..10 {
        seconds(&mut world, signal, [5.1]);
        assert!(off(&world), "at once: this is what takes a fleet out");
        seconds(&mut world, signal, [5.0]);
        assert!(ready(&world));
    }
}

#[test]
fn b5_a_shared_cause_does_not_keep_everybody_away() {
    let signal = Signal::RuntimeDelay;
    let mut world = world(guard(signal));
    world.signals.insert(signal, 80.0 * MILLI);
    let (mut away, mut there) = (0, 0);
    for _ in 0..3600 {
        world.step();
        if ready(&world) { there += 1 } else { away += 1 }
    }
    assert!(away <= there, "away for {away} s of an hour, there for {there} s");
    assert!(away > 600, "{away}");
}

#[test]
fn b5_a_missing_signal_lets_go() {
    let signal = Signal::RuntimeDelay;
    let mut world = world(guard(signal));
    world.signals.insert(signal, 80.0 * MILLI);
    world.until(minutes(2), off).expect("turns");
    world.silent = true;
    let took = world.until(minutes(1), ready).expect("lets go");
    assert!((9 * SECOND..=11 * SECOND).contains(&took), "{took:?}");
    assert!(world.alert().is_none());
}

proptest! {
    /// However pauses come, it is never away for longer than the longest, and two changes are as far apart as they must be.
    #[test]
    fn b5_never_latches_and_never_flutters(readings in prop::collection::vec((0.0f64..50.0, 1u64..40), 1..60)) {
        let signal = Signal::RuntimeDelay;
        let mut world = world(guard(signal));
        let (mut was, mut changed, mut away) = (true, None, Duration::ZERO);
        for (pause, length) in readings {
            for _ in 0..length {
                seconds(&mut world, signal, [pause]);
                let now = ready(&world);
                if now != was {
                    let apart = changed.map(|at| world.now - at);
                    prop_assert!(apart.is_none_or(|apart| apart >= RuntimeHealth::APART), "{:?} apart", apart);
                    (was, changed) = (now, Some(world.now));
                }
                away = if now { Duration::ZERO } else { away + SECOND };
                prop_assert!(away <= RuntimeHealth::LONGEST, "{:?} away", away);
            }
        }
    }
}
