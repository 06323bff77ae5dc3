//! C7: a layer reads the time that a request has left, begins nothing that comes too late, and tells who comes next.

use std::time::Instant;

use http::HeaderMap;

use super::*;
use crate::deadline::{Deadline, Reserve, TIMEOUT_HEADER};

const SECOND: Duration = Duration::from_secs(1);

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// What the wrapped service was given: the deadline among the extensions, and the headers. `None`: it was not asked.
#[derive(Clone, Default)]
struct Seen(Arc<std::sync::Mutex<Option<(Deadline, HeaderMap)>>>);

impl Service<Request<Body>> for Seen {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let seen = (Deadline::of(request.extensions()), request.headers().clone());
        *self.0.lock().unwrap() = Some(seen);
        ready(Ok(Response::new(Body::empty())))
    }
}

/// The answer, and what the wrapped service was given, behind both kinds of the layer.
async fn ask(
    layer: &LimitLayer,
    request: impl Fn() -> Request<Body>,
) -> [(Response<()>, Option<(Deadline, HeaderMap)>); 2] {
    let [held, queued] = [Seen::default(), Seen::default()];
    let first = layer.layer(held.clone()).oneshot(request()).await.unwrap();
    let second = layer.clone().queued().layer(queued.clone()).oneshot(request()).await.unwrap();
    let taken = |seen: Seen| seen.0.lock().unwrap().take();
    [(first.map(drop), taken(held)), (second.map(drop), taken(queued))]
}

/// Whether so much is left, give or take what the test itself took.
fn is_about(deadline: Deadline, left: Duration) -> bool {
    let now = Instant::now();
    deadline.left(now).is_some_and(|is| is <= left && is + 10 * SECOND > left)
}

#[tokio::test]
async fn c7_a_request_whose_time_is_used_up_is_refused_before_any_work() {
    let rig = Rig::new(10);
    let over = || with(request("/"), "x-setpoint-timeout-ms", "0");
    for (answer, seen) in ask(&rig.layer(), over).await {
        assert_eq!(
            (answer.status(), header(&answer, "x-setpoint-rejected")),
            (StatusCode::GATEWAY_TIMEOUT, "deadline")
        );
        assert!(seen.is_none(), "the handler is not asked");
    }
    let over = || with(grpc_request(), "grpc-timeout", "0m");
    for (answer, seen) in ask(&rig.layer(), over).await {
        assert_eq!(
            (answer.status(), header(&answer, "grpc-status")),
            (StatusCode::OK, "4"),
            "DEADLINE_EXCEEDED"
        );
        assert!(seen.is_none());
    }
    let throttle = rig.sp.throttle("callee");
    let rate = rig.sp.rate("callee").baseline(1.0).burst(1).register();
    let noted = || {
        let mut request = request("/");
        request.extensions_mut().insert(Deadline::at(Instant::now()));
        request
    };
    for (answer, seen) in ask(&rig.layer().throttle(throttle).rate(rate), noted).await {
        assert_eq!(
            (answer.status().as_u16(), seen),
            (504, None),
            "a client's call that comes too late is not sent"
        );
    }
    assert!(rate.try_acquire().is_ok(), "no token was taken");
    assert_eq!((rig.totals().arrived, rig.limiter.in_flight()), (0, 0), "it says nothing about the limit");
}

#[tokio::test]
async fn c7_the_kill_switch_lets_through_what_comes_too_late_as_well() {
    let rig = Rig::new(10);
    rig.inner.set_disabled(true);
    for (answer, seen) in ask(&rig.layer(), || with(request("/"), "x-setpoint-timeout-ms", "0")).await {
        assert_eq!((answer.status(), seen.is_some()), (StatusCode::OK, true));
    }
    rig.inner.set_disabled(false);
    for (answer, _) in ask(&rig.layer(), || with(request("/"), "x-setpoint-timeout-ms", "0")).await {
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test]
async fn c7_what_is_hopeless_is_refused_by_the_layer_too_where_that_was_asked_for() {
    let rig = Rig::new(10);
    let limiter = rig.sp.limiter("strict").refuse_hopeless().register();
    limiter.admit(Some(setpoint_policies::admission::Admission {
        baseline_latency: Some(100 * SECOND),
        shares: None,
    }));
    for (answer, seen) in ask(&rig.sp.layer("strict"), || with(grpc_request(), "grpc-timeout", "50S")).await {
        assert_eq!((header(&answer, "grpc-message"), seen), ("deadline", None));
    }
}

#[tokio::test]
async fn c7_a_handler_finds_the_deadline_that_the_headers_tell() {
    let rig = Rig::new(10);
    for (name, value, left) in [("grpc-timeout", "90S", 90), ("x-setpoint-timeout-ms", "45000", 45)] {
        for (_, seen) in ask(&rig.layer(), || with(request("/"), name, value)).await {
            let (deadline, headers) = seen.unwrap();
            assert!(is_about(deadline, left * SECOND), "{deadline:?}");
            assert_eq!(
                (&headers[name], headers.len()),
                (&value.parse().unwrap(), 1),
                "they said so themselves"
            );
        }
    }
    for (_, seen) in ask(&rig.layer(), || request("/")).await {
        assert_eq!(seen, Some((Deadline::NONE, HeaderMap::new())), "without a deadline nothing is touched");
    }
}

#[tokio::test]
async fn c7_a_header_that_is_no_time_is_no_deadline_and_no_error() {
    let rig = Rig::new(10);
    for value in ["", "soon", "-1", "1 ", "0.5", "123456789", "99999999999999999999"] {
        for (answer, seen) in ask(&rig.layer(), || with(request("/"), "x-setpoint-timeout-ms", value)).await {
            let (deadline, headers) = seen.unwrap();
            assert_eq!((answer.status(), deadline), (StatusCode::OK, Deadline::NONE), "{value}");
            assert_eq!(headers["x-setpoint-timeout-ms"], value, "it is left as it is");
        }
    }
    let twice = || {
        let mut request = with(request("/"), "x-setpoint-timeout-ms", "0");
        request.headers_mut().append(TIMEOUT_HEADER, "0".parse().unwrap());
        request
    };
    for (answer, _) in ask(&rig.layer(), twice).await {
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn c7_a_clients_layer_tells_the_callee_what_is_left() {
    let rig = Rig::new(10);
    let deadline = Deadline::after(Instant::now(), 60 * SECOND);
    let noted = |mut request: Request<Body>| {
        request.extensions_mut().insert(deadline);
        request
    };
    for (_, seen) in ask(&rig.layer(), || noted(request("/"))).await {
        let headers = seen.unwrap().1;
        let left: u64 = headers["x-setpoint-timeout-ms"].to_str().unwrap().parse().unwrap();
        assert!((50_000..=60_000).contains(&left), "{left}");
    }
    for (_, seen) in ask(&rig.layer(), || noted(with(grpc_request(), "grpc-timeout", "99S"))).await {
        let told = Deadline::from_headers(&seen.unwrap().1, Instant::now()).unwrap();
        assert!(is_about(told, 60 * SECOND), "the earlier one counts: {told:?}");
    }
    for (_, seen) in ask(&rig.layer(), || noted(with(request("/"), "x-setpoint-timeout-ms", "20000"))).await {
        let (deadline, headers) = seen.unwrap();
        assert!(is_about(deadline, 20 * SECOND) && headers["x-setpoint-timeout-ms"] == "20000");
    }
}

#[tokio::test]
async fn c7_a_budget_goes_from_service_to_service_and_shrinks_on_the_way() {
    let rigs = [Rig::new(10), Rig::new(10), Rig::new(10)];
    let [shop, client, stock] = rigs.each_ref().map(Rig::layer);
    let last = Seen::default();
    let downstream = client.layer(stock.layer(last.clone()));
    let handler = service_fn(move |request: Request<Body>| {
        let left = Deadline::of(request.extensions()).less(Reserve::Time(10 * SECOND));
        let call = Request::builder().uri("/stock").extension(left).body(Body::empty()).unwrap();
        downstream.clone().oneshot(call)
    });
    let promised = |_: &RequestHead<'_>| Deadline::within(50 * SECOND, Reserve::Ratio(0.2));
    shop.deadline(promised).layer(handler).oneshot(request("/")).await.unwrap();
    let (deadline, headers) = last.0.lock().unwrap().take().unwrap();
    assert!(is_about(deadline, 30 * SECOND), "50 s, less a fifth, less 10 s: {deadline:?}");
    assert!(headers.contains_key(TIMEOUT_HEADER));
}

#[tokio::test]
async fn c7_what_the_owner_says_counts_in_place_of_the_headers() {
    let rig = Rig::new(10);
    let layer = rig.layer().deadline(|_| Deadline::after(Instant::now(), 40 * SECOND));
    for (_, seen) in ask(&layer, || with(request("/"), "x-setpoint-timeout-ms", "1")).await {
        let (deadline, headers) = seen.unwrap();
        assert!(is_about(deadline, 40 * SECOND));
        let left: u64 = headers["x-setpoint-timeout-ms"].to_str().unwrap().parse().unwrap();
        assert!(left > 30_000, "the handler sees one truth: {left}");
    }
}

#[tokio::test]
async fn c7_a_tonic_request_carries_its_deadline_out_and_a_tonic_handler_reads_it() {
    let [outgoing, incoming] = [Rig::new(1), Rig::new(1)];
    let read = Seen::default();
    let mut client = tonic::client::Grpc::new(outgoing.layer().layer(incoming.layer().layer(service_fn({
        let read = read.clone();
        move |request: Request<tonic::body::Body>| {
            let seen = (Deadline::of(request.extensions()), request.headers().clone());
            *read.0.lock().unwrap() = Some(seen);
            ready(Ok::<_, Infallible>(tonic::Status::ok("").into_http::<tonic::body::Body>()))
        }
    }))));
    client.ready().await.unwrap();
    let mut call = tonic::Request::new("order".to_owned());
    call.extensions_mut().insert(Deadline::after(Instant::now(), 30 * SECOND));
    let codec = tonic_prost::ProstCodec::<String, String>::default();
    let _no_message = client.unary(call, "/shop.Checkout/Order".parse().unwrap(), codec).await;
    let (deadline, headers) = read.0.lock().unwrap().take().expect("it was asked");
    assert!(is_about(deadline, 30 * SECOND), "{deadline:?}");
    assert!(headers.contains_key("grpc-timeout") && !headers.contains_key(TIMEOUT_HEADER));
}
