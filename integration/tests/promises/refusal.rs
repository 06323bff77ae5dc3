//! The service refuses a value: the previous one stands, the sidecar is told what is in force, and does not insist.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use setpoint::status::SessionState;
use setpoint_fake_sidecar::{Talk, listen};
use setpoint_policies::value::Value;
use setpoint_proto::message::{Applied, Frame, Status, ToSdk, ToSidecar};
use setpoint_sdk::Setpoint;
use tempfile::TempDir;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::raw::Raw;
use crate::service::BASELINE;
use crate::sidecar::{PUSHED, Sidecar, fixed, limit, session};
use crate::until::PATIENCE;

/// Time in which a sidecar that insists would have done so twenty times.
const QUIET: Duration = Duration::from_secs(2);
const NOTHING: [f64; 0] = [];

/// Answers every frame until one asks for `refused`, which is rejected with the baseline still in force; then gives every
/// value that is asked for within [`QUIET`].
async fn refuse(raw: &mut Raw, refused: f64) -> Vec<f64> {
    let mut asked = None::<(Instant, Vec<f64>)>;
    let (started, mut reports) = (Instant::now(), interval(Duration::from_millis(100)));
    reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            _ = reports.tick() => {
                raw.report().await;
                assert!(asked.is_some() || started.elapsed() < PATIENCE, "nobody asks for {refused}");
                match asked {
                    Some((since, asked)) if since.elapsed() > QUIET => return asked,
                    _ => continue,
                }
            }
            heard = raw.hear(PATIENCE) => match heard.expect("beats come").unwrap() {
                ToSdk::Frame(frame) => frame,
                _ => continue,
            },
        };
        let value = frame.set[0].value.scalar();
        match &mut asked {
            Some((_, asked)) => asked.push(value),
            None if value == refused => asked = Some((Instant::now(), Vec::new())),
            None => {}
        }
        let status = if value == refused { Status::Rejected } else { Status::Applied };
        raw.answer(&frame, status, BASELINE).await;
    }
}

pub async fn l2_a_refused_value_is_not_sent_again() {
    let sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let mut raw = Raw::session(&sidecar.socket(), "stubborn").await;
    assert_eq!(
        refuse(&mut raw, PUSHED).await,
        NOTHING,
        "it does not insist, nor does it ask for anything else"
    );
    let status = sidecar.status().await;
    let knob = limit(&status, "raw").unwrap();
    assert_eq!(
        (knob.in_force, knob.want),
        (BASELINE, Some(PUSHED)),
        "what was read back, and what is wanted"
    );
    assert_eq!(session(&status, "raw").unwrap().state, SessionState::Nacked);
    assert_eq!(sidecar.metric("setpoint_acks_total{status=\"rejected\"}").await, Some(1.0));

    // Another value is another question.
    sidecar.write(fixed(30.0));
    assert_eq!(refuse(&mut raw, 30.0).await, NOTHING);
    let status = sidecar.status().await;
    assert_eq!(limit(&status, "raw").unwrap().want, Some(30.0));
    assert_eq!(sidecar.metric("setpoint_acks_total{status=\"rejected\"}").await, Some(2.0));
    sidecar.write(fixed(25.0));
    let frame = next_frame(&mut raw).await;
    assert_eq!(frame.set[0].value.scalar(), 25.0);
    raw.answer(&frame, Status::Applied, 25.0).await;
    let in_step = |status: &_| {
        let knob = limit(status, "raw").unwrap();
        knob.in_force == 25.0 && session(status, "raw").unwrap().state == SessionState::Synced
    };
    sidecar.shows("in step, at last", PATIENCE, in_step).await;
}

async fn next_frame(raw: &mut Raw) -> Frame {
    loop {
        if let ToSdk::Frame(frame) = raw.hear(PATIENCE).await.expect("beats come").unwrap() {
            return *frame;
        }
    }
}

/// A service whose callback panics at one value.
pub async fn l2_a_callback_that_panics_keeps_the_previous_value() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("sdk.sock");
    let mut talks = listen(&socket).unwrap();
    let setpoint = Setpoint::builder("refuses").socket(&socket).disabled(false).start();
    let told = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&told);
    let on_change = move |_, new: f64, _: &_| {
        noted.store(true, SeqCst);
        assert!(new != 13.0, "thirteen is refused, on purpose");
    };
    let batch = setpoint.knob("batch.size").bounds(1.0, 512.0).baseline(64.0).on_change(on_change).register();
    let mut talk = talks.recv().await.unwrap();
    timeout(PATIENCE, welcome(&mut talk)).await.expect("the knob is told of");

    // A panic that writes its backtrace on a busy machine takes its time, and is waited for.
    let mut push = async |seq, value| {
        let answer = async {
            let mut ack = talk.push(seq, &[("batch.size", Value::Number(value))]).await;
            while ack.results[0].status == Status::Deferred {
                ack = talk.ack().await;
            }
            ack.results.remove(0)
        };
        let Applied { status, effective, detail, .. } = timeout(PATIENCE, answer).await.expect("an answer");
        (status, effective, detail)
    };
    assert_eq!(push(1, 32.0).await, (Status::Applied, 32.0, String::new()));
    let (status, effective, detail) = push(2, 13.0).await;
    assert!(told.load(SeqCst) && detail.contains("panicked"), "{detail}");
    assert_eq!((status, effective, batch.value()), (Status::Rejected, 32.0, 32.0), "the previous one stands");
    assert_eq!(push(3, 16.0).await, (Status::Applied, 16.0, String::new()), "and life goes on");
    assert_eq!(batch.value(), 16.0);
}

/// Answers the hello and waits until the knob is known.
async fn welcome(talk: &mut Talk) {
    let mut known = talk.hello().await.knobs;
    talk.welcome(1).await;
    while known.is_empty() {
        if let ToSidecar::Knobs(update) = talk.hear().await.expect("the SDK goes on") {
            known = update.add;
        }
    }
}
