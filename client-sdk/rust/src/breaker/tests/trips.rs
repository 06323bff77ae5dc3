//! What trips a breaker and what never does, how long it stays open, and how traffic comes back.

use super::*;

#[test]
fn only_hard_failures_in_a_row_trip() {
    use Outcome::{Dropped, Failure, Ignore, Success};
    let six = [Failure; 6];
    for (then, expected) in [
        (&[Failure][..], State::Open),
        (&[Success, Failure], State::Closed),
        (&[Dropped, Dropped, Dropped], State::Closed),
        (&[Ignore, Dropped, Failure], State::Open),
    ] {
        let rig = Rig::new();
        six.iter().chain(then).for_each(|outcome| rig.call(*outcome));
        assert_eq!(rig.state(), expected, "six failures, then {then:?}");
    }
}

#[test]
fn traffic_comes_back_by_and_by() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    rig.now += crate::clock::nanos(wait);
    (0..8).for_each(|_| rig.call(Outcome::Success));
    for tenths in 0..10 {
        let expected = 0.1 + 0.09 * f64::from(tenths);
        let share = rig.share(1000);
        assert!((share - expected).abs() < 0.01, "{share} after {tenths} s");
        rig.now += SECOND;
    }
    assert_eq!((rig.share(100), rig.state()), (1.0, State::Closed), "a call sees to it where no thread does");
}

#[test]
fn a_relapse_opens_again_and_for_longer() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    rig.now += crate::clock::nanos(wait);
    (0..8).for_each(|_| rig.call(Outcome::Success));
    rig.now += 5 * SECOND;
    let failures = (0..20).filter(|_| rig.admit().map(|pass| rig.settle(pass, Outcome::Failure)).is_ok());
    assert_eq!((failures.count(), rig.state()), (7, State::Open));
    let wait = rig.admit().unwrap_err();
    assert!(about(wait, 2.0), "{wait:?}");
}

#[test]
fn bad_probes_open_again_and_for_longer_up_to_the_longest_wait() {
    let mut rig = Rig::new();
    let mut wait = rig.trip();
    for (outcome, seconds) in
        [(Outcome::Failure, 2.0), (Outcome::Dropped, 4.0), (Outcome::Failure, 8.0), (Outcome::Failure, 16.0)]
    {
        rig.now += crate::clock::nanos(wait);
        (0..3).for_each(|_| rig.call(outcome));
        wait = rig.admit().unwrap_err();
        assert!(about(wait, seconds), "{wait:?} {seconds}");
    }
    for _ in 0..100 {
        rig.now += crate::clock::nanos(wait);
        (0..3).for_each(|_| rig.call(Outcome::Failure));
        wait = rig.admit().unwrap_err();
        assert!(wait >= Duration::from_secs(24) && wait <= RULES.longest_wait, "{wait:?}");
    }
}

#[test]
fn a_callee_that_asks_for_time_gets_it() {
    for (asked, seconds) in [(7, 7), (86_400, 30)] {
        let rig = Rig::new();
        rig.machine.asked(Duration::from_secs(asked), rig.now);
        assert_eq!(rig.machine.retry_after(rig.now), Some(Duration::from_secs(asked.min(3600))));
        assert_eq!(rig.trip(), Duration::from_secs(seconds), "within the longest wait");
        assert_eq!(rig.machine.retry_after(rig.now + 3601 * SECOND), None);
    }
}

#[test]
fn a_clean_stretch_halves_the_wait_and_does_not_forget_it() {
    let mut rig = Rig::new();
    let mut wait = rig.trip();
    for _ in 0..3 {
        rig.now += crate::clock::nanos(wait);
        (0..3).for_each(|_| rig.call(Outcome::Failure));
        wait = rig.admit().unwrap_err();
    }
    assert!(about(wait, 8.0));
    rig.now += crate::clock::nanos(wait);
    rig.recover();
    rig.now += 21 * SECOND;
    let wait = rig.trip();
    assert!(about(wait, 4.0), "16 s were due, two clean stretches of 10 s: {wait:?}");
}

#[test]
fn a_straggler_of_an_earlier_generation_never_moves_the_state() {
    let mut rig = Rig::new();
    let stragglers: Vec<_> = (0..20).map(|_| rig.admit().unwrap()).collect();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    stragglers[..10].iter().for_each(|pass| rig.settle(*pass, Outcome::Success));
    assert_eq!(rig.state(), State::HalfOpen, "successes from before prove nothing");
    stragglers[10..].iter().for_each(|pass| rig.settle(*pass, Outcome::Failure));
    assert_eq!(rig.state(), State::HalfOpen, "nor do failures");
    rig.settle(probe, Outcome::Success);
    (0..7).for_each(|_| rig.call(Outcome::Success));
    assert_eq!(rig.state(), State::Recovering);
    stragglers.iter().for_each(|pass| rig.settle(*pass, Outcome::Failure));
    assert_eq!((rig.state(), rig.machine.failures_in_a_row()), (State::Recovering, 0));
    rig.now += 10 * SECOND;
    rig.tick();
    (0..6).for_each(|_| rig.call(Outcome::Failure));
    stragglers.iter().for_each(|pass| rig.settle(*pass, Outcome::Failure));
    assert_eq!(rig.state(), State::Closed, "their failures are not the seventh");
    stragglers.iter().for_each(|pass| rig.settle(*pass, Outcome::Success));
    rig.call(Outcome::Failure);
    assert_eq!(rig.state(), State::Open, "and their successes do not interrupt the row");
}

#[test]
fn an_unarmed_breaker_never_trips_by_itself() {
    let machine = Machine::new(3);
    for _ in 0..100 {
        let pass = machine.admit(|| 0).unwrap();
        machine.settle(pass, Outcome::Failure, || 0);
    }
    assert_eq!((machine.state(), machine.failures_in_a_row()), (State::Closed, 100));
}
