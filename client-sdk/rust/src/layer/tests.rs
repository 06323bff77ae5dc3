use std::convert::Infallible;
use std::future::{Future, Pending, Ready, pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;
use setpoint_proto::message::Why;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::setpoint::Setpoint;

struct Rig {
    sp: Setpoint,
    limiter: Limiter,
}

impl Rig {
    /// An `inbound` limiter of which `limit` calls are free.
    fn new(limit: u32) -> Self {
        let inner = Arc::new(Inner::new("test".into(), Hand::default().clock(), 1));
        let sp = Setpoint::new(inner);
        let limiter = sp.limiter("inbound").bounds(0, 100).baseline(limit).register();
        Self { sp, limiter }
    }

    fn layer(&self) -> LimitLayer {
        self.sp.layer("inbound")
    }

    fn totals(&self) -> Totals {
        self.limiter.totals(0, 0).unwrap()
    }

    /// A service that answers what `answer` says, behind the layer.
    async fn outcome_of(&self, answer: Result<Response<Body>, &'static str>) -> Totals {
        let answer = std::sync::Mutex::new(Some(answer));
        let service =
            self.layer().layer(service_fn(|_: Request<Body>| ready(answer.lock().unwrap().take().unwrap())));
        let _ = service.oneshot(Request::new(Body::empty())).await;
        self.totals()
    }
}

fn app(layer: LimitLayer) -> Router {
    let ok = || async { "ok" };
    Router::new()
        .route("/", get(ok))
        .route("/healthz", get(ok))
        .route("/healthz/db", get(ok))
        .route("/metrics", get(ok))
        .route("/internal/state", get(ok))
        .route("/grpc.health.v1.Health/Check", get(ok))
        .route("/panic", get(|| async { if true { panic!("in a handler") } else { "ok" } }))
        .route("/hang", get(|| async { pending::<&'static str>().await }))
        .layer(layer)
}

fn request(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

fn grpc_request() -> Request<Body> {
    let mut request = request("/shop.Checkout/Order");
    request.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
    request
}

async fn status(app: &Router, path: &str) -> u16 {
    app.clone().oneshot(request(path)).await.unwrap().status().as_u16()
}

fn header<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn l2_axum_requests_are_held_to_the_limit_and_a_push_is_in_force_for_the_next() {
    let rig = Rig::new(1);
    let app = app(rig.layer());
    assert_eq!(status(&app, "/").await, 200);
    rig.limiter.apply(&Value::Concurrency(0.0), &Why::default()).unwrap();
    let refused = app.clone().oneshot(request("/")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&refused, "x-setpoint-rejected"), "concurrency_limit");
    assert_eq!(header(&refused, "retry-after"), "1", "seconds, rounded up");
    assert!(to_bytes(refused.into_body(), 1).await.unwrap().is_empty());
    rig.limiter.apply(&Value::Concurrency(1.0), &Why::default()).unwrap();
    assert_eq!(status(&app, "/").await, 200);
    let seen = rig.totals();
    assert_eq!((seen.arrived, seen.completed, seen.rejected[2], rig.limiter.in_flight()), (3, 2, 1, 0));
}

#[tokio::test]
async fn a_tonic_service_is_refused_in_its_own_words_and_its_status_is_read() {
    let rig = Rig::new(1);
    let service = rig.layer().layer(service_fn(|_| {
        ready(Ok::<_, Infallible>(tonic::Status::unavailable("later").into_http::<tonic::body::Body>()))
    }));
    service.clone().oneshot(grpc_request()).await.unwrap();
    assert_eq!(rig.totals().dropped, 1);
    rig.limiter.pin(0.0);
    let refused = service.oneshot(grpc_request()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::OK);
    assert_eq!(header(&refused, "content-type"), "application/grpc");
    assert_eq!(
        (header(&refused, "grpc-status"), header(&refused, "grpc-message")),
        ("8", "concurrency_limit")
    );
    let pushback: u64 = header(&refused, "grpc-retry-pushback-ms").parse().unwrap();
    assert!((10..=5000).contains(&pushback));
    assert_eq!(header(&refused, "retry-after"), "");
}

#[tokio::test]
async fn an_open_breaker_says_so() {
    let rig = Rig::new(10);
    let retry_after = std::time::Duration::from_millis(2500);
    rig.limiter.breaker().pin(crate::BreakerSetpoint::Open { retry_after });
    let refused = app(rig.layer()).oneshot(request("/")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&refused, "x-setpoint-rejected"), "breaker_open");
    assert_eq!(header(&refused, "retry-after"), "3");
}

#[tokio::test]
async fn c8_exempt_routes_pass_always_and_are_not_counted() {
    let rig = Rig::new(0);
    let layer = rig
        .layer()
        .exempt("/internal/*")
        .exempt_if(|head| head.headers.contains_key("traceparent") && head.method == Method::GET);
    let app = app(layer);
    for path in ["/healthz", "/metrics", "/grpc.health.v1.Health/Check", "/internal/state"] {
        assert_eq!(status(&app, path).await, 200, "{path}");
    }
    for path in ["/", "/healthz/db"] {
        assert_eq!(status(&app, path).await, 503, "{path}");
    }
    assert_eq!(status(&app, "/healthz?verbose=1").await, 200, "the query does not matter");
    let mut traced = request("/");
    traced.headers_mut().insert("traceparent", "00".parse().unwrap());
    assert_eq!(app.oneshot(traced).await.unwrap().status(), StatusCode::OK);
    assert_eq!((rig.totals().admitted, rig.totals().arrived), (0, 2));
}

#[tokio::test]
async fn c8_priorities_come_from_the_request() {
    let rig = Rig::new(10);
    let layer = rig.layer().priority(|head| match header_of(head, "x-priority") {
        "critical" => Priority::Critical,
        "background" => Priority::Background,
        _ => Priority::Normal,
    });
    let _held: Vec<_> = (0..5).map(|_| rig.limiter.try_acquire(Priority::Normal).unwrap()).collect();
    let app = app(layer);
    for (priority, expected) in [("background", 503), ("", 200), ("critical", 200)] {
        let mut request = request("/");
        request.headers_mut().insert("x-priority", priority.parse().unwrap());
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), expected, "{priority}");
    }
    assert_eq!(rig.totals().rejected, [0, 0, 0, 0, 1]);
}

fn header_of<'a>(head: &RequestHead<'a>, name: &str) -> &'a str {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

#[tokio::test]
async fn responses_mean_what_is_documented() {
    let http = |status: u16| Ok(Response::builder().status(status).body(Body::empty()).unwrap());
    let grpc =
        |status: &str| Ok(Response::builder().header("grpc-status", status).body(Body::empty()).unwrap());
    for (answer, [completed, dropped, failed, cancelled]) in [
        (http(200), [1, 0, 0, 0]),
        (http(302), [1, 0, 0, 0]),
        (http(404), [0, 0, 0, 1]),
        (http(429), [0, 1, 0, 0]),
        (http(500), [0, 0, 1, 0]),
        (http(503), [0, 1, 0, 0]),
        (grpc("0"), [1, 0, 0, 0]),
        (grpc("8"), [0, 1, 0, 0]),
        (grpc("13"), [0, 0, 1, 0]),
        (grpc("5"), [0, 0, 0, 1]),
        (grpc("many"), [0, 0, 0, 1]),
        (Err("connection reset"), [0, 0, 1, 0]),
    ] {
        let shown = format!("{answer:?}");
        let seen = Rig::new(1).outcome_of(answer).await;
        let outcomes = [seen.completed, seen.dropped, seen.failed, seen.cancelled];
        assert_eq!(outcomes, [completed, dropped, failed, cancelled], "{shown}");
    }
}

#[tokio::test]
async fn the_meaning_of_a_response_is_the_owners_to_choose() {
    let rig = Rig::new(1);
    let layer = rig.layer().classify(|head| match head.status.as_u16() {
        418 => Outcome::Dropped,
        _ => head.outcome(),
    });
    let teapot = |_: Request<Body>| {
        ready(Ok::<_, Infallible>(Response::builder().status(418).body(Body::empty()).unwrap()))
    };
    layer.layer(service_fn(teapot)).oneshot(request("/")).await.unwrap();
    assert_eq!(rig.totals().dropped, 1);
}

#[tokio::test]
async fn b6_a_panic_in_a_handler_is_a_failure_frees_its_permit_and_goes_on() {
    let rig = Rig::new(1);
    let app = app(rig.layer());
    for failures in 1..=3 {
        let panicking = tokio::spawn(app.clone().oneshot(request("/panic")));
        assert!(panicking.await.unwrap_err().is_panic());
        let seen = rig.totals();
        assert_eq!((seen.failed, seen.cancelled, rig.limiter.in_flight()), (failures, 0, 0));
    }
    assert_eq!(status(&app, "/").await, 200);
}

#[test]
fn b6_a_panic_that_is_caught_further_out_is_a_failure_as_well() {
    let rig = Rig::new(1);
    let caught = |future: &mut dyn FnMut() -> bool| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(future)).unwrap_err();
    };
    // In the future: it outlives the panic, and is dropped when nothing panics any more.
    let mut service = rig.layer().layer(service_fn(|_: Request<Body>| async {
        if true {
            panic!("in the future");
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let mut future = Box::pin(service.call(request("/")));
    caught(&mut || future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    drop(future);
    assert_eq!((rig.totals().failed, rig.totals().cancelled, rig.limiter.in_flight()), (1, 0, 0));
    // While the inner service is called.
    let broken = |_: Request<Body>| -> Ready<Result<Response<Body>, Infallible>> { panic!("in the call") };
    let mut service = rig.layer().layer(service_fn(broken));
    caught(&mut || {
        drop(service.call(request("/")));
        true
    });
    assert_eq!((rig.totals().failed, rig.limiter.in_flight()), (2, 0));
    // In the owner's classification.
    let layer = rig.layer().classify(|_| panic!("in the classification"));
    let mut service =
        layer.layer(service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty())))));
    let mut future = Box::pin(service.call(request("/")));
    caught(&mut || future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!((rig.totals().failed, rig.limiter.in_flight()), (3, 0));
}

#[tokio::test]
async fn a_caller_that_goes_away_is_cancelled_and_frees_its_permit() {
    let rig = Rig::new(1);
    let app = app(rig.layer());
    let hanging = tokio::spawn(app.clone().oneshot(request("/hang")));
    while rig.limiter.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&app, "/").await, 503);
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    assert_eq!((rig.limiter.in_flight(), rig.totals().cancelled), (0, 1));
    // Not even polled once.
    drop(app.clone().oneshot(request("/")));
    let mut service =
        rig.layer().layer(service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>()));
    drop(service.call(request("/")));
    assert_eq!((rig.limiter.in_flight(), rig.totals().cancelled), (0, 2));
}

/// A service that is not ready.
struct Busy;

impl Service<Request<Body>> for Busy {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = Pending<Result<Response<Body>, &'static str>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Err("not ready"))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        pending()
    }
}

#[test]
fn readiness_passes_through() {
    let mut service = Rig::new(1).layer().layer(Busy);
    assert_eq!(service.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err("not ready")));
}

#[test]
fn a_call_ends_when_the_head_of_its_response_is_ready() {
    let rig = Rig::new(1);
    let endless = || Body::from_stream(tokio_stream::pending::<Result<Vec<u8>, Infallible>>());
    let mut service = rig
        .layer()
        .layer(service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(endless())))));
    let future = pin!(service.call(request("/")));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the head is ready");
    };
    assert_eq!((rig.limiter.in_flight(), rig.totals().completed), (0, 1));
    drop(response);
}
