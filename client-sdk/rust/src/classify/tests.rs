use std::any::Any;
use std::io;

use super::*;
use crate::rejected::{RejectReason, Rejected};
use Outcome::{Dropped, Failure, Ignore, Success};

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn a_status_of_grpc_counts_before_that_of_http() {
    for (status, fields, expected) in [
        (200, &[][..], Success),
        (503, &[], Dropped),
        (200, &[("grpc-status", "14")], Dropped),
        (503, &[("grpc-status", "0")], Success),
        (200, &[("grpc-status", "many")], Failure),
        (200, &[("grpc-status", "-1")], Failure),
        (200, &[("grpc-status", "")], Failure),
        (200, &[("grpc-status", "99999999999999999999")], Failure),
        (200, &[("grpc-status", "65536")], Failure),
        (200, &[("grpc-status", "1")], Ignore),
    ] {
        let headers = headers(fields);
        let ending = Ending::head(StatusCode::from_u16(status).unwrap(), &headers);
        assert_eq!(ending.outcome(), expected, "{status} {fields:?}");
    }
}

#[test]
fn a_call_of_grpc_that_ends_without_a_status_is_unknown() {
    let none = HeaderMap::new();
    assert_eq!(Ending::grpc(StatusCode::OK, &none).outcome(), Failure);
    assert_eq!(Ending::grpc(StatusCode::OK, &none).grpc_status(), Some(2));
    assert_eq!(Ending::grpc(StatusCode::OK, &headers(&[("grpc-status", "0")])).outcome(), Success);
    assert_eq!(Ending::head(StatusCode::OK, &none).grpc_status(), None);
}

#[test]
fn when_to_come_back_is_read_in_bounds() {
    let hour = Some(Duration::from_secs(3600));
    for (fields, expected) in [
        (&[][..], None),
        (&[("retry-after", "3")], Some(Duration::from_secs(3))),
        (&[("retry-after", "0")], Some(Duration::ZERO)),
        (&[("retry-after", "999999999")], hour),
        (&[("retry-after", "9999999999")], None),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "+1")], None),
        (&[("retry-after", "1.5")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "Sat, 21 Nov 2026 17:00:00 GMT")], None),
        (&[("grpc-retry-pushback-ms", "250")], Some(Duration::from_millis(250))),
        (&[("grpc-retry-pushback-ms", "-1")], None),
        (&[("grpc-retry-pushback-ms", "250"), ("retry-after", "9")], Some(Duration::from_millis(250))),
        (&[("grpc-retry-pushback-ms", "999999999")], hour),
    ] {
        let headers = headers(fields);
        let ending = Ending::head(StatusCode::SERVICE_UNAVAILABLE, &headers);
        assert_eq!(ending.retry_after(), expected, "{fields:?}");
    }
}

#[test]
fn protocols_are_told_by_the_content_type() {
    for (kind, expected) in [
        ("application/grpc", Protocol::Grpc),
        ("application/grpc+proto", Protocol::Grpc),
        ("application/grpc;charset=utf-8", Protocol::Grpc),
        ("application/grpc-web", Protocol::GrpcWeb),
        ("application/grpc-web+proto", Protocol::GrpcWeb),
        ("application/grpc-web-text", Protocol::GrpcWebText),
        ("application/grpcish", Protocol::Http),
        ("application/json", Protocol::Http),
        ("", Protocol::Http),
    ] {
        assert_eq!(Protocol::of(&headers(&[("content-type", kind)])), expected, "{kind}");
    }
    assert_eq!(Protocol::of(&HeaderMap::new()), Protocol::Http);
}

#[tokio::test(start_paused = true)]
async fn errors_without_a_status_are_failures_but_for_time_outs_and_refusals() {
    let boxed = |error: io::Error| -> Box<dyn Any> {
        Box::new(Box::<dyn std::error::Error + Send + Sync>::from(error))
    };
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let elapsed = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
    let rejected =
        Rejected { limit: "limit.db", reason: RejectReason::QueueFull, retry_after: Duration::ZERO };
    let cases: [(Box<dyn Any>, Outcome); 12] = [
        (Box::new("anything"), Failure),
        (Box::new(refused()), Failure),
        (Box::new(timed_out()), Dropped),
        (boxed(refused()), Failure),
        (boxed(timed_out()), Dropped),
        (boxed(io::Error::other(rejected)), Dropped),
        (boxed(io::Error::other(tower::timeout::error::Elapsed::new())), Dropped),
        (Box::new(rejected), Dropped),
        (Box::new(elapsed), Dropped),
        (Box::new(tower::timeout::error::Elapsed::new()), Dropped),
        (Box::new(tonic::Status::cancelled("")), Ignore),
        (Box::new(tonic::Status::internal("")), Failure),
    ];
    for (index, (error, expected)) in cases.iter().enumerate() {
        assert_eq!(of_error(&**error), *expected, "{index}");
    }
}

/// An error that is its own source.
#[derive(Debug)]
struct Loop;
static LOOP: Loop = Loop;

impl std::fmt::Display for Loop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("loop")
    }
}

impl std::error::Error for Loop {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&LOOP)
    }
}

#[test]
fn a_chain_of_errors_without_an_end_is_left() {
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(Loop);
    assert_eq!(of_error(&boxed), Failure);
}
