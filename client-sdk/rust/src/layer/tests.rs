mod bodies;
mod deadlines;
mod grpc;
mod once;
mod panics;
mod stack;
mod states;

use std::convert::Infallible;
use std::future::{Future, Pending, Ready, pending, ready};
use std::pin::{Pin, pin};
use std::task::Waker;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::{Method, StatusCode};
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;
use setpoint_proto::message::Why;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::setpoint::Setpoint;

/// A limiter `inbound` and everything around it, on a clock that is moved by hand.
struct Rig {
    inner: Arc<Inner>,
    sp: Setpoint,
    limiter: Limiter,
    hand: Hand,
}

impl Rig {
    /// An `inbound` limiter of which `limit` calls are free.
    fn new(limit: u32) -> Self {
        let hand = Hand::default();
        hand.advance(Duration::from_secs(100));
        let inner = Arc::new(Inner::new("test".into(), hand.clock(), 1));
        let sp = Setpoint::new(inner.clone());
        let limiter = sp.limiter("inbound").bounds(0, 100).baseline(limit).queue(10).register();
        limiter.watch(hand.clock().now());
        Self { inner, sp, limiter, hand }
    }

    fn layer(&self) -> LimitLayer {
        self.sp.layer("inbound")
    }

    fn totals(&self) -> Totals {
        self.limiter.totals(self.hand.clock().now(), 0).unwrap()
    }

    /// Calls that were completed, dropped, failed, cancelled, and those in flight.
    fn ends(&self) -> [u64; 5] {
        let Totals { completed, dropped, failed, cancelled, .. } = self.totals();
        [completed, dropped, failed, cancelled, self.limiter.in_flight()]
    }

    /// A service that answers what `answer` says, behind the layer.
    async fn outcome_of(&self, answer: Result<Response<Body>, &'static str>) -> [u64; 5] {
        let answer = std::sync::Mutex::new(Some(answer));
        let service =
            self.layer().layer(service_fn(|_: Request<Body>| ready(answer.lock().unwrap().take().unwrap())));
        let _ = service.oneshot(Request::new(Body::empty())).await;
        self.ends()
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
    assert_eq!(refused.extensions().get::<Rejected>().map(|rejected| rejected.limit), Some("limit.inbound"));
    assert_eq!(to_bytes(refused.into_body(), 100).await.unwrap(), "concurrency_limit");
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
async fn responses_mean_what_is_documented() {
    let http = |status: u16| Ok(Response::builder().status(status).body(Body::empty()).unwrap());
    let grpc =
        |status: &str| Ok(Response::builder().header("grpc-status", status).body(Body::empty()).unwrap());
    let [completed, dropped, failed, cancelled] =
        [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]];
    for (answer, expected) in [
        (http(200), completed),
        (http(302), completed),
        (http(101), cancelled),
        (http(404), cancelled),
        (http(499), cancelled),
        (http(429), dropped),
        (http(500), failed),
        (http(503), dropped),
        (http(504), dropped),
        (grpc("0"), completed),
        (grpc("1"), cancelled),
        (grpc("4"), dropped),
        (grpc("8"), dropped),
        (grpc("13"), failed),
        (grpc("5"), cancelled),
        (grpc("many"), failed),
        (Err("connection reset"), failed),
    ] {
        let shown = format!("{answer:?}");
        assert_eq!(Rig::new(1).outcome_of(answer).await, expected, "{shown}");
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
