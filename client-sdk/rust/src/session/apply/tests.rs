//! Frames against knobs that remember what they were asked.

use std::sync::Mutex;
use std::time::Duration;

use setpoint_policies::admission::Admission;
use setpoint_policies::knob::Kind;
use setpoint_policies::lease::{Lease, OnExpiry};
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::message::{Status, Why};

use super::*;
use crate::slot::Slot;

/// A knob whose service can refuse, panic, cut and pin.
struct Fake {
    slot: Slot,
    does: Mutex<Does>,
}

#[derive(Default)]
struct Does {
    value: Option<Value>,
    calls: Vec<f64>,
    refuse: Option<f64>,
    panic_at: Option<f64>,
    cap: Option<f64>,
    pinned: bool,
    admitted: Vec<Option<Admission>>,
}

impl Fake {
    fn new(knob: Knob) -> Arc<Self> {
        Arc::new(Self { slot: Slot::new(knob), does: Mutex::default() })
    }

    fn limit(name: &str) -> Arc<Self> {
        Self::new(Knob { step: 1.0, ..knob(name, Kind::ConcurrencyLimit, 4.0, 400.0, 64.0) })
    }

    fn does(&self) -> std::sync::MutexGuard<'_, Does> {
        self.does.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn value(&self) -> f64 {
        self.in_force().scalar()
    }

    fn calls(&self) -> Vec<f64> {
        self.does().calls.clone()
    }
}

impl Actuator for Fake {
    fn slot(&self) -> &Slot {
        &self.slot
    }

    fn put(&self, _value: Option<Value>) {}

    fn apply(&self, value: &Value, _why: &Why) -> Result<Value, String> {
        let mut does = self.does();
        let asked = value.scalar();
        does.calls.push(asked);
        assert!(does.panic_at != Some(asked), "the service's own bug");
        if does.refuse == Some(asked) {
            return Err("no room".to_owned());
        }
        let value = value.with_scalar(does.cap.map_or(asked, |cap| asked.min(cap)));
        does.value = Some(value);
        Ok(value)
    }

    fn in_force(&self) -> Value {
        self.does().value.unwrap_or(self.slot.knob().baseline_value())
    }

    fn admit(&self, admission: Option<Admission>) {
        self.does().admitted.push(admission);
    }

    fn pinned(&self) -> Option<Value> {
        let does = self.does();
        does.value.filter(|_| does.pinned)
    }
}

fn knob(name: &str, kind: Kind, min: f64, max: f64, baseline: f64) -> Knob {
    Knob::try_new(KnobName::try_new(name).unwrap(), kind, min, max, baseline).unwrap()
}

const EPOCH: u64 = 7;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn applier(fakes: &[&Arc<Fake>]) -> Applier {
    let mut applier = Applier::default();
    applier.sync(fakes.iter().map(|&fake| fake.clone() as Arc<dyn Actuator>).collect());
    applier.start_stream(EPOCH);
    applier
}

fn setpoint(knob: &str, value: Value) -> Setpoint {
    Setpoint {
        knob: KnobName::try_new(knob).unwrap(),
        value,
        admission: Admission::default(),
        lease: Lease::default(),
        why: Arc::default(),
        decision_id: 0,
    }
}

fn limits(seq: u64, set: &[(&str, f64)]) -> Frame {
    let set = set.iter().map(|&(knob, limit)| setpoint(knob, Value::Concurrency(limit)));
    Frame {
        channel: Channel::Limits,
        nonce: seq,
        version: Version { epoch: EPOCH, seq },
        config_revision: String::new(),
        set: set.collect(),
        unsupported: Vec::new(),
        atomic: false,
        mode: Mode::Apply,
    }
}

fn lines(ack: &Ack) -> Vec<(&str, Status, f64)> {
    ack.results.iter().map(|line| (line.knob.as_str(), line.status, line.effective)).collect()
}

/// The only line of an ack.
fn status(ack: &Ack) -> (Status, f64) {
    assert_eq!(ack.results.len(), 1, "{ack:?}");
    (ack.results[0].status, ack.results[0].effective)
}

#[test]
fn l2_a_frame_is_put_in_force_and_answered_with_what_was_read_back() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    b.does().cap = Some(20.0);
    let mut applier = applier(&[&a, &b]);
    let ack = applier.frame(&limits(1, &[("a", 10.0), ("b", 30.0)]), at(0));
    assert_eq!((ack.channel, ack.nonce), (Channel::Limits, 1));
    assert_eq!(lines(&ack), [("a", Status::Applied, 10.0), ("b", Status::Clamped, 20.0)]);
    assert_eq!(ack.results[1].detail, "cut by the service");
}

#[test]
fn l2_the_owners_bounds_and_quantum_hold_whatever_is_pushed() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    for (seq, (pushed, status_and_value)) in
        [(9999.0, (Status::Clamped, 400.0)), (0.0, (Status::Clamped, 4.0)), (7.4, (Status::Clamped, 7.0))]
            .into_iter()
            .enumerate()
    {
        let frame = limits(seq as u64 + 1, &[("a", pushed)]);
        assert_eq!(status(&applier.frame(&frame, at(0))), status_and_value, "{pushed}");
    }
}

#[test]
fn an_unchanged_value_is_not_applied_again() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    for seq in 1..5 {
        assert_eq!(status(&applier.frame(&limits(seq, &[("a", 10.0)]), at(seq))), (Status::Applied, 10.0));
        applier.tick(at(seq), at(seq));
    }
    assert_eq!(a.calls(), [10.0]);
    // Something in the service has moved it: a new frame puts it right, a mere tick leaves it alone.
    a.does().value = Some(Value::Concurrency(5.0));
    applier.tick(at(5), at(5));
    assert_eq!(a.value(), 5.0);
    applier.frame(&limits(5, &[("a", 10.0)]), at(5));
    assert_eq!(a.value(), 10.0);
}

#[test]
fn a_knob_that_a_frame_names_no_more_goes_back_to_its_baseline() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    let mut applier = applier(&[&a, &b]);
    applier.frame(&limits(1, &[("a", 10.0), ("b", 11.0)]), at(0));
    let other_channel = Frame { channel: Channel::Custom, ..limits(1, &[]) };
    applier.frame(&other_channel, at(0));
    assert_eq!((a.value(), b.value()), (10.0, 11.0), "another channel's frame says nothing about these");
    let ack = applier.frame(&limits(2, &[("b", 11.0)]), at(1));
    assert_eq!((a.value(), b.value(), ack.results.len()), (64.0, 11.0, 1));
}

#[test]
fn only_a_newer_frame_of_this_stream_counts() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(5, &[("a", 10.0)]), at(0));
    for (seq, what) in [(4, "older"), (5, "a repetition")] {
        let ack = applier.frame(&limits(seq, &[("a", 99.0)]), at(1));
        assert_eq!(status(&ack), (Status::Rejected, 10.0), "{what}");
    }
    let mut foreign = limits(9, &[("a", 99.0)]);
    foreign.version.epoch = EPOCH + 1;
    assert_eq!(status(&applier.frame(&foreign, at(1))), (Status::Rejected, 10.0));
    // The sidecar has been restarted: its numbering starts again, and nothing has jumped.
    applier.start_stream(EPOCH + 1);
    assert_eq!(a.value(), 10.0);
    foreign.version.seq = 1;
    assert_eq!(status(&applier.frame(&foreign, at(1))), (Status::Applied, 99.0));
}

#[test]
fn what_a_knob_cannot_take_is_unsupported_and_the_rest_is_applied() {
    let a = Fake::limit("a");
    let cold = Fake::new(Knob { hot: false, ..knob("cold", Kind::ConcurrencyLimit, 1.0, 9.0, 5.0) });
    let mut applier = applier(&[&a, &cold]);
    let mut frame = limits(1, &[("a", 10.0), ("nobody", 1.0), ("cold", 2.0)]);
    frame.unsupported.push(("gc".to_owned(), "not in this build".to_owned()));
    let ack = applier.frame(&frame, at(0));
    let unsupported = |knob| (knob, Status::Unsupported, if knob == "cold" { 5.0 } else { 0.0 });
    let expected =
        [("a", Status::Applied, 10.0), unsupported("nobody"), unsupported("cold"), unsupported("gc")];
    assert_eq!(lines(&ack), expected);

    frame = limits(2, &[]);
    frame.set = vec![setpoint("a", Value::Switch(true))];
    assert_eq!(status(&applier.frame(&frame, at(1))), (Status::Unsupported, 10.0), "{:?}", ack.results);
    frame = limits(3, &[("a", f64::NAN)]);
    assert_eq!(status(&applier.frame(&frame, at(1))), (Status::Rejected, 10.0));
}

#[test]
fn a_shadow_frame_moves_nothing() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    let shadow = Frame { mode: Mode::Shadow, ..limits(2, &[("a", 30.0), ("nobody", 1.0)]) };
    let ack = applier.frame(&shadow, at(1));
    assert_eq!(lines(&ack), [("a", Status::Shadowed, 10.0), ("nobody", Status::Unsupported, 0.0)]);
    applier.tick(at(2), at(2));
    assert_eq!(a.calls(), [10.0]);
}

#[test]
fn a_value_that_has_to_wait_is_applied_when_its_dwell_is_over_and_answered_again() {
    let a = Fake::new(Knob {
        min_dwell: Duration::from_secs(3),
        ..Fake::limit("a").slot.knob().as_ref().clone()
    });
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    assert_eq!(status(&applier.frame(&limits(2, &[("a", 20.0)]), at(1))), (Status::Deferred, 10.0));
    assert_eq!(applier.tick(at(2), at(2)), []);
    let acks = applier.tick(at(3), at(3));
    assert_eq!((acks.len(), status(&acks[0]), acks[0].nonce), (1, (Status::Applied, 20.0), 2));
    assert_eq!(status(&applier.frame(&limits(3, &[("a", 30.0)]), at(4))), (Status::Deferred, 20.0));
    assert_eq!(status(&applier.frame(&limits(4, &[("a", 5.0)]), at(5))), (Status::Applied, 5.0), "a cut");
    assert_eq!(applier.tick(at(9), at(9)), [], "what waited is no longer current");
    assert_eq!(a.calls(), [10.0, 20.0, 5.0]);
}

#[test]
fn a_move_that_is_cut_goes_on_step_by_step() {
    let a = Fake::new(Knob { max_change_ratio: 0.5, ..Fake::limit("a").slot.knob().as_ref().clone() });
    let mut applier = applier(&[&a]);
    assert_eq!(status(&applier.frame(&limits(1, &[("a", 150.0)]), at(0))), (Status::Clamped, 96.0));
    assert_eq!((applier.tick(at(0), at(0)), a.value()), (vec![], 96.0), "not at every tick");
    applier.tick(at(1), at(1));
    assert_eq!(a.value(), 144.0);
    let acks = applier.tick(at(2), at(2));
    assert_eq!(status(&acks[0]), (Status::Applied, 150.0));
}

#[test]
fn l2_a_refused_value_is_not_tried_again_until_it_changes() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    a.does().refuse = Some(20.0);
    let ack = applier.frame(&limits(2, &[("a", 20.0)]), at(1));
    assert_eq!((status(&ack), ack.results[0].detail.as_str()), ((Status::Rejected, 10.0), "no room"));
    applier.tick(at(2), at(2));
    assert_eq!(status(&applier.frame(&limits(3, &[("a", 20.0)]), at(3))), (Status::Rejected, 10.0));
    assert_eq!(a.calls(), [10.0, 20.0], "tried once");
    a.does().refuse = None;
    assert_eq!(status(&applier.frame(&limits(4, &[("a", 21.0)]), at(4))), (Status::Applied, 21.0));
}

#[test]
fn l2_a_previous_value_lives_on_while_the_new_one_is_refused() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    a.does().refuse = Some(20.0);
    for seq in 2..200 {
        applier.frame(&limits(seq, &[("a", 20.0)]), at(seq));
        applier.tick(at(seq), at(seq));
    }
    assert_eq!(a.value(), 10.0, "the sidecar is there, so nothing decays");
}

#[test]
fn l2_a_callback_that_panics_refuses_its_value_and_harms_nobody() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    a.does().panic_at = Some(13.0);
    let mut applier = applier(&[&a, &b]);
    let ack = applier.frame(&limits(1, &[("a", 13.0), ("b", 13.0)]), at(0));
    assert_eq!(lines(&ack), [("a", Status::Rejected, 64.0), ("b", Status::Applied, 13.0)]);
    assert_eq!(ack.results[0].detail, "the callback panicked");
}

#[test]
fn a_pinned_knob_is_the_owners() {
    let a = Fake::limit("a");
    let mut applier = applier(&[&a]);
    applier.frame(&limits(1, &[("a", 10.0)]), at(0));
    a.does().pinned = true;
    let acks = applier.tick(at(1), at(1));
    assert_eq!(status(&acks[0]), (Status::LocalOverride, 10.0));
    a.does().pinned = false;
    assert_eq!(status(&applier.tick(at(2), at(2))[0]), (Status::Applied, 10.0));
}

#[test]
fn an_atomic_frame_is_all_or_nothing() {
    let (a, b, c) = (Fake::limit("a"), Fake::limit("b"), Fake::limit("c"));
    let mut applier = applier(&[&a, &b, &c]);
    let atomic = |seq, set| Frame { atomic: true, ..limits(seq, set) };
    let ack = applier.frame(&atomic(1, &[("a", 10.0), ("b", 10.0), ("c", 10.0)]), at(0));
    assert!(ack.results.iter().all(|line| line.status == Status::Applied), "{ack:?}");

    b.does().refuse = Some(20.0);
    let ack = applier.frame(&atomic(2, &[("a", 20.0), ("b", 20.0)]), at(1));
    assert_eq!(lines(&ack), [("a", Status::Rejected, 10.0), ("b", Status::Rejected, 10.0)]);
    assert_eq!(ack.results[1].detail, "no room");
    assert_eq!(
        [&a, &b, &c].map(|fake| fake.value()),
        [10.0; 3],
        "the one that was applied is back, and so is the absent one"
    );
    let calls = b.calls().len();
    applier.frame(&atomic(3, &[("a", 20.0), ("b", 20.0)]), at(2));
    assert_eq!(
        (b.calls().len(), a.value()),
        (calls, 10.0),
        "the refusal is remembered: nothing is even tried"
    );

    let ack = applier.frame(&atomic(4, &[("a", 30.0), ("nobody", 30.0)]), at(3));
    assert_eq!(lines(&ack), [("a", Status::Rejected, 10.0), ("nobody", Status::Unsupported, 0.0)]);
    let mut unreadable = atomic(5, &[("a", 30.0)]);
    unreadable.unsupported.push(("gc".to_owned(), "not in this build".to_owned()));
    assert_eq!(applier.frame(&unreadable, at(3)).results[0].status, Status::Rejected);
    assert_eq!(a.value(), 10.0);
}

#[test]
fn an_atomic_frame_waits_for_all_of_its_knobs() {
    let slow = Fake::new(Knob {
        min_dwell: Duration::from_secs(3),
        ..Fake::limit("slow").slot.knob().as_ref().clone()
    });
    let a = Fake::limit("a");
    let mut applier = applier(&[&a, &slow]);
    applier.frame(&limits(1, &[("a", 10.0), ("slow", 10.0)]), at(0));
    let frame = Frame { atomic: true, ..limits(2, &[("a", 20.0), ("slow", 20.0)]) };
    let ack = applier.frame(&frame, at(1));
    assert_eq!(lines(&ack), [("a", Status::Deferred, 10.0), ("slow", Status::Deferred, 10.0)]);
    assert_eq!(applier.tick(at(2), at(2)), []);
    let acks = applier.tick(at(3), at(3));
    assert_eq!(lines(&acks[0]), [("a", Status::Applied, 20.0), ("slow", Status::Applied, 20.0)]);
}

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
fn a_hello_says_what_is_in_force() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    let mut applier = applier(&[&a, &b]);
    applier.frame(&limits(3, &[("a", 10.0)]), at(0));
    let state = applier.state(at(2));
    assert_eq!((state[0].effective, state[1].effective), (10.0, 64.0));
    assert_eq!(state[0].version, Some(Version { epoch: EPOCH, seq: 3 }));
    assert_eq!((state[0].lease_left, state[1].lease_left), (Some(Duration::from_secs(3)), None));
    assert_eq!(applier.last_applied(), state[0].version);
    applier.set_disabled(true);
    assert_eq!(applier.state(at(2))[0].status, Status::LocalOverride);
    assert_eq!(status(&applier.acks()[0]).0, Status::LocalOverride);
}

#[test]
fn knobs_come_and_go_within_the_bound() {
    let fakes: Vec<Arc<Fake>> = (0..300).map(|i| Fake::limit(&format!("k{i:03}"))).collect();
    let all = || fakes.iter().map(|fake| fake.clone() as Arc<dyn Actuator>).collect::<Vec<_>>();
    let mut applier = Applier::default();
    let update = applier.sync(all()[250..].to_vec());
    assert_eq!((update.add.len(), update.remove.len()), (50, 0));
    let update = applier.sync(all());
    assert_eq!((update.add.len(), update.remove.len()), (206, 0), "those that were announced stay");
    let update = applier.sync(all()[..250].to_vec());
    assert_eq!((update.add.len(), update.remove.len()), (44, 50));
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

#[test]
fn an_atomic_frame_that_is_taken_back_takes_back_what_goes_with_the_limit() {
    let (a, b) = (Fake::limit("a"), Fake::limit("b"));
    b.does().refuse = Some(20.0);
    let mut applier = applier(&[&a, &b]);
    let mut frame = Frame { atomic: true, ..limits(1, &[("a", 10.0), ("b", 20.0)]) };
    frame.set[0].admission.baseline_latency = Some(Duration::from_millis(20));
    let admission = frame.set[0].admission;
    applier.frame(&frame, at(0));
    assert_eq!(a.does().admitted, [Some(admission), None]);
}
