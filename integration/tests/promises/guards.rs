//! B3 and B5 on real processes: the sidecar's binary, and a service that leaks tasks or pauses.

use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use hyper::Method;
use setpoint::status::Status;
use setpoint_integration::http::{self, HttpError, Target};
use setpoint_sdk::{BreakerState, Dump, Setpoint};

use crate::service::{SERVICE, serve};
use crate::sidecar::{Sidecar, policies, session};
use crate::until::{PATIENCE, eventually, found};

/// As the field report's, and quick: a sample a second, held for two.
const LEAK: &str = "  - name: tasks\n    task_leak: \
    {knob: breaker.inbound, every: 1s, factor: 1.5, in_a_row: 3, hold: 2s, floor: 50, per_call: 0}\n";
const LEAKED: usize = 500;

/// The status code of one request.
async fn code(target: &Target) -> u16 {
    match http::send(target, Method::GET, Bytes::new(), PATIENCE).await {
        Ok(answer) => answer.status.as_u16(),
        Err(HttpError::Status(status, _)) => status.as_u16(),
        Err(error) => panic!("no answer: {error}"),
    }
}

fn reason(status: &Status, knob: &str) -> String {
    let knobs = session(status, SERVICE).map(|session| session.knobs.as_slice()).unwrap_or_default();
    knobs.iter().find(|there| there.name == knob).and_then(|knob| knob.reason.clone()).unwrap_or_default()
}

pub async fn b3_a_task_leak_holds_new_work_back_and_a_probe_lets_it_in_again() {
    let sidecar = Sidecar::start(&policies(LEAK)).await;
    let (told, dumps) = mpsc::channel::<Dump>();
    let told = std::sync::Mutex::new(told);
    let setpoint = Setpoint::builder(SERVICE)
        .socket(sidecar.socket())
        .disabled(false)
        .on_dump(move |dump| _ = told.lock().unwrap().send(dump.clone()))
        .start();
    let app = Router::new()
        .route("/work", get(async || "done"))
        .route("/healthz", get(async || "well"))
        .route("/trace/newest", get(async || "spans"))
        .layer(setpoint.layer("inbound").exempt("/trace/*"));
    let (at, serving) = serve(app).await;
    let target = |path| Target::new(at, path);
    assert_eq!(code(&target("/work")).await, 200);
    let knows = |status: &Status| reason(status, "breaker.inbound") == "no pressure";
    sidecar.shows("a baseline", PATIENCE, knows).await;

    let leak: Vec<_> = (0..LEAKED).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
    let breaker = setpoint.breaker("inbound").failures(0).register();
    let took = eventually("it trips", PATIENCE, || breaker.state() == BreakerState::Open).await;
    eprintln!("task leak: tripped after {took:?}");
    assert!(took >= Duration::from_millis(1900), "three samples, a second apart: {took:?}");
    assert_eq!(code(&target("/work")).await, 503, "new work is rejected");
    assert_eq!((code(&target("/healthz")).await, code(&target("/trace/newest")).await), (200, 200));
    let dump = found("a dump", PATIENCE, async || dumps.try_recv().ok()).await;
    assert!(dump.runtime.is_some_and(|runtime| runtime.tasks > LEAKED), "{dump:?}");
    assert!(dump.limiters.iter().any(|limiter| limiter.knob == "limit.inbound"), "{dump:?}");
    let fires = |status: &Status| status.alerts.iter().any(|alert| alert.rule == "task_leak");
    sidecar.shows("the alert", PATIENCE, fires).await;
    let metric = "setpoint_alert_firing{service=\"demo\",policy=\"tasks\",severity=\"critical\"}";
    assert_eq!(sidecar.metric(metric).await, Some(1.0));

    leak.iter().for_each(tokio::task::JoinHandle::abort);
    let well = async || {
        (code(&target("/work")).await == 200 && breaker.state() == BreakerState::Closed).then_some(())
    };
    found("a probe lets work in again", PATIENCE, well).await;
    sidecar.shows("the end of the alert", PATIENCE, |status| status.alerts.is_empty()).await;
    assert!(dumps.try_recv().is_err(), "one for the trip");
    serving.abort();
}

/// As the preset, and quick; so tolerant that a busy machine alone does not turn it.
const PAUSES: &str = "  - name: ready\n    runtime_health: \
    {knob: health.ready, above: 500ms, window: 1s, hits: 2, of: 3, apart: 1s, longest: 5m}\n";
/// How long the runtime is held up at a time.
const PAUSE: Duration = Duration::from_millis(1500);

pub async fn b5_pauses_turn_the_health_answer_and_nothing_keeps_it_turned() {
    let mut sidecar = Sidecar::start(&policies(PAUSES)).await;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let setpoint = Setpoint::builder(SERVICE)
        .socket(sidecar.socket())
        .disabled(false)
        .runtime(runtime.handle().clone())
        .start();
    let ready = setpoint.readiness();
    let answer = ready.clone();
    let app = Router::new().route("/readyz", get(async move || answer.response::<axum::body::Body>()));
    let (at, serving) = serve(app).await;
    let readyz = Target::new(at, "/readyz");
    sidecar.shows("the session", PATIENCE, |status| session(status, SERVICE).is_some()).await;
    assert_eq!(code(&readyz).await, 200);
    // Somebody blocks the only worker again and again, until the sender is dropped.
    let pauses = || {
        let (keeps_on, ends) = mpsc::channel::<()>();
        runtime.spawn(async move {
            while ends.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
                tokio::task::yield_now().await;
            }
        });
        keeps_on
    };

    let pausing = pauses();
    let away = eventually("not ready", PATIENCE, || !ready.is_ready()).await;
    assert_eq!(code(&readyz).await, 503);
    let status = sidecar.shows("the alert", PATIENCE, |status| !status.alerts.is_empty()).await;
    eprintln!("pauses: not ready after {away:?}: {}", status.alerts[0].reason);
    assert_eq!(status.alerts[0].rule, "paused");
    drop(pausing);
    eventually("ready again", PATIENCE, || ready.is_ready()).await;

    let pausing = pauses();
    eventually("not ready", PATIENCE, || !ready.is_ready()).await;
    sidecar.kill();
    let took = eventually("ready without a sidecar", PATIENCE, || ready.is_ready()).await;
    eprintln!("pauses: ready {took:?} after the sidecar has died");
    assert_eq!(code(&readyz).await, 200);
    drop(pausing);
    serving.abort();
    runtime.shutdown_background();
}
