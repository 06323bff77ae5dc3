//! States that are pushed: what they let through, what they count, and what is left of them when the breaker is local again.

use super::super::probes::MAX_PROBES;
use super::*;

#[test]
fn a_pushed_state_overrides_the_local_rules_until_it_is_local_again() {
    let second = Duration::from_secs(1);
    let rig = Rig::new();
    let fail =
        || (0..20).filter(|_| rig.admit().map(|pass| rig.settle(pass, Outcome::Failure)).is_ok()).count();
    for (pushed, passed, state) in [
        (Closed, 20, State::PushedClosed),
        (Disabled, 20, State::Disabled),
        (Shadow { would_reject: true }, 20, State::Shadow),
        (Open { retry_after: second }, 0, State::PushedOpen),
        (ForcedOpen { retry_after: second }, 0, State::ForcedOpen),
        (half_open(1, 8, 5), 5, State::PushedHalfOpen),
        (half_open(2, 0, 5), 0, State::PushedHalfOpen),
        (half_open(3, u32::MAX, u32::MAX), 20, State::PushedHalfOpen),
        (Closed, 20, State::PushedClosed),
        (Local, 7, State::Open),
    ] {
        rig.push(pushed);
        assert_eq!(fail(), passed, "{pushed:?}");
        assert_eq!(rig.state(), state);
    }
    rig.push(Local);
    assert_eq!(rig.state(), State::Open, "a local breaker that is told to be local goes on");
    rig.push(Open { retry_after: second });
    assert_eq!(rig.admit().unwrap_err(), second);
    rig.push(Recovering { ramp: second });
    assert_eq!(rig.state(), State::Recovering);
    rig.push(Local);
    assert_eq!(rig.state(), State::Recovering, "it is local from there on");
}

#[test]
fn what_rejected_on_another_s_word_is_handed_back_to_probes_if_there_are_rules_to_judge_them() {
    let retry_after = Duration::from_secs(1);
    for pushed in [Open { retry_after }, half_open(1, 2, 10)] {
        let rig = Rig::new();
        rig.push(pushed);
        rig.push(Local);
        assert_eq!(rig.state(), State::HalfOpen, "{pushed:?}");
        let unarmed = Machine::new(3);
        unarmed.push(&pushed, 0);
        unarmed.push(&Local, 0);
        assert_eq!(unarmed.state(), State::Closed, "{pushed:?}");
    }
    let rig = Rig::new();
    rig.push(ForcedOpen { retry_after });
    rig.push(Local);
    assert_eq!(rig.state(), State::Closed, "an operator's word says nothing about the callee");
}

#[test]
fn pushed_probes_are_bounded_counted_and_given_up_when_they_hang() {
    let mut rig = Rig::new();
    for (round, probe_max, out) in [(1, 1, 1), (2, 3, 3), (3, 1000, MAX_PROBES)] {
        rig.push(half_open(round, probe_max, 20));
        let probes: Vec<_> = std::iter::from_fn(|| rig.admit().ok()).collect();
        assert_eq!(probes.len(), out, "{probe_max}");
        rig.now += 4 * SECOND;
        let again: Vec<_> = std::iter::from_fn(|| rig.admit().ok()).collect();
        assert_eq!(again.len(), out, "after the deadline");
        probes.into_iter().for_each(|pass| rig.settle(pass, Outcome::Success));
        assert!(rig.admit().is_err(), "the place belongs to another one now");
        rig.settle(again[0], Outcome::Success);
        let probed = rig.machine.probed().expect("half open by push");
        assert_eq!((probed.round, probed.let_out, probed.failed), (round, 2 * out as u32, out as u32));
        assert_eq!((probed.succeeded, rig.state()), (1, State::PushedHalfOpen), "the sidecar judges");
    }
    rig.push(Closed);
    assert_eq!(rig.machine.probed(), None);
}

#[test]
fn in_shadow_the_rule_is_told_and_not_obeyed() {
    let rig = Rig::new();
    rig.push(Shadow { would_reject: false });
    (0..20).for_each(|_| rig.call(Outcome::Failure));
    assert_eq!((rig.machine.would_have_opened(), rig.state()), (2, State::Shadow), "twice seven");
    assert!(!rig.machine.would_reject());
    rig.push(Shadow { would_reject: true });
    assert!(rig.machine.would_reject() && rig.admit().is_ok());
}
