use super::*;
use crate::knob::{Kind, Knob};
use crate::signal::Signals;
use crate::time::Timestamp;
use crate::value::Value;

fn knob() -> Knob {
    let name = KnobName::try_new("limit.x").expect("valid");
    Knob::try_new(name, Kind::ConcurrencyLimit, 1.0, 1000.0, 100.0).expect("valid")
}

/// One step at `at` ms with a working set read at `read` ms, and 100 calls in force.
fn step(policy: &mut MemoryCapPolicy, at: u64, read: Option<(u64, f64)>) -> Proposal {
    let (knob, mut signals) = (knob(), Signals::default());
    if let Some((at, ratio)) = read {
        signals.set(Signal::MemoryWorkingSetRatio, ratio, Timestamp::from_millis(at));
    }
    policy.step(&Seen {
        now: Timestamp::from_millis(at),
        since: Timestamp::ZERO,
        knob: &knob,
        in_force: Value::Concurrency(100.0),
        held_up: false,
        capped: false,
        totals: None,
        incarnation: 1,
        signals: &signals,
        node: &Signals::default(),
    })
}

fn policy() -> MemoryCapPolicy {
    let cap = MemoryCap::try_new(knob().name, MemoryCap::START, MemoryCap::FULL, MemoryCap::FLOOR);
    MemoryCapPolicy::new(cap.expect("the defaults are valid"))
}

#[test]
fn the_cap_follows_the_working_set() {
    for (ratio, allowed) in [(0.80, 79.4), (0.835, 65.0), (0.92, 30.0), (0.99, 10.0)] {
        let Want::AtMost(bound) = step(&mut policy(), 0, Some((0, ratio))).want else {
            panic!("caps at {ratio}")
        };
        assert!((bound - allowed).abs() < 0.1, "{bound} at {ratio}");
    }
    assert_eq!(step(&mut policy(), 0, Some((0, 0.75))).want, Want::Anything);
}

#[test]
fn a_missing_signal_is_not_no_pressure() {
    let mut policy = policy();
    assert_eq!(step(&mut policy, 1000, None).want, Want::Hold, "never read: hold");
    assert_eq!(step(&mut policy, 11_000, None).want, Want::Release, "then let go");
    assert_eq!(
        step(&mut policy, 14_000, Some((11_500, 0.1))).want,
        Want::Hold,
        "stale: hold, though it was low"
    );
    assert_eq!(step(&mut policy, 22_000, Some((11_500, 0.1))).want, Want::Release);
}

#[test]
fn wrong_parameters_are_named() {
    let field =
        |start, full, floor| MemoryCap::try_new(knob().name, start, full, floor).expect_err("wrong").field();
    assert_eq!(field(0.05, 0.9, 0.3), Some("start"));
    assert_eq!(field(0.9, 0.8, 0.3), Some("full"));
    assert_eq!(field(0.75, 0.92, 0.0), Some("floor"));
    assert_eq!(field(f64::NAN, 0.92, 0.3), Some("start"));
}
