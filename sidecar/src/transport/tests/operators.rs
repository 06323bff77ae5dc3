//! What people see from an SDK's side of the socket.

use std::time::Duration;

use setpoint_policies::decision::Decision;
use setpoint_policies::snapshot::Snapshot;
use setpoint_proto::message::Status;
use setpoint_proto::rpc::TuningClient;
use setpoint_proto::v1;
use tonic::Code;
use tonic::transport::Channel;

use crate::journal::CAPACITY;
use crate::rig::{Rig, endpoint, hello, instance, limit};
use crate::transport::connection::{IDLE_FOR, Peer};
use crate::transport::operators::STREAMS;

type Client = TuningClient<Channel>;

async fn client(rig: &Rig) -> Client {
    TuningClient::new(rig.channel(endpoint()).await)
}

async fn snapshot(client: &mut Client, service: &str, instance: &str) -> v1::SnapshotResponse {
    let asked = v1::SnapshotRequest { service: service.to_owned(), instance_id: instance.to_owned() };
    client.snapshot(asked).await.expect("answered").into_inner()
}

/// Decides as a tick does, so that it is in the journal.
fn decide(rig: &Rig, decisions: &[Decision]) {
    let seen = Snapshot { instances: vec![instance("demo/a")], ..Snapshot::default() };
    rig.shared.journal.record(&seen, decisions);
}

fn change(id: u64) -> Decision {
    Decision { id, ..limit("a", id as f64) }
}

fn explain(knob: &str, last: u32, follow: bool) -> v1::ExplainRequest {
    v1::ExplainRequest { service: "demo".to_owned(), knob: knob.to_owned(), last, follow }
}

/// The ids that an answer brings until it ends.
async fn ids(client: &mut Client, asked: v1::ExplainRequest) -> Vec<u64> {
    let mut stream = client.explain(asked).await.expect("answered").into_inner();
    let mut ids = Vec::new();
    while let Some(decision) = stream.message().await.expect("goes on") {
        ids.push(decision.id);
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn l6_a_snapshot_tells_what_is_in_force_and_what_is_wanted_and_why() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0)]);
    let frame = sdk.frame().await;
    let mut client = client(&rig).await;
    let answer = snapshot(&mut client, "", "").await;
    assert_eq!((&*answer.config_state, &*answer.config_revision), ("observe_only", ""));
    let [session] = &answer.sessions[..] else { panic!("not one session: {answer:?}") };
    assert_eq!((&*session.service, &*session.instance_id, &*session.sdk), ("demo", "a", "test/1"));
    assert_eq!(session.state(), v1::session_view::State::Sent);
    let bounds = session.knobs.iter().map(|knob| (&*knob.name, knob.min, knob.max)).collect::<Vec<_>>();
    assert_eq!(bounds, [("breaker.db", 0.0, 4.0), ("limit.inbound", 4.0, 400.0)]);
    let in_force = session.in_force.iter().map(|applied| applied.effective).collect::<Vec<_>>();
    assert_eq!(in_force, [0.0, 64.0], "baselines");
    let [wanted] = &session.wanted[..] else { panic!("not one channel: {session:?}") };
    assert_eq!((wanted.channel(), wanted.version), (v1::frame::Channel::Limits, None));
    let (setpoint, reason) = (&wanted.set[0], wanted.set[0].reason.as_ref().expect("explained"));
    let Some(v1::setpoint::Value::Limit(value)) = &setpoint.value else { panic!("no limit: {setpoint:?}") };
    assert_eq!((&*setpoint.knob, value.concurrency, &*reason.policy), ("limit.inbound", Some(35.0), "p"));

    sdk.ack(&frame, Status::Applied).await;
    sdk.beat().await;
    let session = snapshot(&mut client, "demo", "a").await.sessions.remove(0);
    assert_eq!((session.state(), session.in_force[1].effective), (v1::session_view::State::Synced, 35.0));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_of_what_was_asked_for_and_has_an_end() {
    let rig = Rig::start();
    let mut sessions = Vec::new();
    for n in 0..20 {
        let mut crowded = hello(&n.to_string());
        crowded.service = if n == 0 { "other" } else { "demo" }.to_owned();
        let knob = crowded.knobs[0].clone();
        crowded.knobs = (0..256)
            .map(|k| {
                let mut knob = knob.clone();
                knob.name = setpoint_policies::knob::KnobName::try_new(&format!("limit.{k}")).expect("valid");
                knob.unit = "u".repeat(200);
                knob
            })
            .collect();
        sessions.push(rig.session(crowded).await);
    }
    let mut client = client(&rig).await;
    let all = snapshot(&mut client, "", "").await;
    assert!(setpoint_proto::rpc::size(&all) <= 1024 * 1024 + 8192, "{}", setpoint_proto::rpc::size(&all));
    assert!(all.left_out > 0 && all.sessions.len() + all.left_out as usize == 20, "{}", all.left_out);
    let one = snapshot(&mut client, "other", "").await;
    assert_eq!((one.sessions.len(), &*one.sessions[0].instance_id, one.left_out), (1, "0", 0));
    assert_eq!(snapshot(&mut client, "demo", "0").await.sessions, []);
    assert_eq!(snapshot(&mut client, "demo", "19").await.sessions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn l6_changes_are_explained_as_asked() {
    let rig = Rig::start();
    decide(&rig, &(1..=5).map(change).collect::<Vec<_>>());
    let mut client = client(&rig).await;
    for (knob, last, expected) in [
        ("", 0, &[1, 2, 3, 4, 5][..]),
        ("limit.inbound", 2, &[4, 5]),
        ("limit.inbound", u32::MAX, &[1, 2, 3, 4, 5]),
        ("limit.other", 0, &[]),
    ] {
        assert_eq!(ids(&mut client, explain(knob, last, false)).await, expected, "{knob} {last}");
    }
    let other = v1::ExplainRequest { service: "other".to_owned(), ..Default::default() };
    assert!(ids(&mut client, other).await.is_empty());
    let mut stream = client.explain(explain("", 1, false)).await.expect("answered").into_inner();
    let decision = stream.message().await.expect("goes on").expect("one");
    assert_eq!((&*decision.service, &*decision.instance_id, &*decision.knob), ("demo", "a", "limit.inbound"));
    assert_eq!((decision.from, decision.to), (5.0, 5.0));
    let reason = decision.reason.expect("explained");
    assert_eq!((&*reason.policy, &*reason.action, &*reason.rule), ("p", "decrease", "calm"));
}

#[tokio::test(start_paused = true)]
async fn l6_a_stream_follows_until_the_sidecar_goes_and_does_not_idle_out() {
    let rig = Rig::start();
    decide(&rig, &[change(1), change(2)]);
    let mut client = client(&rig).await;
    let mut stream = client.explain(explain("", 1, true)).await.expect("answered").into_inner();
    assert_eq!(stream.message().await.expect("goes on").expect("the last").id, 2);
    tokio::time::sleep(IDLE_FOR * 3).await;
    decide(&rig, &[change(4), change(3)]);
    for id in [4, 3] {
        assert_eq!(
            stream.message().await.expect("goes on").expect("news").id,
            id,
            "in the order of the journal"
        );
    }
    rig.shared.registry.drain();
    assert_eq!(stream.message().await.expect("ends in order"), None);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_costs_a_place_for_ten_seconds() {
    let rig = Rig::start();
    decide(
        &rig,
        &(1..=CAPACITY as u64)
            .map(|id| Decision { policy: "p".repeat(250).into(), ..change(id) })
            .collect::<Vec<_>>(),
    );
    let mut client = client(&rig).await;
    let mut unread = Vec::new();
    for _ in 0..STREAMS {
        unread.push(client.explain(explain("", 0, false)).await.expect("answered").into_inner());
    }
    let refused = client.explain(explain("", 1, false)).await.expect_err("no place");
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::ResourceExhausted, "more than 4 streams of decisions")
    );
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(
        ids(&mut TuningClient::new(rig.channel(endpoint()).await), explain("", 1, false)).await,
        [CAPACITY as u64]
    );
}

#[tokio::test(start_paused = true)]
async fn questions_are_bounded_and_strangers_get_no_answer() {
    let rig = Rig::start();
    let mut client = client(&rig).await;
    let asked = v1::SnapshotRequest::default;
    let mut answered = 0;
    while client.snapshot(asked()).await.is_ok() {
        answered += 1;
        assert!(answered < 100);
    }
    assert_eq!(answered, 10);
    let refused = client.explain(v1::ExplainRequest::default()).await.expect_err("together");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    tokio::time::sleep(Duration::from_secs(1)).await;
    snapshot(&mut client, "", "").await;

    let pipe = rig.pipe_from(Peer { uid: 4242, gid: 4242 }).await;
    let mut stranger = TuningClient::new(crate::rig::over(pipe, endpoint()).await);
    let codes = [
        stranger.snapshot(asked()).await.expect_err("a stranger").code(),
        stranger.explain(v1::ExplainRequest::default()).await.expect_err("a stranger").code(),
    ];
    assert_eq!(codes, [Code::PermissionDenied; 2]);
    assert!(rig.metrics().contains("setpoint_refused_clients_total{cause=\"peer\"} 2"));
}
