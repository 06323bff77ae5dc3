//! What a rejected request is answered: something that its caller's retry logic understands.
//!
//! | rejected by | HTTP | gRPC |
//! |---|---|---|
//! | limit, queue | 503 | `RESOURCE_EXHAUSTED` |
//! | rate | 429 | `RESOURCE_EXHAUSTED` |
//! | breaker, throttle | 503 | `UNAVAILABLE` |
//! | deadline | 504 | `DEADLINE_EXCEEDED` |
//!
//! `retry-after` is in seconds, rounded up; `grpc-retry-pushback-ms` is exact. The header `x-setpoint-rejected` and a body of one
//! word say the reason, and tell such an answer from any other 503.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};

use super::RequestHead;
use crate::classify::{GRPC_PUSHBACK, GRPC_STATUS, Protocol};
use crate::rejected::{RejectReason, Rejected};

const REJECTED: HeaderName = HeaderName::from_static("x-setpoint-rejected");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

const EXHAUSTED: &str = "8";
const UNAVAILABLE: &str = "14";
const DEADLINE_EXCEEDED: &str = "4";
const INTERNAL: &str = "13";
const PANICKED: &str = "panicked";

impl Rejected {
    /// The answer that a layer gives to such a request: an HTTP status with `retry-after`, or a gRPC status with its push-back
    /// for a gRPC request. It carries the [`Rejected`] as an extension.
    pub fn response(&self, request: &RequestHead<'_>) -> Response<Bytes> {
        let protocol = Protocol::of(request.headers);
        let reason = self.reason.name();
        let millis = self.retry_after.as_nanos().div_ceil(1_000_000);
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let (status, code) = match self.reason {
            RejectReason::RateLimit => (StatusCode::TOO_MANY_REQUESTS, EXHAUSTED),
            RejectReason::BreakerOpen | RejectReason::Throttled => {
                (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE)
            }
            RejectReason::Deadline => (StatusCode::GATEWAY_TIMEOUT, DEADLINE_EXCEEDED),
            _ => (StatusCode::SERVICE_UNAVAILABLE, EXHAUSTED),
        };
        let mut response = answer(protocol, status, code, reason);
        let headers = response.headers_mut();
        headers.insert(REJECTED, HeaderValue::from_static(reason));
        if protocol == Protocol::Http {
            headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000).max(1)));
        } else {
            headers.insert(GRPC_PUSHBACK, HeaderValue::from(millis));
        }
        response.extensions_mut().insert(*self);
        response
    }
}

/// An answer of one word: a status of gRPC in a head without a body, or a status of HTTP with the word as its body.
fn answer(protocol: Protocol, status: StatusCode, code: &'static str, word: &'static str) -> Response<Bytes> {
    let kind = match protocol {
        Protocol::Http => "text/plain",
        Protocol::Grpc => "application/grpc",
        Protocol::GrpcWeb => "application/grpc-web",
        Protocol::GrpcWebText => "application/grpc-web-text",
    };
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if protocol == Protocol::Http {
        *response.status_mut() = status;
        *response.body_mut() = Bytes::from_static(word.as_bytes());
    } else {
        headers.insert(GRPC_STATUS, HeaderValue::from_static(code));
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(word));
    }
    response
}

/// The answer of a call whose handler panicked.
pub(super) fn panicked(protocol: Protocol) -> Response<Bytes> {
    answer(protocol, StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, PANICKED)
}

/// The trailers of a gRPC call whose body panicked.
pub(super) fn panicked_trailers() -> HeaderMap {
    let fields = [(GRPC_STATUS, INTERNAL), (GRPC_MESSAGE, PANICKED)];
    fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}
