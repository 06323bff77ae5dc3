//! The order in which things are asked, and what each is told.

use super::*;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn ok(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::empty())))
}

#[tokio::test]
async fn c4_a_token_is_taken_only_for_a_call_that_is_made() {
    for queued in [false, true] {
        let rig = Rig::new(1);
        let rate = rig.sp.rate("inbound").bounds(0.0, 10.0).baseline(1.0).register();
        let layer = rig.layer().rate(rate);
        let ask = || async {
            let answer = match queued {
                true => layer.clone().queued().layer(service_fn(ok)).oneshot(request("/")).await,
                false => layer.layer(service_fn(ok)).oneshot(request("/")).await,
            };
            answer.unwrap().status().as_u16()
        };
        let breaker = rig.limiter.breaker();
        breaker.pin(crate::BreakerSetpoint::Open { retry_after: Duration::from_secs(1) });
        for _ in 0..3 {
            assert_eq!(ask().await, 503);
        }
        breaker.pin(crate::BreakerSetpoint::Closed);
        assert_eq!(ask().await, 200, "the only token is still there");
        assert_eq!(ask().await, 429);
        assert_eq!(rig.ends(), [1, 0, 0, 1, 0], "the place of a call that the rate refused is free again");
    }
}

#[tokio::test]
async fn a_throttle_is_told_how_calls_end_and_refusals_of_others_count_as_nothing() {
    let rig = Rig::new(10);
    let throttle = rig.sp.throttle("callee");
    let layer = rig.layer().throttle(throttle);
    let full = |_: Request<Body>| {
        ready(Ok::<_, Infallible>(Response::builder().status(503).body(Body::empty()).unwrap()))
    };
    for _ in 0..20 {
        layer.layer(service_fn(full)).oneshot(request("/")).await.unwrap();
    }
    let refused = throttle.refused_ratio();
    assert!(refused > 0.3, "{refused}");
    assert!(rig.totals().dropped < 20, "some were not even sent");
    rig.limiter.pin(0.0);
    for _ in 0..20 {
        layer.layer(service_fn(full)).oneshot(request("/")).await.unwrap();
    }
    assert_eq!(throttle.refused_ratio(), refused);
}

#[tokio::test]
async fn c4_a_rate_learns_from_the_answers_of_its_layer() {
    let rig = Rig::new(100);
    let rate = rig.sp.rate("callee").bounds(0.0, 1000.0).baseline(1000.0).register();
    let layer = rig.layer().rate(rate);
    let totals = || rate.totals(rig.hand.clock().now(), 0);
    assert!(totals().is_none(), "nothing was told yet");
    let grpc = |code: &'static str| Response::builder().header("grpc-status", code);
    for answer in [
        Response::builder().status(200),
        Response::builder().status(404),
        Response::builder().status(500),
        Response::builder().status(429).header("retry-after", "7"),
        grpc("0"),
        grpc("8").header("grpc-retry-pushback-ms", "2000"),
    ] {
        let answer = std::sync::Mutex::new(answer.body(Body::empty()).ok());
        let service =
            service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(answer.lock().unwrap().take().unwrap())));
        layer.layer(service).oneshot(request("/")).await.unwrap();
    }
    let seen = totals().unwrap();
    assert_eq!([seen.completed, seen.dropped, seen.failed, seen.cancelled], [2, 2, 1, 1]);
    assert_eq!(seen.retry_after, Some(Duration::from_secs(7)), "the longest that was asked for");
    // What never reached the callee says nothing about it.
    rig.limiter.pin(0.0);
    layer.layer(service_fn(ok)).oneshot(request("/")).await.unwrap();
    assert_eq!(totals().unwrap().released(), 6);
}

#[tokio::test]
async fn c4_a_rate_learns_how_grpc_calls_end_in_their_trailers() {
    let rig = Rig::new(100);
    let rate = rig.sp.rate("callee").baseline(1000.0).register();
    let trailers = http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), "8".parse().unwrap())]);
    let service = service_fn(move |_: Request<Body>| {
        let frames =
            tokio_stream::once(Ok::<_, Infallible>(http_body::Frame::<Bytes>::trailers(trailers.clone())));
        let body = http_body_util::StreamBody::new(frames);
        ready(Ok::<_, Infallible>(
            Response::builder().header("content-type", "application/grpc").body(body).unwrap(),
        ))
    });
    let answer = rig.layer().rate(rate).layer(service).oneshot(grpc_request()).await.unwrap();
    assert!(rate.totals(0, 0).is_none(), "its status is still to come");
    let _ = to_bytes(Body::new(answer.into_body()), 100).await;
    assert_eq!(rate.totals(0, 0).unwrap().dropped, 1);
}

#[tokio::test]
async fn errors_of_a_client_mean_what_is_documented_or_what_its_owner_says() {
    #[derive(Debug)]
    struct Reset;
    async fn ends<E: 'static>(layer: impl Fn(&Rig) -> LimitLayer, error: E) -> [u64; 5] {
        let rig = Rig::new(1);
        let error = std::sync::Mutex::new(Some(error));
        let fails = service_fn(|_: Request<Body>| {
            ready(Err::<Response<Body>, E>(error.lock().unwrap().take().unwrap()))
        });
        assert!(layer(&rig).layer(fails).oneshot(request("/")).await.is_err());
        rig.ends()
    }
    let told = |rig: &Rig| {
        let layer = rig.layer().classify_error(|_: &Reset| Outcome::Ignore);
        layer.classify_error(|error: &BoxError| match error.is::<std::fmt::Error>() {
            true => Outcome::Dropped,
            false => Outcome::Failure,
        })
    };
    let boxed = |error: std::fmt::Error| -> BoxError { Box::new(error) };
    let [dropped, failed, cancelled] = [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]];
    assert_eq!(ends(Rig::layer, Reset).await, failed);
    assert_eq!(ends(Rig::layer, tower::timeout::error::Elapsed::new()).await, dropped);
    assert_eq!(ends(Rig::layer, tonic::Status::cancelled("by the caller")).await, cancelled);
    assert_eq!(ends(told, Reset).await, cancelled);
    assert_eq!(ends(told, boxed(std::fmt::Error)).await, dropped);
    assert_eq!(ends(told, tower::timeout::error::Elapsed::new()).await, dropped, "others stay as they were");
}

#[tokio::test]
async fn an_ending_can_be_read_by_its_request() {
    let rig = Rig::new(1);
    let layer = rig.layer().classify(|_| Outcome::Ignore).classify_by(|head| match head.uri.path() {
        "/search" => |ending| match ending.status.as_u16() {
            404 => Outcome::Success,
            _ => ending.outcome(),
        },
        _ => |ending| ending.outcome(),
    });
    let missing = |_: Request<Body>| {
        ready(Ok::<_, Infallible>(Response::builder().status(404).body(Body::empty()).unwrap()))
    };
    layer.layer(service_fn(missing)).oneshot(request("/search")).await.unwrap();
    layer.layer(service_fn(missing)).oneshot(request("/order")).await.unwrap();
    assert_eq!(rig.ends(), [1, 0, 0, 1, 0]);
}

/// A service that counts what it is asked for.
#[derive(Clone)]
struct Counting(Arc<std::sync::atomic::AtomicU32>);

impl Service<Request<Body>> for Counting {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ok(request)
    }
}

#[test]
fn readiness_reserves_nothing_and_clones_share_one_limit() {
    let rig = Rig::new(1);
    let calls = Arc::default();
    let service = rig.layer().layer(Counting(Arc::clone(&calls)));
    let mut clones: Vec<_> = (0..10).map(|_| service.clone()).collect();
    for clone in &mut clones {
        assert!(clone.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(clone.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    }
    assert_eq!(rig.limiter.in_flight(), 0);
    let futures: Vec<_> = clones.iter_mut().map(|clone| clone.call(request("/"))).collect();
    assert_eq!((rig.limiter.in_flight(), calls.load(std::sync::atomic::Ordering::Relaxed)), (1, 1));
    assert_eq!(rig.totals().rejected, [0, 0, 9, 0, 0]);
    drop(futures);
    assert_eq!(rig.ends(), [0, 0, 0, 1, 0]);
}

#[test]
fn a_layer_that_is_changed_leaves_those_it_was_cloned_from_alone() {
    let rig = Rig::new(0);
    let layer = rig.layer();
    let other = layer.clone().exempt("/");
    let ask = |layer: &LimitLayer| {
        let mut future = pin!(layer.layer(service_fn(ok)).oneshot(request("/")));
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(answer)) => answer.status().as_u16(),
            _ => panic!("ready"),
        }
    };
    assert_eq!((ask(&layer), ask(&other)), (503, 200));
}
