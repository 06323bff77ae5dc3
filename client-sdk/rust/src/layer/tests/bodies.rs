//! When a call ends: with the head, with the trailers, with the body, at the bound.

use std::collections::VecDeque;
use std::io;

use http::HeaderMap;
use http_body::Frame;

use super::*;

/// What a body does when it is polled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Data,
    /// Trailers with this `grpc-status`.
    Trailers(&'static str),
    /// Trailers that say when to come back as well.
    PushBack(&'static str),
    NoTrailers,
    Error,
    Panic,
    Wait,
}

/// A body that does as it is told.
#[derive(Debug)]
pub(super) struct Scripted(VecDeque<Step>);

impl Scripted {
    pub fn new(steps: &[Step]) -> Self {
        Self(steps.iter().copied().collect())
    }
}

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let trailers =
            |status: &str| HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        Poll::Ready(match self.0.pop_front() {
            None | Some(Step::NoTrailers) => None,
            Some(Step::Data) => Some(Ok(Frame::data(Bytes::from_static(b"x")))),
            Some(Step::Trailers(status)) => Some(Ok(Frame::trailers(trailers(status)))),
            Some(Step::PushBack(status)) => {
                let mut trailers = trailers(status);
                trailers.insert("grpc-retry-pushback-ms", "4000".parse().unwrap());
                Some(Ok(Frame::trailers(trailers)))
            }
            Some(Step::Error) => Some(Err(io::Error::from(io::ErrorKind::TimedOut))),
            Some(Step::Panic) => panic!("in the body"),
            Some(Step::Wait) => return Poll::Pending,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

pub(super) fn grpc_answer(steps: &[Step]) -> Response<Scripted> {
    Response::builder().header("content-type", "application/grpc").body(Scripted::new(steps)).unwrap()
}

pub(super) fn http_answer(status: u16, steps: &[Step]) -> Response<Scripted> {
    Response::builder().status(status).body(Scripted::new(steps)).unwrap()
}

/// The head of an answer, through a layer.
pub(super) fn head_through(
    layer: &LimitLayer,
    request: Request<Body>,
    answer: Response<Scripted>,
) -> Response<LimitBody<Scripted>> {
    let mut answer = Some(answer);
    let mut service =
        layer.layer(service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(answer.take().unwrap()))));
    let future = pin!(service.call(request));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        _ => panic!("the head is ready"),
    }
}

/// Polls a body once; whether there was a frame.
pub(super) fn poll_body(body: &mut LimitBody<Scripted>) -> Poll<Option<bool>> {
    let polled = http_body::Body::poll_frame(Pin::new(body), &mut Context::from_waker(Waker::noop()));
    polled.map(|frame| frame.map(|frame| frame.is_ok()))
}

/// Reads a body as servers do: until it says that it is at its end.
fn read(body: &mut LimitBody<Scripted>) {
    while !http_body::Body::is_end_stream(body) && matches!(poll_body(body), Poll::Ready(Some(true))) {}
}

#[test]
fn the_status_of_a_grpc_call_is_that_of_its_trailers() {
    use Step::{Data, Error, NoTrailers, Trailers, Wait};
    for (steps, expected) in [
        (&[Data, Trailers("0")][..], [1, 0, 0, 0, 0]),
        (&[Data, Data, Trailers("8")], [0, 1, 0, 0, 0]),
        (&[Trailers("14")], [0, 1, 0, 0, 0]),
        (&[Data, Trailers("13")], [0, 0, 1, 0, 0]),
        (&[Data, Trailers("1")], [0, 0, 0, 1, 0]),
        (&[Data, Trailers("nonsense")], [0, 0, 1, 0, 0]),
        (&[Data], [0, 0, 1, 0, 0]),
        (&[Data, NoTrailers], [0, 0, 1, 0, 0]),
        (&[], [0, 0, 1, 0, 0]),
        (&[Data, Error], [0, 1, 0, 0, 0]),
        (&[Data, Wait, Trailers("0")], [0, 0, 0, 0, 1]),
    ] {
        let rig = Rig::new(1);
        let mut response = head_through(&rig.layer(), grpc_request(), grpc_answer(steps));
        if !steps.is_empty() {
            assert_eq!(rig.ends(), [0, 0, 0, 0, 1], "{steps:?}: it lasts until its status is known");
        }
        read(response.body_mut());
        assert_eq!(rig.ends(), expected, "{steps:?}");
        drop(response);
        assert_eq!(rig.limiter.in_flight(), 0, "{steps:?}");
    }
}

#[test]
fn a_call_of_http_ends_with_its_head_unless_told_otherwise() {
    use Step::{Data, Error, Wait};
    let status: fn(&RequestHead<'_>) -> Until = |_| Until::Status;
    let body: fn(&RequestHead<'_>) -> Until = |_| Until::Body;
    for (until, answer, with_head, with_body) in [
        (status, http_answer(200, &[Data, Error]), [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]),
        (body, http_answer(200, &[Data, Data]), [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]),
        (body, http_answer(200, &[]), [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]),
        (body, http_answer(503, &[Data]), [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]),
        (body, http_answer(200, &[Data, Error]), [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]),
        (body, http_answer(200, &[Data, Wait]), [0, 0, 0, 0, 1], [0, 0, 0, 1, 0]),
        (body, http_answer(500, &[Data, Wait]), [0, 0, 0, 0, 1], [0, 0, 1, 0, 0]),
        // An upgrade: what comes after it is no part of the call.
        (body, http_answer(101, &[Wait]), [0, 0, 0, 1, 0], [0, 0, 0, 1, 0]),
    ] {
        let rig = Rig::new(1);
        let shown = format!("{answer:?}");
        let mut response = head_through(&rig.layer().until(until), request("/"), answer);
        assert_eq!(rig.ends(), with_head, "{shown}");
        read(response.body_mut());
        drop(response);
        assert_eq!(rig.ends(), with_body, "{shown}");
    }
}

#[test]
fn a_stream_that_lasts_can_end_with_its_head() {
    let rig = Rig::new(1);
    let layer = rig.layer().until(|head| match head.uri.path() {
        "/shop.Checkout/Order" => Until::Head,
        _ => Until::Status,
    });
    let response = head_through(&layer, grpc_request(), grpc_answer(&[Step::Wait]));
    assert_eq!(rig.ends(), [1, 0, 0, 0, 0]);
    drop(response);
    assert_eq!(rig.ends(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_reader_that_never_reads_keeps_no_place_beyond_the_bound() {
    let rig = Rig::new(2);
    let layer = rig.layer().hold_at_most(Duration::from_secs(5));
    let ask = || head_through(&layer, grpc_request(), grpc_answer(&[Step::Data, Step::Trailers("13")]));
    let mut first = ask();
    rig.hand.advance(Duration::from_secs(1));
    let second = ask();
    assert_eq!(ask().headers()["grpc-status"], "8", "the limit is reached");
    rig.hand.advance(Duration::from_secs(4));
    let third = ask();
    assert_eq!(rig.ends(), [0, 0, 0, 1, 2], "the first was overdue");
    read(first.body_mut());
    drop(first);
    assert_eq!(rig.ends(), [0, 0, 0, 1, 2], "it had ended: its trailers say nothing any more");
    drop(second);
    rig.hand.advance(Duration::from_secs(3600));
    drop(third);
    assert_eq!(rig.ends(), [0, 0, 0, 3, 0], "nobody came meanwhile: each ended when it was dropped");
}

#[test]
fn a_place_that_is_overdue_in_one_layer_is_found_by_another() {
    let rig = Rig::new(1);
    let held = head_through(&rig.layer(), grpc_request(), grpc_answer(&[Step::Data]));
    rig.hand.advance(Duration::from_secs(10));
    let other = rig.layer().hold_at_most(Duration::from_secs(60));
    assert_eq!(head_through(&other, request("/"), http_answer(200, &[])).status(), StatusCode::OK);
    drop(held);
    assert_eq!(rig.ends(), [1, 0, 0, 1, 0]);
}

#[test]
fn when_the_callee_wants_to_be_asked_again_is_told_to_the_breaker() {
    let retry_after = |response: Response<Scripted>, request: Request<Body>| {
        let rig = Rig::new(10);
        rig.sp.breaker("inbound").failures(1).register();
        let mut response = head_through(&rig.layer(), request, response);
        read(response.body_mut());
        rig.limiter.try_acquire(Priority::Normal).unwrap_err().retry_after.as_millis()
    };
    let mut http = http_answer(500, &[]);
    assert!(retry_after(http, request("/")) <= 1200, "the breaker's own wait");
    http = http_answer(500, &[]);
    http.headers_mut().insert("retry-after", "4".parse().unwrap());
    assert_eq!(retry_after(http, request("/")), 4000);
    http = http_answer(500, &[]);
    http.headers_mut().insert("retry-after", "86400".parse().unwrap());
    assert_eq!(retry_after(http, request("/")), 30_000, "no longer than the breaker's longest wait");
    let grpc = grpc_answer(&[Step::Data, Step::PushBack("13")]);
    assert_eq!(retry_after(grpc, grpc_request()), 4000);
}

#[test]
fn what_a_callee_said_long_ago_is_forgotten() {
    let rig = Rig::new(10);
    rig.sp.breaker("inbound").failures(2).register();
    let mut asked = http_answer(500, &[]);
    asked.headers_mut().insert("retry-after", "20".parse().unwrap());
    drop(head_through(&rig.layer(), request("/"), asked));
    rig.hand.advance(Duration::from_secs(21));
    drop(head_through(&rig.layer(), request("/"), http_answer(500, &[])));
    let refused = rig.limiter.try_acquire(Priority::Normal).unwrap_err();
    assert!(refused.retry_after <= Duration::from_millis(1200), "{refused}");
}

#[test]
fn a_body_says_how_long_it_is() {
    let rig = Rig::new(1);
    let exact =
        |response: &Response<LimitBody<Scripted>>| http_body::Body::size_hint(response.body()).exact();
    let _held = rig.limiter.try_acquire(Priority::Normal).unwrap();
    let mut refused = head_through(&rig.layer(), request("/"), http_answer(200, &[]));
    assert_eq!(exact(&refused), Some("concurrency_limit".len() as u64));
    assert_eq!(poll_body(refused.body_mut()), Poll::Ready(Some(true)));
    assert_eq!((exact(&refused), poll_body(refused.body_mut())), (Some(0), Poll::Ready(None)));
    assert!(http_body::Body::is_end_stream(&LimitBody::<Scripted>::default()));
}
