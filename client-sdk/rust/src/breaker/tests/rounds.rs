//! Half open: how many probes are let out, and what it means when they say nothing, hang, are lost or are given back.

use super::super::probes::{Probes, Wished};
use super::*;

#[test]
fn eight_good_probes_of_ten_recover_and_no_more_than_two_are_out_at_once() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    assert!(about(wait, 1.0), "{wait:?}");
    rig.now += crate::clock::nanos(wait) - 1_000_000;
    assert_eq!(rig.admit().unwrap_err(), Duration::from_millis(1));
    let first = rig.probe_after(Duration::from_millis(1));
    let second = rig.admit().unwrap();
    assert_eq!(rig.state(), State::HalfOpen);
    assert!(rig.admit().is_err());
    rig.settle(first, Outcome::Success);
    rig.settle(second, Outcome::Failure);
    rig.settle(rig.admit().unwrap(), Outcome::Dropped);
    (0..6).for_each(|_| rig.call(Outcome::Success));
    assert_eq!(rig.state(), State::HalfOpen, "seven good, two bad");
    rig.call(Outcome::Success);
    assert_eq!(rig.state(), State::Recovering);
}

#[test]
fn a_round_has_ten_probes_and_not_one_more() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    rig.now += crate::clock::nanos(wait);
    for _ in 0..5 {
        let pair = [rig.admit().unwrap(), rig.admit().unwrap()];
        let _ = pair.map(|pass| rig.machine.give_back(pass));
        (0..2).for_each(|_| rig.call(Outcome::Ignore));
        assert!(rig.state() == State::HalfOpen || rig.state() == State::Recovering);
    }
    assert_eq!(rig.state(), State::Recovering, "ten came back, none of them bad");
    assert!(rig.share(100) < 0.2);
}

#[test]
fn probes_that_say_nothing_do_not_keep_it_half_open() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    rig.settle(probe, Outcome::Ignore);
    rig.now += 10 * SECOND - 1_000_000;
    rig.tick();
    assert_eq!(rig.state(), State::HalfOpen, "patience");
    rig.now += 1_000_000;
    rig.tick();
    assert_eq!(rig.state(), State::Recovering, "nothing speaks against it");
    let mut rig = Rig::new();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    rig.settle(probe, Outcome::Ignore);
    rig.now += 11 * SECOND;
    assert!(rig.share(20) > 0.0 && rig.state() == State::Recovering, "the next call sees to it as well");
}

#[test]
fn without_traffic_it_stays_half_open_and_the_first_call_decides() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    rig.machine.give_back(probe);
    rig.now += 1000 * SECOND;
    rig.tick();
    assert_eq!(rig.state(), State::HalfOpen, "nobody called");
    rig.call(Outcome::Success);
    assert_eq!(rig.state(), State::Recovering);
}

#[test]
fn a_slot_of_a_later_generation_is_never_taken() {
    let probes = Probes::new();
    assert!(matches!(probes.take(7, 1, 1), Wished::Got(_)));
    assert!(matches!(probes.take(5, 1, 1), Wished::Moved), "whoever asks for 5 is out of date");
    assert!(matches!(probes.take(7, 1, 1), Wished::AllOut));
    assert!(matches!(probes.take(8, 1, 1), Wished::Got(_)), "one of an earlier generation is free");
}

#[test]
fn probes_that_hang_have_failed() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let hung = [rig.probe_after(wait), rig.admit().unwrap()];
    rig.now += 3 * SECOND;
    assert!(rig.admit().is_err());
    assert_eq!(rig.state(), State::HalfOpen, "not yet");
    rig.now += SECOND / 100;
    let late = rig.admit().expect("their places are free");
    assert_eq!(rig.state(), State::HalfOpen, "two of ten");
    let _ = hung.map(|pass| rig.settle(pass, Outcome::Success));
    rig.now += 4 * SECOND;
    rig.settle(late, Outcome::Success);
    assert_eq!(rig.state(), State::Open, "late as well, and the two before it came back too late to count");
    let wait = rig.admit().unwrap_err();
    assert!(about(wait, 2.0), "{wait:?}");
}

#[test]
fn lost_probes_are_given_up_without_any_call() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let _lost = [rig.probe_after(wait), rig.admit().unwrap()];
    for _ in 0..201 {
        rig.now += SECOND / 20;
        rig.tick();
    }
    assert_eq!(rig.state(), State::Open, "two failed and nobody else called: decided after ten seconds");
}

#[test]
fn a_pass_that_is_given_back_unused_frees_its_probe() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let unused = [rig.probe_after(wait), rig.admit().unwrap()];
    assert!(rig.admit().is_err());
    let _ = unused.map(|pass| rig.machine.give_back(pass));
    rig.recover();
}
