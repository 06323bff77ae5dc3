//! What a layer sees of a request.

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Uri};

use crate::priority::Priority;

/// A request without its body.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// Such as GET.
    pub method: &'a Method,
    /// With path and query.
    pub uri: &'a Uri,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// What earlier layers left, such as axum's `MatchedPath`.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// The head of a request.
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The priority that a header names (`critical`, `high`, `normal`, `low`, `background`), but nothing above `at_most`; what
    /// is missing or anything else is normal. A header can never exempt a request.
    pub(super) fn priority(&self, name: &HeaderName, at_most: Priority) -> Priority {
        let named = match self.headers.get(name).map(http::HeaderValue::as_bytes) {
            Some(b"critical") => Priority::Critical,
            Some(b"high") => Priority::High,
            Some(b"low") => Priority::Low,
            Some(b"background") => Priority::Background,
            _ => Priority::Normal,
        };
        // From exempt down to background: the greater one matters less.
        named.max(at_most)
    }
}
