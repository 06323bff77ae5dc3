//! How sessions begin and end.

use std::time::Duration;

use setpoint_policies::knob::KnobName;
use setpoint_policies::value::Value;
use setpoint_proto::message::{BreakerState, KnobUpdate, Report, Status, ToSdk, ToSidecar};
use tonic::Code;

use crate::rig::{EPOCH, Rig, applied, hello, limit};
use crate::status::SessionState;

#[tokio::test(start_paused = true)]
async fn a_hello_is_welcomed() {
    let rig = Rig::start();
    let mut sdk = rig.say(ToSidecar::Hello(Box::new(hello("a")))).await;
    let welcome = sdk.welcome().await;
    assert_eq!((welcome.epoch, welcome.beat_every.as_secs(), welcome.lost_after.as_secs()), (EPOCH, 1, 5));
    assert_eq!(welcome.report_every, Duration::from_millis(100), "one report per tick");
    let unbound = welcome.unbound.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(unbound, ["breaker.db", "limit.inbound"], "there are no policies");
}

#[tokio::test(start_paused = true)]
async fn a_new_sidecar_learns_what_is_in_force_from_the_hello() {
    let rig = Rig::start();
    let mut hello = hello("a");
    hello.state = vec![
        applied("limit.inbound", Status::Applied, 35.0),
        applied("unknown", Status::Applied, 1.0),
        applied("breaker.db", Status::Unsupported, 3.0),
    ];
    let _sdk = rig.session(hello).await;
    let instances = rig.shared.registry.instances();
    let in_force =
        instances[0].in_force.iter().map(|(knob, value)| (knob.as_str(), *value)).collect::<Vec<_>>();
    assert_eq!(in_force, [("limit.inbound", Value::Concurrency(35.0))]);
}

#[tokio::test(start_paused = true)]
async fn good_bye_and_a_lost_stream_both_forget_the_process() {
    let rig = Rig::start();
    let mut polite = rig.session(hello("polite")).await;
    let rude = rig.session(hello("rude")).await;
    assert_eq!(rig.shared.registry.sessions().len(), 2);
    polite.say(ToSidecar::Goodbye { why: "exit".to_owned() }).await;
    assert_eq!(polite.end().await.code(), Code::Ok);
    assert_eq!(rig.shared.registry.sessions().len(), 1);
    drop(rude);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(rig.shared.registry.sessions().is_empty());
    let metrics = rig.metrics();
    assert!(metrics.contains("setpoint_sessions_ended_total{how=\"goodbye\"} 1"), "{metrics}");
    assert!(metrics.contains("setpoint_sessions_ended_total{how=\"lost\"} 1"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn a_newer_life_takes_the_place_of_the_older_one() {
    let rig = Rig::start();
    let mut first = rig.session(hello("a")).await;
    let mut second = hello("a");
    second.incarnation = 2;
    let _second = rig.session(second).await;
    assert_eq!(first.end().await.code(), Code::Aborted);
    assert_eq!(rig.shared.registry.instances()[0].incarnation, 2);

    let mut late = rig.say(ToSidecar::Hello(Box::new(hello("a")))).await;
    let status = late.end().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().starts_with("hello.incarnation"), "{status}");
    assert_eq!(
        rig.shared.registry.instances().len(),
        1,
        "the older life's task has left its successor alone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_just_got_something_to_say_also_makes_room() {
    let rig = Rig::start();
    let mut first = rig.session(hello("a")).await;
    // Both before the first one's task runs again.
    rig.publish(&[limit("a", 35.0)]);
    let _place = rig.shared.registry.admit(&hello("a")).expect("takes over");
    assert_eq!(first.end().await.code(), Code::Aborted);
}

#[tokio::test(start_paused = true)]
async fn knobs_come_and_go() {
    let rig = Rig::start();
    let sdk = rig.session(hello("a")).await;
    let mut knobs = hello("b").knobs;
    knobs[0].name = setpoint_policies::knob::KnobName::try_new("limit.late").expect("valid");
    knobs[0].deadline = Some(Duration::from_millis(250));
    let remove = vec![knobs[1].name.clone()];
    sdk.say(ToSidecar::Knobs(KnobUpdate { add: vec![knobs[0].clone()], unsupported: Vec::new(), remove }))
        .await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let declared = &rig.shared.registry.instances()[0].knobs;
    let names = declared.iter().map(|knob| knob.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["limit.inbound", "limit.late"]);
    let deadlines = declared.iter().map(|knob| knob.deadline).collect::<Vec<_>>();
    assert_eq!(
        deadlines,
        [None, Some(Duration::from_millis(250))],
        "C7: policies see the deadline of a limiter"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_good_bye_to_everybody_and_lets_nobody_in() {
    let mut rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0)]);
    let spare = rig.open().await;
    rig.shared.registry.drain();
    let (mut drained, end) = loop {
        match sdk.next().await {
            Ok(ToSdk::Drain { retry_after, .. }) => break (retry_after, sdk.end().await),
            Ok(_) => {}
            Err(status) => panic!("no drain before {status}"),
        }
    };
    assert!(std::mem::take(&mut drained) > Duration::ZERO);
    assert_eq!(end.code(), Code::Unavailable);
    let mut spare = spare;
    spare.say(ToSidecar::Hello(Box::new(hello("b")))).await;
    assert_eq!(spare.end().await.code(), Code::Unavailable);
    drop((sdk, spare));
    drop(rig.stop.take());
    rig.serving.await.expect("no panic").expect("an orderly end");
}

#[tokio::test(start_paused = true)]
async fn how_well_a_session_follows_is_seen() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    let state = || crate::view::status(&rig.shared).sessions[0].state;
    assert_eq!(state(), SessionState::Synced);
    rig.publish(&[limit("a", 35.0)]);
    let frame = sdk.frame().await;
    assert_eq!(state(), SessionState::Sent);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(state(), SessionState::Lagging);
    sdk.ack(&frame, Status::Rejected).await;
    sdk.beat().await;
    sdk.beat().await;
    assert_eq!(state(), SessionState::Nacked);
}

#[tokio::test(start_paused = true)]
async fn b2_a_breaker_that_opened_by_its_own_rule_is_shown() {
    let rig = Rig::start();
    let sdk = rig.session(hello("a")).await;
    let breakers = ["breaker.db", "breaker.made_up"]
        .map(|name| (KnobName::try_new(name).expect("valid"), BreakerState::Open));
    let report = Report { breakers: breakers.into(), ..Report::default() };
    let shown = || {
        let status = crate::view::status(&rig.shared);
        status.sessions[0]
            .knobs
            .iter()
            .map(|knob| (knob.name.clone(), knob.in_force, knob.breaker.clone()))
            .collect::<Vec<_>>()
    };
    let knob =
        |name: &str, in_force, breaker: Option<&str>| (name.to_owned(), in_force, breaker.map(str::to_owned));
    assert_eq!(shown(), [knob("breaker.db", 0.0, None), knob("limit.inbound", 64.0, None)], "not told yet");
    sdk.say(ToSidecar::Report(Box::new(report))).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(shown(), [knob("breaker.db", 0.0, Some("open")), knob("limit.inbound", 64.0, None)]);
    let text = crate::show::text(&crate::view::status(&rig.shared));
    let line = text.lines().find(|line| line.starts_with("  breaker.db")).expect("shown");
    assert!(line.contains(" local: open"), "{text}");
}
