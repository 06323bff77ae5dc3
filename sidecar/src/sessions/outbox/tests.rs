use std::time::Duration;

use proptest::prelude::*;
use setpoint_policies::admission::Admission;
use setpoint_policies::decision::{Action, Decision};
use setpoint_policies::reason::Reason;
use setpoint_policies::snapshot::InstanceId;
use setpoint_policies::spec::{Mode, PolicySet};
use setpoint_policies::totals::Watch;
use setpoint_policies::value::Breaker;
use setpoint_proto::message::{Applied, Mode as FrameMode};

use super::*;

const NOW: Timestamp = Timestamp::ZERO;

fn enforce() -> PolicySet {
    PolicySet { mode: Mode::Enforce, ..PolicySet::observe_only() }
}

fn decision(knob: &str, to: Value) -> Decision {
    Decision {
        id: 1,
        instance: InstanceId("demo/1".into()),
        knob: KnobName::try_new(knob).expect("valid"),
        from: to,
        to,
        admission: Admission::default(),
        action: Action::Decrease,
        policy: "p".into(),
        reason: Reason::Calm,
        guarded: None,
        overruled: Vec::new(),
    }
}

fn limit(knob: &str, to: f64) -> Decision {
    decision(knob, Value::Concurrency(to))
}

fn open(seconds: u64) -> Decision {
    decision("breaker.db", Value::Breaker(Breaker::Open { retry_after: Duration::from_secs(seconds) }))
}

fn want(desired: &mut Desired, decisions: &[Decision]) -> bool {
    desired.update(&decisions.iter().collect::<Vec<_>>(), &[], &enforce())
}

/// An outbox with the counter that versions come from, and a fixed idea of what is in force.
#[derive(Default)]
struct Sender {
    outbox: Outbox,
    seq: u64,
}

impl Sender {
    fn send(&mut self, desired: &Desired) -> Option<Frame> {
        let seq = &mut self.seq;
        let version = || {
            *seq += 1;
            Version { epoch: 7, seq: *seq }
        };
        self.outbox.frame(desired, NOW, version, |_| Some(Value::Concurrency(50.0)))
    }

    fn ack(&mut self, frame: &Frame, status: Status) {
        self.outbox.acknowledge(&answer(frame, status)).expect("was sent");
    }
}

fn answer(frame: &Frame, status: Status) -> Ack {
    let result = |setpoint: &Setpoint| Applied {
        knob: setpoint.knob.to_string(),
        status,
        effective: setpoint.value.scalar(),
        detail: String::new(),
        version: Some(frame.version),
        lease_left: None,
        shares: None,
    };
    Ack { channel: frame.channel, nonce: frame.nonce, results: frame.set.iter().map(result).collect() }
}

fn scalars(frame: &Frame) -> Vec<f64> {
    frame.set.iter().map(|setpoint| setpoint.value.scalar()).collect()
}

#[test]
fn one_frame_waits_for_its_ack_and_the_next_one_is_the_newest() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    assert!(sender.send(&desired).is_none(), "nothing was ever wanted");
    want(&mut desired, &[limit("limit.a", 50.0)]);
    let first = sender.send(&desired).expect("due");
    for to in [49.0, 48.0, 47.0] {
        want(&mut desired, &[limit("limit.a", to)]);
        assert!(sender.send(&desired).is_none(), "the first is not acknowledged");
    }
    sender.ack(&first, Status::Applied);
    let second = sender.send(&desired).expect("due");
    assert_eq!(scalars(&second), [47.0], "what was wanted in between is gone");
    assert_eq!((first.nonce, second.nonce), (1, 2));
    assert!(first.version.seq < second.version.seq);
}

#[test]
fn what_did_not_change_is_not_sent_again() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    assert!(want(&mut desired, &[limit("limit.a", 50.0)]));
    let frame = sender.send(&desired).expect("due");
    sender.ack(&frame, Status::Applied);
    let other_words = Decision { reason: Reason::Stalled, id: 2, ..limit("limit.a", 50.0) };
    assert!(!want(&mut desired, &[other_words]), "other words, same value");
    assert!(sender.send(&desired).is_none());
    want(&mut desired, &[limit("limit.a", 40.0)]);
    want(&mut desired, &[limit("limit.a", 50.0)]);
    assert!(sender.send(&desired).is_none(), "back before anybody noticed");
}

#[test]
fn c8_what_goes_with_a_limit_is_sent_when_it_has_moved_enough() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    let with = |millis| Decision {
        admission: Admission { baseline_latency: Some(Duration::from_millis(millis)), shares: None },
        ..limit("limit.a", 50.0)
    };
    let mut send = |decision| {
        want(&mut desired, &[decision]);
        let frame = sender.send(&desired)?;
        sender.ack(&frame, Status::Applied);
        frame.set[0].admission.baseline_latency
    };
    let millis = |millis| Some(Duration::from_millis(millis));
    assert_eq!(
        [limit("limit.a", 50.0), with(100), with(115), with(119)].map(&mut send),
        [None, millis(100), None, None]
    );
    assert_eq!([with(125), with(110), limit("limit.a", 50.0)].map(&mut send), [millis(125), None, None]);
}

#[test]
fn safety_overtakes() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    want(&mut desired, &[limit("limit.a", 50.0), open(1)]);
    let channels = [sender.send(&desired), sender.send(&desired)].map(|frame| frame.expect("due").channel);
    assert_eq!(channels, [Channel::Safety, Channel::Limits]);
}

#[test]
fn a_breaker_goes_back_to_the_local_one_when_its_lease_ends() {
    use setpoint_policies::lease::OnExpiry;
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    want(&mut desired, &[limit("limit.a", 50.0), open(1)]);
    let expiry = |frame: Option<Frame>| frame.expect("due").set[0].lease.on_expiry;
    assert_eq!(expiry(sender.send(&desired)), OnExpiry::Baseline);
    assert_eq!(expiry(sender.send(&desired)), OnExpiry::HoldThenDecay);
}

#[test]
fn a_refused_value_is_not_asked_for_again_until_it_changes() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    want(&mut desired, &[limit("limit.a", 35.0), limit("limit.b", 1.0)]);
    let frame = sender.send(&desired).expect("due");
    let mut ack = answer(&frame, Status::Applied);
    ack.results[0].status = Status::Rejected;
    sender.outbox.acknowledge(&ack).expect("was sent");
    assert!(sender.outbox.delivery().refused);
    assert!(sender.send(&desired).is_none(), "nothing changed");

    want(&mut desired, &[limit("limit.a", 35.0), limit("limit.b", 2.0)]);
    let frame = sender.send(&desired).expect("b changed");
    assert_eq!(scalars(&frame), [50.0, 2.0], "complete, with what stands in the place of what was refused");
    sender.ack(&frame, Status::Applied);
    assert!(sender.outbox.delivery().refused, "that the substitute was taken changes nothing");

    want(&mut desired, &[limit("limit.a", 30.0), limit("limit.b", 2.0)]);
    assert_eq!(scalars(&sender.send(&desired).expect("a changed")), [30.0, 2.0]);
    assert!(!sender.outbox.delivery().refused);
}

#[test]
fn an_unsupported_knob_is_left_out_until_its_value_changes() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    want(&mut desired, &[limit("limit.a", 35.0)]);
    let frame = sender.send(&desired).expect("due");
    sender.ack(&frame, Status::Unsupported);
    want(&mut desired, &[limit("limit.a", 35.0), limit("limit.b", 2.0)]);
    let frame = sender.send(&desired).expect("b came");
    assert_eq!(scalars(&frame), [2.0]);
    sender.ack(&frame, Status::Applied);
    want(&mut desired, &[limit("limit.a", 30.0), limit("limit.b", 2.0)]);
    assert_eq!(scalars(&sender.send(&desired).expect("a changed")), [30.0, 2.0]);
}

#[test]
fn a_deferred_value_is_acknowledged_twice() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    want(&mut desired, &[limit("limit.a", 35.0)]);
    let first = sender.send(&desired).expect("due");
    sender.ack(&first, Status::Deferred);
    let again = sender.outbox.acknowledge(&answer(&first, Status::Applied)).expect("was sent");
    assert!(again.is_some(), "the newest frame");
    want(&mut desired, &[limit("limit.a", 30.0)]);
    let second = sender.send(&desired).expect("due");
    let late = sender.outbox.acknowledge(&answer(&first, Status::Applied)).expect("was sent");
    assert!(late.is_none(), "an older frame");
    assert!(sender.outbox.delivery().waiting_since.is_some(), "and it does not open the window");
    sender.ack(&second, Status::Applied);
    assert!(sender.outbox.delivery().waiting_since.is_none());
}

#[test]
fn an_ack_of_nothing_is_refused() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    let none = Ack { channel: Channel::Limits, nonce: 0, results: Vec::new() };
    assert!(sender.outbox.acknowledge(&none).is_err(), "nothing was sent");
    want(&mut desired, &[limit("limit.a", 35.0)]);
    sender.send(&desired).expect("due");
    for (channel, nonce) in [(Channel::Limits, 2), (Channel::Safety, 1)] {
        let error =
            sender.outbox.acknowledge(&Ack { channel, nonce, results: Vec::new() }).expect_err("never sent");
        assert!(error.text.starts_with("ack.nonce"), "{error}");
    }
}

#[test]
fn a_beat_renews_what_was_acknowledged() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    want(&mut desired, &[limit("limit.a", 35.0), open(1)]);
    let safety = sender.send(&desired).expect("due");
    sender.send(&desired).expect("due");
    assert!(sender.outbox.renewals().is_empty());
    sender.ack(&safety, Status::Applied);
    assert_eq!(sender.outbox.renewals(), [(Channel::Safety, safety.version)]);
}

#[test]
fn observing_gives_everything_back_once_and_wants_nothing_more() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    let decided = limit("limit.a", 35.0);
    let observe = PolicySet::observe_only();
    assert!(!desired.update(&[&decided], &[], &observe), "nothing to give back");
    want(&mut desired, std::slice::from_ref(&decided));
    let frame = sender.send(&desired).expect("due");
    sender.ack(&frame, Status::Applied);
    assert!(desired.update(&[&decided], &[], &observe));
    assert!(sender.send(&desired).expect("due").set.is_empty());
    assert!(!desired.update(&[&decided], &[], &observe), "once");
}

#[test]
fn a_shadowed_frame_says_so() {
    let (mut sender, mut desired) = (Sender::default(), Desired::default());
    let shadow = PolicySet { mode: Mode::Shadow, ..PolicySet::observe_only() };
    desired.update(&[&limit("limit.a", 35.0)], &[], &shadow);
    let frame = sender.send(&desired).expect("due");
    assert_eq!(frame.mode, FrameMode::Shadow);
    sender.ack(&frame, Status::Shadowed);
    want(&mut desired, &[limit("limit.a", 35.0)]);
    assert_eq!(sender.send(&desired).expect("the mode changed").mode, FrameMode::Apply);
}

#[derive(Debug, Clone)]
enum Move {
    Limit(u8),
    Breaker(u8),
    Send,
    Ack { newest: bool, refuse: bool },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0u8..4).prop_map(Move::Limit),
        (0u8..4).prop_map(Move::Breaker),
        Just(Move::Send),
        (any::<bool>(), any::<bool>()).prop_map(|(newest, refuse)| Move::Ack { newest, refuse }),
    ];
    prop::collection::vec(one, 1..100)
}

proptest! {
    #[test]
    fn whatever_happens_the_newest_state_arrives_in_order(moves in moves()) {
        let (mut sender, mut desired) = (Sender::default(), Desired::default());
        let (mut wanted_limit, mut wanted_open) = (0u8, 0u8);
        want(&mut desired, &[limit("limit.a", 0.0), open(0)]);
        let mut waiting = Vec::<Frame>::new();
        let mut newest_version = None;
        for one in moves {
            match one {
                Move::Limit(to) => wanted_limit = to,
                Move::Breaker(to) => wanted_open = to,
                Move::Send => if let Some(frame) = sender.send(&desired) {
                    prop_assert!(waiting.iter().all(|other| other.channel != frame.channel), "window of one");
                    prop_assert!(newest_version < Some(frame.version.seq));
                    newest_version = Some(frame.version.seq);
                    waiting.push(frame);
                },
                Move::Ack { newest, refuse } if !waiting.is_empty() => {
                    let frame = waiting.remove(if newest { waiting.len() - 1 } else { 0 });
                    sender.ack(&frame, if refuse { Status::Rejected } else { Status::Applied });
                }
                Move::Ack { .. } => {}
            }
            want(&mut desired, &[limit("limit.a", f64::from(wanted_limit)), open(u64::from(wanted_open))]);
        }
        for frame in std::mem::take(&mut waiting) {
            sender.ack(&frame, Status::Applied);
        }
        // At rest: what is sent now, if anything, leaves nothing to send.
        while let Some(frame) = sender.send(&desired) {
            sender.ack(&frame, Status::Applied);
        }
        for channel in [Channel::Safety, Channel::Limits] {
            let last = sender.outbox.lanes[channel as usize].last.as_ref().expect("sent");
            prop_assert!(last.wanted.same_as(desired.channel(channel).expect("wanted")));
        }
    }
}

#[test]
fn what_policies_watch_is_sent_once_and_whatever_the_mode() {
    let watch = Watch { resource: "db".into(), after: Duration::from_millis(800) };
    let (mut outbox, mut desired) = (Outbox::default(), Desired::default());
    let observe = PolicySet::observe_only();
    assert!(desired.update(&[], &[&watch], &observe), "nothing is wanted of a knob");
    let frame =
        outbox.frame(&desired, Timestamp::ZERO, || Version { epoch: 7, seq: 1 }, |_| None).expect("due");
    assert_eq!(
        (frame.channel, &frame.set, &frame.watched),
        (Channel::Safety, &Vec::new(), &vec![watch.clone()])
    );
    assert!(!desired.update(&[], &[&watch], &observe), "no news");
    assert!(desired.update(&[], &[], &observe));
    let ack = Ack { channel: Channel::Safety, nonce: frame.nonce, results: Vec::new() };
    outbox.acknowledge(&ack).expect("sent").expect("the newest");
    let frame =
        outbox.frame(&desired, Timestamp::ZERO, || Version { epoch: 7, seq: 2 }, |_| None).expect("due");
    assert!(frame.watched.is_empty(), "and no more");
}
