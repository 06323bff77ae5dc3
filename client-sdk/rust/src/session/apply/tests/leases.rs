//! What stands when no word comes from the sidecar.

use super::*;

#[test]
fn l2_a_lease_is_held_then_decays_to_the_baseline_and_comes_back_when_renewed() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    let value_at = |applier: &mut Applier, seconds| {
        applier.tick(at(seconds), at(seconds));
        a.value()
    };
    assert_eq!([4, 5, 34].map(|seconds| value_at(&mut applier, seconds)), [10.0; 3]);
    assert_eq!([65, 94, 95, 200].map(|seconds| value_at(&mut applier, seconds)), [37.0, 63.0, 64.0, 64.0]);
    // A beat of a sidecar that was stopped for three minutes.
    applier.renew(&[(Channel::Limits, Version { epoch: EPOCH, seq: 1 })], at(201));
    assert_eq!(value_at(&mut applier, 201), 10.0);
    applier.renew(&[(Channel::Limits, Version { epoch: EPOCH, seq: 2 })], at(204));
    applier.renew(&[(Channel::Safety, Version { epoch: EPOCH, seq: 1 })], at(204));
    assert_eq!(applier.phases(at(206)).collect::<Vec<_>>(), [Phase::Held], "that renewed something else");
}

#[test]
fn a_decay_does_not_call_the_service_at_every_tick() {
    let a = Fake::new(knob("a", Kind::ConcurrencyLimit, 4.0, 400.0, 64.0));
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    for tick in 0..2000 {
        let now = Timestamp::from_millis(tick * 50);
        applier.tick(now, now);
    }
    assert_eq!(a.value(), 64.0);
    assert!((50..=101).contains(&a.calls().len()), "{}", a.calls().len());
}

#[test]
fn leases_end_as_they_say() {
    let breaker = Fake::new(knob("breaker", Kind::Breaker, 0.0, 4.0, 0.0));
    let switch = Fake::new(knob("switch", Kind::Switch, 0.0, 1.0, 0.0));
    let share = Fake::new(knob("share", Kind::RateLimit, 1.0, 100.0, 50.0));
    let mut applier = applier(&[&breaker, &switch, &share]);
    let with = |knob, value, on_expiry| {
        let lease = Lease { on_expiry, ..Lease::default() };
        Setpoint { lease, ..setpoint(knob, value) }
    };
    let open = Value::Breaker(Breaker::Open { retry_after: Duration::from_secs(1) });
    let mut frame = limits(1, &[]);
    frame.set = vec![
        with("breaker", open, OnExpiry::Baseline),
        with("switch", Value::Switch(true), OnExpiry::HoldThenDecay),
        with("share", Value::Rate { per_second: 90.0, burst: None }, OnExpiry::Safe(200.0)),
    ];
    applier.frame(&frame, at(0));
    let mut at_second = |seconds| {
        applier.tick(at(seconds), at(seconds));
        [breaker.value(), switch.value(), share.value()]
    };
    assert_eq!(at_second(4), [3.0, 1.0, 90.0]);
    assert_eq!(
        at_second(5),
        [0.0, 1.0, 100.0],
        "open ends with the ttl; the safe value is within the bounds"
    );
    assert_eq!(at_second(34), [0.0, 1.0, 100.0]);
    assert_eq!(at_second(35), [0.0, 0.0, 100.0], "a switch cannot decay: it goes back when the hold ends");
}

#[test]
fn the_end_of_a_session_leaves_nothing_behind() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    let mut applier = applier(&[&a, &b]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    applier.release_all(at(1));
    assert_eq!((a.value(), b.calls()), (64.0, vec![]));
}

#[test]
fn c8_what_goes_with_a_limit_is_told_once_and_ends_with_the_lease() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    let admission = Admission { baseline_latency: Some(Duration::from_millis(20)), shares: None };
    let frame = |seq, limit, admission| {
        let mut frame = limits(seq, &[("a", limit)]);
        frame.set[0].admission = admission;
        frame
    };
    applier.frame(&frame(1, 10.0, admission), at(0));
    applier.frame(&frame(2, 10.0, admission), at(1));
    applier.tick(at(2), at(2));
    assert_eq!(a.does().admitted, [Some(admission)], "the same word is no news");
    applier.frame(&frame(3, 12.0, admission), at(3));
    applier.frame(&frame(4, 12.0, Admission::default()), at(4));
    applier.tick(at(20), at(20));
    assert_eq!(
        a.does().admitted[1..],
        [Some(admission), Some(Admission::default())],
        "held, 16 s without a beat"
    );
    applier.tick(at(45), at(45));
    applier.tick(at(46), at(46));
    assert_eq!(a.does().admitted[3..], [None], "decaying");
    applier.frame(&frame(5, 12.0, admission), at(47));
    applier.frame(&limits(6, &[]), at(48));
    assert_eq!(a.does().admitted[4..], [Some(admission), None], "released");
}
