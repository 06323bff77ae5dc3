//! B6: a panic is counted as a failure and frees its permit, wherever it happens.

use super::bodies::{Scripted, Step, grpc_answer, head_through, http_answer, poll_body};
use super::*;

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

fn unwinds(run: impl FnOnce()) {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Services that panic while they are called, in their future, and nowhere.
async fn in_the_future(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    if true { panic!("in the future") } else { well(request("/")).await }
}

fn in_the_call(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    panic!("in the call")
}

fn well(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::empty())))
}

#[test]
fn b6_a_panic_that_is_caught_further_out_is_a_failure_as_well() {
    let rig = Rig::new(1);
    // In the future: it outlives the panic, and is dropped when nothing panics any more.
    let mut service = rig.layer().layer(service_fn(in_the_future));
    let mut future = Box::pin(service.call(request("/")));
    unwinds(|| drop(poll(future.as_mut())));
    drop(future);
    assert_eq!(rig.ends(), [0, 0, 1, 0, 0]);
    // While the inner service is called.
    let mut service = rig.layer().layer(service_fn(in_the_call));
    unwinds(|| drop(service.call(request("/"))));
    assert_eq!(rig.ends(), [0, 0, 2, 0, 0]);
    // In the owner's classification.
    let mut service = rig.layer().classify(|_| panic!("in the classification")).layer(service_fn(well));
    let mut future = Box::pin(service.call(request("/")));
    unwinds(|| drop(poll(future.as_mut())));
    assert_eq!(rig.ends(), [0, 0, 3, 0, 0]);
}

#[test]
fn b6_the_queued_layer_counts_a_panic_after_a_wait_too() {
    let rig = Rig::new(1);
    let held = rig.limiter.try_acquire(Priority::Normal).unwrap();
    let mut service = rig.layer().queued().layer(service_fn(in_the_future));
    let mut future = Box::pin(service.call(request("/")));
    assert!(poll(future.as_mut()).is_pending());
    held.finish(Outcome::Success);
    unwinds(|| drop(poll(future.as_mut())));
    drop(future);
    assert_eq!(rig.ends(), [1, 0, 1, 0, 0]);
}

#[tokio::test]
async fn b6_a_contained_panic_is_an_answer_a_failure_and_a_free_place() {
    let rig = Rig::new(1);
    let layer = rig.layer().contain_panics();
    for failures in 1..=3 {
        let answer = layer.layer(service_fn(in_the_future)).oneshot(request("/")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(header(&answer, "x-setpoint-rejected"), "", "it was not refused");
        assert_eq!(rig.ends(), [0, 0, failures, 0, 0]);
    }
    let answer = layer.layer(service_fn(in_the_call)).oneshot(grpc_request()).await.unwrap();
    assert_eq!((answer.status(), header(&answer, "grpc-status")), (StatusCode::OK, "13"));
    let answer = layer.clone().queued().layer(service_fn(in_the_call)).oneshot(request("/")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let broken = layer.clone().classify(|_| panic!("in the classification"));
    let answer = broken.layer(service_fn(well)).oneshot(request("/")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(rig.ends(), [0, 0, 6, 0, 0]);
    layer.layer(service_fn(well)).oneshot(request("/")).await.unwrap();
    assert_eq!(rig.ends(), [1, 0, 6, 0, 0]);
}

#[test]
fn b6_a_contained_panic_drops_what_panicked_at_once_and_never_polls_it_again() {
    struct Panics<'a>(&'a std::cell::Cell<(u32, u32)>);
    impl Future for Panics<'_> {
        type Output = Result<Response<Body>, Infallible>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            self.0.update(|(polled, dropped)| (polled + 1, dropped));
            panic!("in the future")
        }
    }
    impl Drop for Panics<'_> {
        fn drop(&mut self) {
            self.0.update(|(polled, dropped)| (polled, dropped + 1));
        }
    }
    let seen = std::cell::Cell::new((0, 0));
    let rig = Rig::new(1);
    let mut service = rig.layer().contain_panics().layer(service_fn(|_: Request<Body>| Panics(&seen)));
    let mut future = Box::pin(service.call(request("/")));
    assert!(poll(future.as_mut()).is_ready());
    assert_eq!(seen.get(), (1, 1));
    drop(future);
    assert_eq!((seen.get(), rig.ends()), ((1, 1), [0, 0, 1, 0, 0]));
}

#[test]
fn b6_a_panic_in_the_body_is_a_failure_and_ends_a_contained_grpc_call_with_a_status() {
    let steps = [Step::Data, Step::Panic];
    let frames = |response: &mut Response<LimitBody<Scripted>>| {
        assert_eq!(poll_body(response.body_mut()), Poll::Ready(Some(true)));
        poll_body(response.body_mut())
    };
    let rig = Rig::new(1);
    for contained in [false, true] {
        let layer = if contained { rig.layer().contain_panics() } else { rig.layer() };
        let before = rig.totals().failed;
        let mut grpc = head_through(&layer, grpc_request(), grpc_answer(&steps));
        if contained {
            assert_eq!(frames(&mut grpc), Poll::Ready(Some(true)), "trailers");
            assert_eq!(poll_body(grpc.body_mut()), Poll::Ready(None));
        } else {
            unwinds(|| _ = frames(&mut grpc));
        }
        assert_eq!(rig.totals().failed, before + 1);
        drop(grpc);
        // A cut body of HTTP must not look whole.
        let layer = layer.until(|_| Until::Body);
        let mut http = head_through(&layer, request("/"), http_answer(200, &steps));
        unwinds(|| _ = frames(&mut http));
        drop(http);
        assert_eq!(rig.ends(), [0, 0, before + 2, 0, 0]);
    }
}

#[tokio::test]
async fn b6_a_sub_task_that_panics_or_is_dropped_half_way_gives_its_permit_back() {
    let rig = Rig::new(2);
    let layer = rig.layer();
    // A handler whose own calls run in tasks: their layer, here the client's, sees the panic, not the handler.
    let client = rig.sp.limiter("callee").bounds(1, 1).baseline(1).register();
    let calls = rig.sp.layer("callee");
    let handler = service_fn(move |request: Request<Body>| {
        let calls = calls.clone();
        async move {
            let task = match request.uri().path() {
                "/panics" => tokio::spawn(calls.layer(service_fn(in_the_future)).oneshot(request)),
                _ => {
                    let hangs =
                        service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
                    let task = tokio::spawn(calls.layer(hangs).oneshot(request));
                    while client.in_flight() == 0 {
                        tokio::task::yield_now().await;
                    }
                    task.abort();
                    task
                }
            };
            let status = if task.await.is_err() { 502 } else { 200 };
            Ok::<_, Infallible>(Response::builder().status(status).body(Body::empty()).unwrap())
        }
    });
    for (path, [failed, cancelled]) in [("/panics", [1, 0]), ("/aborted", [1, 1])] {
        let answer = layer.layer(handler.clone()).oneshot(request(path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        let seen = client.totals(rig.hand.clock().now(), 0).unwrap();
        assert_eq!([seen.failed, seen.cancelled, client.in_flight()], [failed, cancelled, 0], "{path}");
    }
    assert_eq!(rig.ends(), [0, 0, 2, 0, 0]);
}
