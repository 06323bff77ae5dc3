//! How a call ended, and what that means by default.
//!
//! A status says three things at once: whether the callee did its work, whether it is full, and whether the caller was wrong.
//! A limit and a breaker want only the first two, so everything that is the caller's fault or choice is ignored. The table is
//! that of [`Outcome::from_http_status`] and [`Outcome::from_grpc_status`]:
//!
//! | outcome | HTTP | gRPC | without a status |
//! |---|---|---|---|
//! | success | 2xx, 3xx | `OK` | |
//! | ignore | 1xx, 4xx but 429 | `CANCELLED`, `INVALID_ARGUMENT`, `NOT_FOUND`, `UNIMPLEMENTED`, all that are not below | the caller went away |
//! | dropped | 429, 503, 504 | `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`, `UNAVAILABLE` | a time-out |
//! | failure | other 5xx | `UNKNOWN`, `INTERNAL`, `DATA_LOSS`, none or an unreadable one | any other error, a panic |

mod fault;
mod fields;

use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::outcome::Outcome;
pub(crate) use fault::of_error;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// gRPC's `UNKNOWN`.
const UNKNOWN: u16 = 2;

/// How a call ended, as far as it can be read from a status.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Ending<'a> {
    /// Such as 200.
    pub status: StatusCode,
    /// The last headers of the answer: those of its head, or its trailers where the call ended with them.
    pub headers: &'a HeaderMap,
    /// Whether the call ended with its body: then `headers` are its trailers, and empty if there were none.
    pub in_trailers: bool,
    /// Whether a gRPC status should be here.
    grpc: bool,
}

impl<'a> Ending<'a> {
    /// A call that ends with its head.
    #[inline]
    pub(crate) const fn head(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self { status, headers, in_trailers: false, grpc: false }
    }

    /// A gRPC call that ends with its body.
    pub(crate) const fn grpc(status: StatusCode, trailers: &'a HeaderMap) -> Self {
        Self { status, headers: trailers, in_trailers: true, grpc: true }
    }

    /// The gRPC status, if there is one; `UNKNOWN` where it cannot be read or is missing from the end of a gRPC call, as gRPC
    /// itself has it.
    #[inline]
    pub fn grpc_status(&self) -> Option<u16> {
        match self.headers.get(GRPC_STATUS) {
            Some(code) => Some(fields::number(code).and_then(|code| code.try_into().ok()).unwrap_or(UNKNOWN)),
            None => self.grpc.then_some(UNKNOWN),
        }
    }

    /// What it means by default: the gRPC status if there is one, else the HTTP status.
    #[inline]
    pub fn outcome(&self) -> Outcome {
        match self.grpc_status() {
            Some(code) => Outcome::from_grpc_status(code),
            None => Outcome::from_http_status(self.status.as_u16()),
        }
    }

    /// When the callee wants to be asked again: `grpc-retry-pushback-ms`, else `retry-after` in seconds; an hour at most. `None`:
    /// not said, or not as a number. (A date is not read: it would need two clocks that agree.)
    pub fn retry_after(&self) -> Option<Duration> {
        let read = |name: HeaderName| self.headers.get(name).and_then(fields::number);
        let asked = match read(GRPC_PUSHBACK) {
            Some(millis) => Duration::from_millis(millis),
            None => Duration::from_secs(read(RETRY_AFTER)?),
        };
        Some(asked.min(fields::LONGEST_WAIT))
    }
}

/// The protocol that a message speaks, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    /// Its trailers are in its body, where nobody looks for them: read like HTTP, refused like gRPC.
    GrpcWeb,
    /// The same in base64.
    GrpcWebText,
}

impl Protocol {
    #[inline]
    pub fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
        let Some(rest) = kind.strip_prefix(b"application/grpc") else { return Self::Http };
        match rest.first() {
            None | Some(b'+' | b';') => Self::Grpc,
            _ if rest.starts_with(b"-web-text") => Self::GrpcWebText,
            _ if rest.starts_with(b"-web") => Self::GrpcWeb,
            _ => Self::Http,
        }
    }
}

#[cfg(test)]
mod tests;
