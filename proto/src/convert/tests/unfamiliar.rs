//! What a newer or an older build says: unknown is told apart from wrong and does no harm, absent has its default.

use super::sound::{applied, frame, from_sdk, from_sidecar, hello, knob, limit, seconds, setpoint, welcome};
use crate::bounds;
use crate::convert::{to_sdk, to_sidecar};
use crate::message::{Status, ToSdk, ToSidecar};
use crate::v1::{self, client_message, server_message};

#[test]
fn what_this_build_does_not_know_is_listed_and_the_rest_passes() {
    use v1::setpoint::Value;
    let limits = [
        v1::Limit::default(),
        v1::Limit { concurrency: Some(1.0), rate_per_s: Some(1.0), ..Default::default() },
        v1::Limit { concurrency: Some(1.0), queue: Some(0), ..Default::default() },
        v1::Limit { concurrency: Some(1.0), floor: Some(1.0), ..Default::default() },
        v1::Limit { concurrency: Some(1.0), local_adapt: true, ..Default::default() },
        v1::Limit { rate_per_s: Some(1.0), priority_share: vec![1.0; 5], ..Default::default() },
        v1::Limit { rate_per_s: Some(1.0), baseline_latency: seconds(1), ..Default::default() },
    ];
    let mut values: Vec<Option<Value>> = limits.into_iter().map(|wire| Some(limit(wire))).collect();
    values.push(None);
    values.push(Some(Value::Gc(v1::GcTarget::default())));
    values.push(Some(Value::Parallelism(v1::Parallelism::default())));
    values.push(Some(Value::Breaker(v1::Breaker { state: 77, ..Default::default() })));
    let mut unknown: Vec<_> =
        (0..values.len()).map(|i| setpoint(&format!("k{i}"), Value::On(true))).collect();
    for (setpoint, value) in unknown.iter_mut().zip(values) {
        setpoint.value = value;
    }
    let mut odd_lease = setpoint("odd-lease", Value::On(true));
    odd_lease.lease = Some(v1::Lease { on_expiry: 9, ..Default::default() });
    unknown.push(odd_lease);
    let names: Vec<String> = unknown.iter().map(|setpoint| setpoint.knob.clone()).collect();

    let set = [vec![setpoint("known", Value::Number(1.0))], unknown].concat();
    let heard = from_sidecar(server_message::Msg::Frame(v1::Frame { set, ..frame() }));
    let Ok(ToSdk::Frame(heard)) = heard else { panic!("{heard:?}") };
    assert_eq!(heard.set.len(), 1);
    assert_eq!(heard.unsupported.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
    assert!(heard.unsupported.iter().all(|(_, why)| why.contains("build")), "{:?}", heard.unsupported);

    let (odd_kind, odd_restrictive) =
        (v1::Knob { kind: 99, ..knob("c") }, v1::Knob { restrictive: 9, ..knob("d") });
    let hello = v1::Hello { knobs: vec![knob("a"), odd_kind, odd_restrictive], ..hello() };
    let heard = from_sdk(client_message::Msg::Hello(hello));
    let Ok(ToSidecar::Hello(heard)) = heard else { panic!("{heard:?}") };
    assert_eq!((heard.knobs.len(), heard.unsupported.len()), (1, 2));
}

#[test]
fn unknown_enums_outside_a_setpoint_do_no_harm() {
    let result = v1::Applied { status: 42, detail: "news".to_owned(), ..applied() };
    let ack = v1::Ack { channel: 1, nonce: 1, results: vec![result] };
    let Ok(ToSidecar::Ack(ack)) = from_sdk(client_message::Msg::Ack(ack)) else { panic!("refused") };
    assert_eq!(ack.results[0].status, Status::Unsupported);
    assert_eq!(ack.results[0].detail, "status 42 is not known to this build");

    let renewal = |channel| v1::ChannelVersion { channel, version: Some(v1::Version { epoch: 1, seq: 2 }) };
    let beat = v1::Beat { renew: vec![renewal(1), renewal(42)], ..Default::default() };
    let Ok(ToSdk::Beat(beat)) = from_sidecar(server_message::Msg::Beat(beat)) else { panic!("refused") };
    assert_eq!(beat.renew.len(), 1);
}

#[test]
fn a_message_of_an_unknown_kind_can_be_told_from_a_bad_one() {
    let unknown = to_sdk(v1::ServerMessage { msg: None }).expect_err("no kind");
    assert!(unknown.is_unknown_message());
    assert_eq!(unknown.to_string(), "message is of an unknown kind");
    assert!(to_sidecar(v1::ClientMessage { msg: None }).expect_err("no kind").is_unknown_message());
    let bad = from_sidecar(server_message::Msg::Welcome(v1::Welcome::default())).expect_err("no protocol");
    assert!(!bad.is_unknown_message());
}

#[test]
fn absent_fields_have_their_documented_defaults() {
    let Ok(ToSdk::Welcome(welcome)) = from_sidecar(server_message::Msg::Welcome(welcome())) else {
        panic!("refused")
    };
    let millis = [welcome.beat_every, welcome.lost_after, welcome.report_every].map(|d| d.as_millis());
    assert_eq!(millis, [1000, 5000, 100]);
    let open = v1::setpoint::Value::Breaker(v1::Breaker { state: 3, ..Default::default() });
    let bare = v1::Setpoint { knob: "a".to_owned(), value: Some(open), ..Default::default() };
    let wire = v1::Frame { set: vec![bare], ..frame() };
    let Ok(ToSdk::Frame(heard)) = from_sidecar(server_message::Msg::Frame(wire)) else { panic!("refused") };
    assert_eq!(heard.set[0].lease, setpoint_policies::lease::Lease::default());
    assert_eq!(format!("{:?}", heard.set[0].value), "Breaker(Open { retry_after: 1s })");
    let drain = from_sidecar(server_message::Msg::Drain(v1::Drain::default()));
    assert_eq!(
        drain,
        Ok(ToSdk::Drain { retry_after: std::time::Duration::from_secs(1), why: String::new() })
    );
}

#[test]
fn a_frame_that_cannot_be_read_can_be_answered() {
    let mut wire = frame();
    wire.set.push(setpoint("b", v1::setpoint::Value::Number(f64::NAN)));
    let message = v1::ServerMessage { msg: Some(server_message::Msg::Frame(wire)) };
    let ack = crate::convert::refusal(&message).expect("a frame with a channel");
    to_sdk(message).expect_err("not a number");
    let results: Vec<_> = ack.results.iter().map(|result| (result.knob.as_str(), result.status)).collect();
    assert_eq!(results, [("a", Status::Rejected), ("b", Status::Rejected)]);
    assert_eq!(ack.nonce, 1);
    assert!(bounds::KNOBS >= ack.results.len());
}
