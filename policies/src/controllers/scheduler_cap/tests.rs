use std::sync::Arc;

use super::*;
use crate::knob::{Kind, Knob};
use crate::signal::Signals;
use crate::snapshot::Received;
use crate::totals::Totals;
use crate::value::Value;

fn name() -> KnobName {
    KnobName::try_new("limit.x").expect("valid")
}

fn policy() -> SchedulerCapPolicy {
    let cap = SchedulerCap::try_new(
        name(),
        SchedulerCap::RUNTIME_DELAY,
        SchedulerCap::RUN_DELAY,
        SchedulerCap::CPU_SOME,
        SchedulerCap::FLOOR,
    );
    SchedulerCapPolicy::new(cap.expect("the defaults are valid"))
}

fn step(policy: &mut SchedulerCapPolicy, at: u64, readings: &[(Signal, f64)]) -> Proposal {
    step_with(policy, at, readings, 10)
}

fn step_with(policy: &mut SchedulerCapPolicy, at: u64, readings: &[(Signal, f64)], peak: u64) -> Proposal {
    let now = Timestamp::from_millis(at);
    let knob = Knob::try_new(name(), Kind::ConcurrencyLimit, 1.0, 1000.0, 100.0).expect("valid");
    let mut signals = Signals::default();
    for (signal, value) in readings {
        signals.set(*signal, *value, now);
    }
    policy.step(&Seen {
        now,
        since: Timestamp::ZERO,
        knob: &knob,
        in_force: Value::Concurrency(100.0),
        held_up: false,
        capped: false,
        totals: Some(&Received {
            at: now,
            totals: Arc::new(Totals { in_flight_peak: peak, ..Totals::default() }),
        }),
        incarnation: 1,
        signals: &signals,
        node: &Signals::default(),
    })
}

fn bound(proposal: Proposal) -> Option<f64> {
    match proposal.want {
        Want::AtMost(bound) => Some(bound),
        _ => None,
    }
}

#[test]
fn a_late_runtime_caps_step_by_step_down_to_the_floor_and_recovers() {
    let mut policy = policy();
    let late = [(Signal::RuntimeDelay, 0.080)];
    assert_eq!(step(&mut policy, 0, &late).want, Want::Anything, "a hiccup is no pressure");
    let first = bound(step(&mut policy, 2000, &late)).expect("caps");
    assert!((first - 90.0).abs() < 1e-9);
    assert_eq!(bound(step(&mut policy, 2050, &late)), Some(first), "paced by time, not by ticks");
    for tick in 21..100 {
        step(&mut policy, 100 * tick, &late);
    }
    let calm = [(Signal::RuntimeDelay, 0.001)];
    assert!(
        bound(step(&mut policy, 9950, &late)).is_some_and(|b| (b - 30.0).abs() < 1e-9),
        "the floor bounds the harm"
    );
    let recovering = bound(step(&mut policy, 10_000, &calm)).expect("recovers in steps");
    assert!((recovering - 35.0).abs() < 1e-9);
    for tick in 0..14 {
        step(&mut policy, 10_100 + 100 * tick, &calm);
    }
    assert_eq!(step(&mut policy, 12_000, &calm).want, Want::Anything);
}

#[test]
fn cpu_pressure_alone_does_not_cap_but_with_run_delay_it_does() {
    let capped = |readings: &[(Signal, f64)]| {
        let mut policy = policy();
        (0..30).any(|tick| bound(step(&mut policy, 100 * tick, readings)).is_some())
    };
    assert!(!capped(&[(Signal::CpuSome, 0.90), (Signal::RunDelayPerSlice, 0.001)]));
    assert!(!capped(&[(Signal::CpuSome, 0.01), (Signal::RunDelayPerSlice, 0.050)]));
    assert!(capped(&[(Signal::CpuSome, 0.90), (Signal::RunDelayPerSlice, 0.010)]));
}

#[test]
fn nothing_known_holds_and_then_lets_go() {
    let mut policy = policy();
    assert_eq!(step(&mut policy, 1000, &[]).want, Want::Hold);
    assert_eq!(step(&mut policy, 11_000, &[(Signal::CpuSome, 0.9)]).want, Want::Release);
}

#[test]
fn what_was_being_served_is_never_taken_away() {
    let mut policy = policy();
    let late = [(Signal::RuntimeDelay, 0.080)];
    for tick in 0..50 {
        step_with(&mut policy, 100 * tick, &late, 85);
    }
    assert_eq!(bound(step_with(&mut policy, 5000, &late, 20)), Some(85.0));
}
