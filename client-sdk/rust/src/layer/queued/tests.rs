use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::pin::pin;
use std::task::Waker;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::StatusCode;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::deadline::Deadline;
use crate::limiter::Limiter;
use crate::priority::Priority;
use crate::setpoint::Setpoint;

/// A limiter `inbound` of one call with a queue of one.
fn rig() -> (LimitLayer, Limiter, Hand) {
    let hand = Hand::default();
    hand.advance(Duration::from_secs(1));
    let sp = Setpoint::new(Arc::new(Inner::new("test".into(), hand.clock(), 1)));
    let limiter = sp.limiter("inbound").bounds(1, 100).baseline(1).queue(1).register();
    limiter.watch(hand.clock().now());
    (sp.layer("inbound"), limiter, hand)
}

fn request(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).expect("sound")
}

fn ok(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::empty())))
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn status(answer: Poll<Result<Response<LimitBody<Body>>, Infallible>>) -> Option<StatusCode> {
    match answer {
        Poll::Ready(Ok(response)) => Some(response.status()),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => None,
    }
}

#[test]
fn c1_a_request_waits_for_its_place_and_one_too_many_is_told_when_to_come_back() {
    let (layer, limiter, _hand) = rig();
    let held = limiter.try_acquire(Priority::Normal).expect("free");
    let service = layer.queued().layer(service_fn(ok));
    let mut first = pin!(service.clone().oneshot(request("/")));
    assert_eq!(status(poll(first.as_mut())), None);
    let second = pin!(service.clone().oneshot(request("/")));
    let Poll::Ready(Ok(refused)) = poll(second) else { panic!("it waits") };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["x-setpoint-rejected"], "queue_full");
    assert!(refused.headers().contains_key("retry-after"));
    let health = pin!(service.oneshot(request("/healthz")));
    assert_eq!(status(poll(health)), Some(StatusCode::OK), "C8: health checks pass");
    drop(held);
    assert_eq!(status(poll(first)), Some(StatusCode::OK));
    assert_eq!(limiter.in_flight(), 0);
}

#[test]
fn c7_a_request_whose_deadline_is_gone_is_dropped() {
    for by_header in [true, false] {
        let (layer, limiter, hand) = rig();
        let _held = limiter.try_acquire(Priority::Normal).expect("free");
        let (layer, header) = if by_header {
            (layer, "20m")
        } else {
            (layer.deadline(|_| Deadline::after(Instant::now(), Duration::from_millis(20))), "9S")
        };
        let mut request = request("/");
        request.headers_mut().insert("grpc-timeout", header.parse().expect("sound"));
        request.headers_mut().insert("content-type", "application/grpc".parse().expect("sound"));
        let mut call = pin!(layer.queued().layer(service_fn(ok)).oneshot(request));
        assert!(poll(call.as_mut()).is_pending());
        hand.advance(Duration::from_millis(21));
        limiter.watch(hand.clock().now());
        let Poll::Ready(Ok(refused)) = poll(call) else { panic!("it still waits") };
        assert_eq!(refused.headers()["grpc-status"], "8");
        assert!(refused.headers().contains_key("grpc-retry-pushback-ms"));
    }
}

#[test]
fn b6_a_panic_frees_the_place_and_so_does_a_caller_that_goes_away() {
    let (layer, limiter, hand) = rig();
    let layer = layer.queued();
    let panics =
        service_fn(|_: Request<Body>| -> Ready<Result<Response<Body>, Infallible>> { panic!("at once") });
    let service = layer.layer(panics);
    let call = std::panic::AssertUnwindSafe(|| poll(pin!(service.oneshot(request("/")))));
    assert!(std::panic::catch_unwind(call).is_err());
    let totals = || limiter.totals(hand.clock().now(), 0).expect("a limiter counts");
    assert_eq!((limiter.in_flight(), totals().failed), (0, 1));
    let hangs = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
    let mut running = Box::pin(layer.layer(hangs).oneshot(request("/")));
    let mut waiting = Box::pin(layer.layer(service_fn(ok)).oneshot(request("/")));
    assert!(poll(running.as_mut()).is_pending() && poll(waiting.as_mut()).is_pending());
    drop(waiting);
    drop(running);
    assert_eq!((limiter.in_flight(), totals().waiting, totals().cancelled), (0, 0, 1));
}
