//! C8: health checks and traces pass in every state, and priorities come from the request.

use super::*;
use crate::{BreakerSetpoint, Deadline};

/// What may say no to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    LimitFull,
    BreakerOpen,
    ForcedOpen,
    RateEmpty,
    Throttled,
    NoTimeLeft,
    KillSwitch,
}

impl State {
    const ALL: [Self; 7] = [
        Self::LimitFull,
        Self::BreakerOpen,
        Self::ForcedOpen,
        Self::RateEmpty,
        Self::Throttled,
        Self::NoTimeLeft,
        Self::KillSwitch,
    ];

    /// A rig in this state and a layer that asks everything.
    fn rig(self) -> (Rig, LimitLayer) {
        let rig = Rig::new(10);
        let (second, breaker) = (Duration::from_secs(1), rig.limiter.breaker());
        let rate = rig.sp.rate("inbound").bounds(0.0, 10.0).baseline(10.0).register();
        let throttle = rig.sp.throttle("inbound");
        match self {
            Self::LimitFull => _ = rig.limiter.pin(0.0),
            Self::BreakerOpen => breaker.pin(BreakerSetpoint::Open { retry_after: second }),
            Self::ForcedOpen => breaker.pin(BreakerSetpoint::ForcedOpen { retry_after: second }),
            Self::RateEmpty => _ = rate.pin(0.0),
            Self::Throttled => {
                // The first call that is refused against the odds is the one that is let through once a second.
                while throttle.try_acquire().map(|attempt| attempt.finish(Outcome::Dropped)).is_ok() {}
            }
            Self::NoTimeLeft => {}
            Self::KillSwitch => {
                rig.limiter.pin(0.0);
                rig.inner.set_disabled(true);
            }
        }
        let layer = rig.layer().rate(rate).throttle(throttle);
        let over = Deadline::at(std::time::Instant::now());
        let layer = if self == Self::NoTimeLeft { layer.deadline(move |_| over) } else { layer };
        (rig, layer)
    }
}

/// One request for each path that is exempt by default, and whether it is gRPC.
const EXEMPT: [(&str, bool); 12] = [
    ("/healthz", false),
    ("/livez", false),
    ("/readyz", false),
    ("/health", false),
    ("/live", false),
    ("/ready", false),
    ("/metrics", false),
    ("/debug/pprof/trace?seconds=5", false),
    ("/grpc.health.v1.Health/Check", true),
    ("/grpc.health.v1.Health/Watch", true),
    ("/v1/traces", false),
    ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", true),
];

#[test]
fn c8_the_tests_ask_for_each_default_and_the_page_names_it() {
    const PAGE: &str = include_str!("../../../../../docs/sdk-rust.md");
    for path in LimitLayer::EXEMPT {
        let below = path.trim_end_matches('*');
        assert!(EXEMPT.iter().any(|(asked, _)| asked.starts_with(below)), "{path} is not tested");
        assert!(PAGE.contains(&format!("`{path}`")), "docs/sdk-rust.md does not name {path}");
    }
}

#[tokio::test]
async fn c8_the_default_routes_can_be_replaced() {
    let rig = Rig::new(0);
    let own = app(rig.layer().exempt("/gone").exempt_only(&["/internal/*"]));
    for (path, expected) in [("/internal/state", 200), ("/healthz", 503), ("/metrics", 503)] {
        assert_eq!(status(&own, path).await, expected, "{path}");
    }
    let none = app(rig.layer().exempt_only(&[]));
    assert_eq!(status(&none, "/grpc.health.v1.Health/Check").await, 503);
    let more = app(rig.layer().exempt_only(&[]).exempt("/healthz"));
    assert_eq!((status(&more, "/healthz").await, status(&more, "/metrics").await), (200, 503));
}

#[tokio::test]
async fn c8_a_path_that_only_looks_like_an_exempt_one_is_held_to_the_limit() {
    let rig = Rig::new(0);
    let layer = rig.layer();
    for path in [
        "/health/records",
        "/healthz/",
        "/HEALTHZ",
        "/debugger",
        "/metrics.json",
        "/v1/traces/7",
        "//healthz",
    ] {
        let answer = layer
            .layer(service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty())))));
        assert_eq!(answer.oneshot(request(path)).await.unwrap().status(), 503, "{path}");
    }
}

#[tokio::test]
async fn c8_health_checks_and_traces_pass_in_every_state_and_are_not_counted() {
    for state in State::ALL {
        let (rig, layer) = state.rig();
        for (path, grpc) in EXEMPT {
            let ask = || {
                let mut request = if grpc { grpc_request() } else { request(path) };
                *request.uri_mut() = path.parse().unwrap();
                request
            };
            let ok = |_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::from("well"))));
            let held = layer.layer(service_fn(ok)).oneshot(ask()).await.unwrap();
            let queued = layer.clone().queued().layer(service_fn(ok)).oneshot(ask()).await.unwrap();
            for answer in [held, queued] {
                assert_eq!(header(&answer, "x-setpoint-rejected"), "", "{state:?} {path}");
                assert_eq!(
                    to_bytes(Body::new(answer.into_body()), 100).await.unwrap(),
                    "well",
                    "{state:?} {path}"
                );
            }
        }
        assert_eq!((rig.totals().arrived, rig.limiter.in_flight()), (0, 0), "{state:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_why_in_the_words_of_its_protocol() {
    use State::{BreakerOpen, ForcedOpen, KillSwitch, LimitFull, NoTimeLeft, RateEmpty, Throttled};
    for (state, status, code, reason) in [
        (LimitFull, 503, "8", "concurrency_limit"),
        (BreakerOpen, 503, "14", "breaker_open"),
        (ForcedOpen, 503, "14", "breaker_open"),
        (RateEmpty, 429, "8", "rate_limit"),
        (Throttled, 503, "14", "throttled"),
        (NoTimeLeft, 504, "4", "deadline"),
        (KillSwitch, 200, "", ""),
    ] {
        let (rig, layer) = state.rig();
        let ok = |_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty())));
        // The throttle refuses most calls, not all.
        let mut refused = layer.layer(service_fn(ok)).oneshot(request("/")).await.unwrap();
        while state == Throttled && refused.status() == 200 {
            refused = layer.layer(service_fn(ok)).oneshot(request("/")).await.unwrap();
        }
        assert_eq!((refused.status().as_u16(), header(&refused, "x-setpoint-rejected")), (status, reason));
        assert_eq!(header(&refused, "retry-after").is_empty(), state == KillSwitch, "{state:?}");
        let body = to_bytes(Body::new(refused.into_body()), 100).await.unwrap();
        assert_eq!(body, reason, "{state:?}");
        if state != Throttled {
            let refused = layer.layer(service_fn(ok)).oneshot(grpc_request()).await.unwrap();
            assert_eq!(
                (refused.status(), header(&refused, "grpc-status")),
                (StatusCode::OK, code),
                "{state:?}"
            );
            let pushback = header(&refused, "grpc-retry-pushback-ms");
            assert_eq!(pushback.parse::<u64>().is_ok(), state != KillSwitch, "{state:?} {pushback}");
        }
        assert_eq!(rig.limiter.in_flight(), 0, "{state:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_the_owners_to_choose() {
    let rig = Rig::new(0);
    let layer = rig.layer().refuse_with(|request, rejected| {
        let mut answer = rejected.response(request);
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        answer.map(|_| Bytes::from_static(b"later"))
    });
    let refused = app(layer).oneshot(request("/")).await.unwrap();
    assert_eq!((refused.status(), header(&refused, "retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(to_bytes(refused.into_body(), 100).await.unwrap(), "later");
}

#[test]
fn a_grpc_web_request_is_refused_in_its_own_kind() {
    let rejected = Rejected {
        limit: "limit.inbound",
        reason: crate::RejectReason::QueueWait,
        retry_after: Duration::from_nanos(1_000_000_001),
    };
    for (kind, expected) in [
        ("application/grpc-web+proto", "application/grpc-web"),
        ("application/grpc-web-text", "application/grpc-web-text"),
        ("application/grpc", "application/grpc"),
    ] {
        let mut request = request("/");
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let answer = rejected.response(&RequestHead::of(&request));
        assert_eq!((header(&answer, "content-type"), header(&answer, "grpc-status")), (expected, "8"));
        assert_eq!(header(&answer, "grpc-retry-pushback-ms"), "1001", "rounded up");
        assert!(answer.body().is_empty());
    }
    let answer = rejected.response(&RequestHead::of(&request("/")));
    assert_eq!(header(&answer, "retry-after"), "2", "rounded up");
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

#[test]
fn c8_a_header_names_a_priority_within_what_it_may_claim() {
    use Priority::{Background, Critical, High, Low, Normal};
    let claimed = |value: &[u8], at_most| {
        let mut request = request("/");
        request.headers_mut().insert("x-priority", http::HeaderValue::from_bytes(value).unwrap());
        RequestHead::of(&request).priority(&HeaderName::from_static("x-priority"), at_most)
    };
    for (value, at_most, expected) in [
        (&b"critical"[..], Critical, Critical),
        (b"critical", High, High),
        (b"critical", Background, Background),
        (b"high", Critical, High),
        (b"low", Critical, Low),
        (b"background", High, Background),
        (b"normal", High, Normal),
        (b"exempt", Priority::Exempt, Normal),
        (b"critical", Priority::Exempt, Critical),
        (b"CRITICAL", Critical, Normal),
        (b"", Critical, Normal),
        (b"critical\xff", Critical, Normal),
        (&[b'x'; 100_000], Critical, Normal),
    ] {
        assert_eq!(claimed(value, at_most), expected, "{value:?} {at_most:?}");
    }
    let none = RequestHead::of(&request("/")).priority(&HeaderName::from_static("x-priority"), Critical);
    assert_eq!(none, Normal);
}

#[tokio::test]
async fn c8_a_priority_that_is_exempt_is_asked_nothing() {
    let (rig, layer) = State::ForcedOpen.rig();
    let app = app(layer.priority(|_| Priority::Exempt));
    assert_eq!((status(&app, "/").await, rig.totals().arrived), (200, 0));
}
