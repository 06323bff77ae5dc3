//! A sidecar that is broken, hostile or newer than this build: nothing of it reaches the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use setpoint_policies::value::Value;
use setpoint_proto::convert;
use setpoint_proto::message::{Channel, SidecarBeat, Status, ToSdk, Version};
use setpoint_proto::rpc::ServerMessage;
use setpoint_proto::v1;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tonic::Code;

use super::fake::{Service, Sidecar, door, limit, seconds};
use crate::health::Health;

#[tokio::test(start_paused = true)]
async fn l2_a_frame_with_nonsense_in_it_is_answered_and_changes_nothing() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    for nonsense in [f64::NAN, f64::INFINITY, -1.0] {
        let frame = talk.frame(2, &[("limit.db", limit(nonsense))]);
        talk.say(&ToSdk::Frame(Box::new(frame))).await;
        let ack = talk.ack().await;
        let line = &ack.results[0];
        assert_eq!((ack.nonce, line.status, line.effective), (2, Status::Rejected, 10.0));
        assert!(line.detail.starts_with("frame.set[0].limit.concurrency"), "{}", line.detail);
    }
    let ack = talk.push(2, &[("limit.db", limit(12.0))]).await;
    assert_eq!((ack.results[0].status, service.limit()), (Status::Applied, 12.0), "the stream goes on");
}

#[tokio::test(start_paused = true)]
async fn unknown_messages_and_knobs_are_skipped() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.accept().await;
    talk.hello().await;
    talk.say_raw(ServerMessage { msg: None }).await;
    talk.welcome(1).await;
    talk.say_raw(ServerMessage { msg: None }).await;
    talk.welcome(1).await;
    let ack = talk.push(1, &[("limit.db", limit(10.0)), ("limit.nobody", limit(1.0))]).await;
    assert_eq!([ack.results[0].status, ack.results[1].status], [Status::Applied, Status::Unsupported]);
    let mut frame =
        convert::encode_to_sdk(&ToSdk::Frame(Box::new(talk.frame(2, &[("limit.db", limit(11.0))]))));
    if let Some(v1::server_message::Msg::Frame(frame)) = &mut frame.msg {
        let gc = v1::setpoint::Value::Gc(v1::GcTarget { mode: 99, ..Default::default() });
        frame.set.push(v1::Setpoint { knob: "breaker.db".to_owned(), value: Some(gc), ..Default::default() });
    }
    talk.say_raw(frame).await;
    let ack = talk.ack().await;
    assert_eq!([ack.results[0].status, ack.results[1].status], [Status::Applied, Status::Unsupported]);
    assert_eq!(service.limit(), 11.0);
}

#[tokio::test(start_paused = true)]
async fn only_a_newer_frame_of_the_epoch_counts() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(5, &[("limit.db", limit(10.0))]).await;
    assert_eq!(talk.push(4, &[("limit.db", limit(99.0))]).await.results[0].status, Status::Rejected);
    talk.epoch = 2;
    assert_eq!(talk.push(9, &[("limit.db", limit(99.0))]).await.results[0].status, Status::Rejected);
    assert_eq!(service.limit(), 10.0);
}

#[tokio::test(start_paused = true)]
async fn l2_a_flood_of_frames_ends_with_the_newest() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    for seq in 1..=3000 {
        let frame = talk.frame(seq, &[("limit.db", limit(4.0 + (seq % 300) as f64))]);
        talk.say(&ToSdk::Frame(Box::new(frame))).await;
    }
    let mut acks = 0;
    loop {
        acks += 1;
        if talk.ack().await.nonce == 3000 {
            break;
        }
    }
    assert!(acks <= 3000);
    assert_eq!(service.limit(), 4.0);
    talk.beats(2, true).await;
    assert_eq!(service.health(), Health::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_big_ends_the_stream_and_nothing_else() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    let huge = v1::Drain { why: "x".repeat(300 * 1024), ..Default::default() };
    talk.say_raw(ServerMessage { msg: Some(v1::server_message::Msg::Drain(huge)) }).await;
    let mut talk = sidecar.session(2).await;
    talk.beats(1, true).await;
    assert_eq!((service.limit(), sidecar.door.knocks.load(Ordering::SeqCst)), (10.0, 2));
}

#[tokio::test(start_paused = true)]
async fn whatever_listens_on_the_socket_the_service_is_left_alone() {
    let (door, mut raw) = door();
    let service = Service::start(door.clone());
    let garbage: [&[u8]; 4] = [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0xff; 4096], &[0; 64]];
    for bytes in garbage.into_iter().cycle().take(20) {
        let mut pipe = raw.recv().await.expect("it knocks again and again");
        // It may have hung up already, which is as good an answer as any.
        let _ = pipe.write_all(bytes).await;
    }
    assert_eq!((service.limit(), service.health()), (64.0, Health::Baseline));
    // One that takes the connection and says nothing: the hello is not waited for without end.
    let silent = raw.recv().await.expect("it knocks again");
    let knocked = Instant::now();
    let again = raw.recv().await;
    assert!(again.is_some() && knocked.elapsed() <= Duration::from_secs(9), "{:?}", knocked.elapsed());
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn a_hello_without_an_answer_is_given_up_after_five_seconds() {
    let mut sidecar = Sidecar::start();
    let _service = Service::start(sidecar.door.clone());
    let mut deaf = sidecar.accept().await;
    deaf.hello().await;
    let said = Instant::now();
    let mut next = sidecar.accept().await;
    next.hello().await;
    let waited = said.elapsed().as_secs_f64();
    assert!((5.0..5.3).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_does_not_want_us_is_asked_seldom() {
    for code in [Code::PermissionDenied, Code::Unauthenticated, Code::FailedPrecondition] {
        let sidecar = Sidecar::refusing(Some(tonic::Status::new(code, "not you")));
        let service = Service::start(sidecar.door.clone());
        seconds(60).await;
        let knocks = sidecar.door.knocks.load(Ordering::SeqCst);
        assert!((16..=23).contains(&knocks), "{knocks} in a minute after {code:?}");
        assert_eq!((service.limit(), service.health()), (64.0, Health::Baseline));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_speaks_another_protocol_is_not_listened_to() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.accept().await;
    talk.hello().await;
    let welcome = v1::Welcome { protocol: 2, epoch: 1, ..Default::default() };
    talk.say_raw(ServerMessage { msg: Some(v1::server_message::Msg::Welcome(welcome)) }).await;
    while talk.hear().await.is_some() {}
    assert_eq!((service.limit(), service.health()), (64.0, Health::Baseline));
}

#[tokio::test(start_paused = true)]
async fn l2_a_callback_that_panics_refuses_the_value_and_the_previous_one_stands() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let batch = service.sdk.knob("batch").bounds(1.0, 512.0).baseline(64.0).on_change(move |_, new, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        assert!(new < 100.0, "the service's own bug");
    });
    let batch = batch.register();
    let mut talk = sidecar.session(1).await;
    assert_eq!(talk.push(1, &[("batch", Value::Number(80.0))]).await.results[0].status, Status::Applied);
    for seq in 2..5 {
        let ack = talk.push(seq, &[("batch", Value::Number(200.0))]).await;
        assert_eq!((ack.results[0].status, ack.results[0].effective), (Status::Rejected, 80.0));
    }
    assert_eq!((batch.value(), calls.load(Ordering::SeqCst)), (80.0, 2), "not tried again");
    let ack = talk.push(5, &[("batch", Value::Number(90.0)), ("limit.db", limit(9.0))]).await;
    assert_eq!([ack.results[0].status, ack.results[1].status], [Status::Applied; 2]);
}

#[tokio::test(start_paused = true)]
async fn beats_of_other_versions_renew_nothing() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    for tick in 1..=8 {
        let renew = vec![
            (Channel::Limits, Version { epoch: 1, seq: 2 }),
            (Channel::Safety, Version { epoch: 1, seq: 1 }),
        ];
        let beat = SidecarBeat {
            n: tick,
            loop_tick: tick,
            loop_age: Duration::ZERO,
            oldest_signal_age: None,
            renew,
        };
        talk.say(&ToSdk::Beat(beat)).await;
        seconds(1).await;
    }
    assert_eq!(service.health(), Health::Held, "the loop is alive, but wants this value no more");
}
