//! How much time a request has left: read where it comes in, and told to whoever works for it.
//!
//! One rule serves servers and clients, like the layer itself. What is known of a request's deadline is the earliest of what
//! its headers say (or its owner, [`LimitLayer::deadline`](super::LimitLayer::deadline)) and of the [`Deadline`] among its
//! extensions. Whichever of the two places does not say as much is brought up to date when the call begins: so a handler finds
//! the deadline that a server's layer has read, and a callee the one that a handler noted for a client's layer.
//!
//! A header that is malformed is no deadline here: to refuse a request for its form is not for a limit to do.

use std::time::Instant;

use http::Request;

use super::RequestHead;
use super::settings::Of;
use crate::deadline::{Deadline, time_left};

/// The deadline of a request, and who has to be told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub deadline: Deadline,
    in_headers: bool,
    in_extensions: bool,
}

impl Budget {
    /// Of that request, by what its owner says in place of its headers, if anything.
    #[inline]
    pub fn of(head: &RequestHead<'_>, owner: Option<&Of<Deadline>>) -> Self {
        let noted = Deadline::of(head.extensions);
        let told = time_left(head.headers).ok().flatten();
        let told = told.map_or(Deadline::NONE, |left| Deadline::after(Instant::now(), left));
        let deadline = owner.map_or(told, |of| of(head)).earlier(noted);
        Self { deadline, in_headers: deadline == told, in_extensions: deadline == noted }
    }

    /// Tells those who do not know yet. To be asked when the call begins, and not before it has waited.
    #[inline]
    pub fn pass_on<B>(self, request: &mut Request<B>) {
        if !self.in_extensions {
            request.extensions_mut().insert(self.deadline);
        }
        if !self.in_headers {
            self.deadline.write(request.headers_mut(), Instant::now());
        }
    }
}
