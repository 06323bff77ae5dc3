//! Clients that do whatever they like with the real socket, beside a service that must not notice.

use std::path::Path;
use std::time::Duration;

use setpoint_policies::knob::KnobName;
use setpoint_policies::totals::Totals;
use setpoint_proto::message::{Report, SdkBeat, ToSidecar};
use setpoint_proto::rpc::ClientMessage;
use setpoint_proto::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, interval, timeout};
use tonic::Code;

use crate::raw::Raw;
use crate::recorder::Recorder;
use crate::service::{BASELINE, Host};
use crate::sidecar::{Sidecar, fixed};
use crate::until::PATIENCE;

const MAX_RSS_MIB: f64 = 64.0;
/// Five seconds are granted, and what a busy machine adds.
const LET_GO_WITHIN: Duration = Duration::from_secs(8);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Sends bytes and waits until the sidecar hangs up. Says how long that took.
async fn bytes(socket: &Path, bytes: &[u8]) -> Duration {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let began = Instant::now();
    let _ = stream.write_all(bytes).await; // it may hang up before everything is written
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it hangs up");
    assert!(answer.len() < 1000, "{} bytes for nothing", answer.len());
    began.elapsed()
}

async fn garbage(socket: &Path) {
    for garbage in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 100], &[0xff; 1 << 20]] {
        assert!(bytes(socket, garbage).await < LET_GO_WITHIN);
    }
}

async fn silence(socket: &Path) {
    let (mute, preface) = (bytes(socket, b""), bytes(socket, PREFACE));
    let (mute, preface) = tokio::join!(mute, preface);
    assert!(mute.max(preface) < LET_GO_WITHIN, "{mute:?}, {preface:?}");
}

async fn no_hello(socket: &Path) {
    let began = Instant::now();
    let ended = Raw::open(socket).await.ended().await;
    // Either its stream ends for want of a hello, or its connection for want of a session, whichever comes first.
    assert!(began.elapsed() < LET_GO_WITHIN, "{ended}");
    let mut impolite = Raw::open(socket).await;
    impolite.say(&ToSidecar::Beat(SdkBeat { n: 1, app_stall: Duration::ZERO })).await;
    assert_eq!(impolite.ended().await.code(), Code::InvalidArgument);
}

async fn huge_message(socket: &Path) {
    let mut raw = Raw::session(socket, "huge").await;
    let why = "x".repeat(1 << 20);
    let goodbye = v1::client_message::Msg::Goodbye(v1::Goodbye { why });
    raw.say_raw(ClientMessage { msg: Some(goodbye) }).await;
    let ended = raw.ended().await;
    assert_eq!(ended.code(), Code::ResourceExhausted, "{ended}");
}

/// 1000 reports a second, each with as many limiters as fit, under names that never come again.
async fn flood(socket: &Path) {
    let mut raw = Raw::session(socket, "flood").await;
    let began = Instant::now();
    let mut due = interval(Duration::from_millis(1));
    let ended = 'flooding: {
        for n in 0..20_000_u64 {
            due.tick().await;
            let name = |i: usize| KnobName::try_new(&format!("limit.{n}.{i}")).unwrap();
            let totals = (0..100).map(|i| (name(i), Totals::default())).collect();
            raw.say(&ToSidecar::Report(Box::new(Report { at_nanos: n, totals, ..Report::default() }))).await;
            if let Some(Err(ended)) = raw.hear(Duration::ZERO).await {
                break 'flooding ended;
            }
        }
        raw.ended().await
    };
    assert_eq!(ended.code(), Code::ResourceExhausted, "{ended}");
    assert!(began.elapsed() < LET_GO_WITHIN, "{:?}", began.elapsed());
}

/// More sessions than there are places: those who are in stay in.
async fn sessions(socket: &Path, present: usize) {
    let mut others = Vec::new();
    for n in present..64 {
        let mut raw = Raw::session(socket, &format!("crowd-{n}")).await;
        raw.hear(PATIENCE).await.expect("an answer").expect("a place");
        others.push(raw);
    }
    for n in 0..3 {
        let ended = Raw::session(socket, &format!("too-many-{n}")).await.ended().await;
        assert_eq!((ended.code(), ended.message()), (Code::ResourceExhausted, "more than 64 sessions"));
    }
}

/// More connections than there may be: the first 80 are heard, the rest is let go at once.
async fn connections(socket: &Path, present: usize) {
    let mut open = Vec::new();
    for _ in present..80 + 20 {
        open.push(UnixStream::connect(socket).await.unwrap());
    }
    for extra in &mut open[80 - present..] {
        let ended = timeout(Duration::from_secs(2), extra.read(&mut [0])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "let go at once: {ended:?}");
    }
}

pub async fn l2_hostile_clients_are_refused_and_bounded() {
    let mut sidecar = Sidecar::start(&fixed(BASELINE)).await;
    let socket = sidecar.socket();
    let host = Host::start(&socket).await;
    host.synced_at(BASELINE).await;
    let epoch = sidecar.status().await.epoch;
    let record = Recorder::start(&host);
    // What takes five seconds each is done side by side.
    tokio::join!(
        garbage(&socket),
        silence(&socket),
        no_hello(&socket),
        huge_message(&socket),
        flood(&socket)
    );
    sidecar.shows("only the service is left", PATIENCE, |status| status.sessions.len() == 1).await;
    sessions(&socket, 1).await;
    sidecar.shows("only the service is left", PATIENCE, |status| status.sessions.len() == 1).await;
    connections(&socket, 1).await;

    let status = sidecar.status().await;
    assert_eq!((status.epoch, status.sessions.len()), (epoch, 1), "nobody but the service");
    assert!(status.loop_age_seconds < 1.0, "the loop goes on: {}", status.loop_age_seconds);
    for cause in ["hello_order", "too_large", "flood", "sessions", "connections"] {
        let refused = sidecar.metric(&format!("setpoint_refused_clients_total{{cause=\"{cause}\"}}")).await;
        assert!(refused.is_some(), "{cause} is counted");
    }
    record.stop().assert_undisturbed();
    let newcomer = Host::start(&socket).await;
    newcomer.synced_at(BASELINE).await;
    let rss = sidecar.peak_rss_mib();
    eprintln!("hostile clients: the sidecar never had more than {rss:.1} MiB");
    assert!(rss < MAX_RSS_MIB, "{rss} MiB");
}
