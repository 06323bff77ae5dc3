//! What a rejected request is answered: something that its caller's retry logic understands.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use super::RequestHead;
use crate::rejected::Rejected;

/// Tells a rejection by this limit from any other 503.
const REJECTED: HeaderName = HeaderName::from_static("x-setpoint-rejected");
const GRPC: &str = "application/grpc";
/// `RESOURCE_EXHAUSTED`.
const GRPC_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");

/// 503 with `retry-after`, or `RESOURCE_EXHAUSTED` with a push-back for a gRPC request.
pub(super) fn answer<B: Default>(head: &RequestHead<'_>, rejected: &Rejected) -> Response<B> {
    let mut response = Response::new(B::default());
    let is_grpc =
        head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()));
    let millis = u64::try_from(rejected.retry_after.as_millis()).unwrap_or(u64::MAX);
    let headers = response.headers_mut();
    headers.insert(REJECTED, HeaderValue::from_static(rejected.reason.name()));
    if is_grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        headers.insert("grpc-status", GRPC_EXHAUSTED);
        headers.insert("grpc-message", HeaderValue::from_static(rejected.reason.name()));
        headers.insert("grpc-retry-pushback-ms", HeaderValue::from(millis));
    } else {
        headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000).max(1)));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
