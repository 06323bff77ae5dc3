//! What a bad client gets, and that nobody else notices.

use std::time::Duration;

use setpoint_proto::convert;
use setpoint_proto::message::{Ack, Channel, Report, SdkBeat, Status, ToSidecar};
use setpoint_proto::rpc::ClientMessage;
use setpoint_proto::{bounds, v1};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tonic::Code;

use crate::rig::{Rig, Sdk, endpoint, hello, limit, over};
use crate::sessions::MAX_SESSIONS;
use crate::transport::connection::Peer;

/// A well-behaved process beside the hostile one.
struct Bystander {
    sdk: Sdk,
    wanted: f64,
}

impl Bystander {
    async fn new(rig: &Rig) -> Self {
        Self { sdk: rig.session(hello("bystander")).await, wanted: 100.0 }
    }

    /// Still gets its setpoints.
    async fn is_well(&mut self, rig: &Rig) {
        self.wanted -= 1.0;
        rig.publish(&[limit("bystander", self.wanted)]);
        let frame = self.sdk.frame().await;
        assert_eq!(frame.set[0].value.scalar(), self.wanted);
        self.sdk.ack(&frame, Status::Applied).await;
    }
}

fn first(instance: &str) -> ToSidecar {
    ToSidecar::Hello(Box::new(hello(instance)))
}

fn refused(rig: &Rig, cause: &str, count: u32) {
    let line = format!("setpoint_refused_clients_total{{cause=\"{cause}\"}} {count}");
    let metrics = rig.metrics();
    assert!(metrics.contains(&line), "no {line} in {metrics}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_refused_after_five_seconds() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let started = tokio::time::Instant::now();
    // The connection itself is kept open by a second, proper session on it.
    let channel = rig.channel(endpoint()).await;
    let proper = Sdk::open(channel.clone()).await;
    proper.say(first("proper")).await;
    let mut silent = Sdk::open(channel).await;
    let status = silent.end().await;
    assert_eq!((status.code(), started.elapsed().as_secs()), (Code::DeadlineExceeded, 5));
    assert!(status.message().starts_with("hello:"), "{status}");
    refused(&rig, "hello_missing", 1);
    bystander.is_well(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn only_a_hello_comes_first_and_only_once() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let mut early = rig.say(ToSidecar::Report(Box::default())).await;
    let status = early.end().await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "hello: must be the first message")
    );

    let mut twice = rig.session(hello("twice")).await;
    twice.say(first("twice")).await;
    let status = twice.end().await;
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "hello: was sent twice"));
    refused(&rig, "hello_order", 2);
    bystander.is_well(&rig).await;
    assert_eq!(rig.shared.registry.sessions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_huge_message_is_refused() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let mut sdk = rig.session(hello("huge")).await;
    let why = "x".repeat(bounds::MESSAGE_BYTES + 1);
    let goodbye = v1::client_message::Msg::Goodbye(v1::Goodbye { why });
    sdk.say_raw(ClientMessage { msg: Some(goodbye) }).await;
    let status = sdk.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("longer than 262144 bytes"), "{status}");
    refused(&rig, "too_large", 1);
    bystander.is_well(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_field_is_named() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let mut wire = convert::encode_to_sidecar(&first("bad"));
    let Some(v1::client_message::Msg::Hello(hello)) = &mut wire.msg else { panic!("no hello") };
    hello.knobs[1].min = f64::NAN;
    let mut sdk = rig.open().await;
    sdk.say_raw(wire).await;
    let status = sdk.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("hello.knobs[1].min"), "{status}");
    refused(&rig, "malformed", 1);
    bystander.is_well(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn an_ack_of_a_frame_that_was_never_sent_is_refused() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let mut sdk = rig.session(hello("liar")).await;
    sdk.say(ToSidecar::Ack(Ack { channel: Channel::Limits, nonce: 9, results: Vec::new() })).await;
    let status = sdk.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("ack.nonce 9"), "{status}");
    bystander.is_well(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_refused_and_a_fast_reporter_is_not() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let fast = rig.session(hello("fast")).await;
    for _ in 0..200 {
        fast.say(ToSidecar::Report(Box::default())).await;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(rig.shared.registry.sessions().len(), 2, "40 per second are fine");
    let mut flood = rig.session(hello("flood")).await;
    for n in 0..150 {
        flood.say(ToSidecar::Beat(SdkBeat { n, app_stall: Duration::ZERO })).await;
    }
    let status = flood.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("50 messages per second"), "{status}");
    refused(&rig, "flood", 1);
    bystander.is_well(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn the_sixty_fifth_session_is_refused_until_one_leaves() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let mut others = Vec::new();
    for n in 1..MAX_SESSIONS {
        others.push(rig.session(hello(&n.to_string())).await);
    }
    let mut one_too_many = rig.say(first("one too many")).await;
    let status = one_too_many.end().await;
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "more than 64 sessions"));
    // Who is in already may reconnect.
    others[0] = rig.session(hello("1")).await;
    bystander.is_well(&rig).await;
    let mut leaving = others.pop().expect("there are 63");
    leaving.say(ToSidecar::Goodbye { why: String::new() }).await;
    leaving.end().await;
    rig.session(hello("one too many")).await;
}

#[tokio::test(start_paused = true)]
async fn more_knobs_than_a_process_may_have_are_refused() {
    use setpoint_policies::knob::{Kind, Knob, KnobName};
    use setpoint_proto::message::KnobUpdate;
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let mut sdk = rig.session(hello("many")).await;
    for batch in 0..2 {
        let name = |n| KnobName::try_new(&format!("k.{batch}.{n}")).expect("valid");
        let knob = |n| Knob::try_new(name(n), Kind::Numeric, 0.0, 1.0, 0.0).expect("valid");
        let add = (0..200).map(knob).collect();
        sdk.say(ToSidecar::Knobs(KnobUpdate { add, ..KnobUpdate::default() })).await;
    }
    let status = sdk.end().await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().starts_with("knobs.add"), "{status}");
    bystander.is_well(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn counters_of_names_without_end_do_not_pile_up() {
    use setpoint_policies::knob::KnobName;
    let rig = Rig::start();
    let mut sdk = rig.session(hello("names")).await;
    for batch in 0..5 {
        let name = |n: usize| KnobName::try_new(&format!("k.{batch}.{n}")).expect("valid");
        let totals = (0..bounds::RESOURCES).map(|n| (name(n), Default::default())).collect();
        sdk.say(ToSidecar::Report(Box::new(Report { totals, ..Report::default() }))).await;
    }
    sdk.beat().await;
    assert_eq!(rig.shared.registry.instances()[0].totals.len(), bounds::RESOURCES);
}

#[tokio::test(start_paused = true)]
async fn a_protocol_without_overlap_is_refused() {
    let rig = Rig::start();
    let mut future = hello("future");
    (future.protocol_min, future.protocol_max) = (2, 3);
    let mut sdk = rig.say(ToSidecar::Hello(Box::new(future))).await;
    let status = sdk.end().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("protocol_min"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_an_unknown_kind_is_ignored() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    bystander.sdk.say_raw(ClientMessage { msg: None }).await;
    bystander.is_well(&rig).await;
    assert!(rig.metrics().contains("setpoint_unknown_messages_total 1"));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_refused() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let pipe = rig.pipe_from(Peer { uid: 4242, gid: 4242 }).await;
    let status = Sdk::try_open(over(pipe, endpoint()).await).await.err().expect("refused");
    assert_eq!(status.code(), Code::PermissionDenied);
    refused(&rig, "peer", 1);
    bystander.is_well(&rig).await;
}

/// Reads to the end of the connection, and how much that was.
async fn rest(pipe: &mut DuplexStream) -> usize {
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(60), pipe.read_to_end(&mut answer));
    // An error is an end as well.
    let _ = end.await.expect("the connection ends");
    answer.len()
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_its_own_connection_only() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    for garbage in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 100], &[0xff; 5000]] {
        let mut pipe = rig.pipe().await;
        // It may be closed before everything is written.
        let _ = pipe.write_all(garbage).await;
        assert!(rest(&mut pipe).await < 1000);
        bystander.is_well(&rig).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_session_is_closed_after_five_seconds() {
    let rig = Rig::start();
    let mut bystander = Bystander::new(&rig).await;
    let started = tokio::time::Instant::now();
    let mut mute = rig.pipe().await;
    rest(&mut mute).await;
    assert_eq!(started.elapsed().as_secs(), 5);

    // HTTP/2 is spoken properly, a session never comes.
    let mut polite = rig.pipe().await;
    polite.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("open");
    rest(&mut polite).await;
    assert_eq!(started.elapsed().as_secs(), 10);
    bystander.is_well(&rig).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    bystander.is_well(&rig).await;
}
