//! One admitted call, from its admission to the head of its answer.
//!
//! Whatever happens, a call ends exactly once: what it holds is moved, from the future to its end or to the body of the answer,
//! and what is dropped on the way ends by itself (cancelled, or a failure while its thread unwinds).

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use http_body::Body;

use super::RequestHead;
use super::body::{Expected, Hold, LimitBody};
use super::settings::{Meaning, Settings, Until};
use crate::classify::{Ending, Protocol, of_error};
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::rate::Rate;
use crate::throttle::Attempt;

/// What a call holds of the limiter, its breaker and the throttle, and the rate that learns from its end.
#[derive(Debug)]
pub(super) struct Right {
    permit: Permit,
    attempt: Option<Attempt>,
    rate: Option<Rate>,
}

impl Right {
    #[inline]
    pub const fn new(permit: Permit, attempt: Option<Attempt>, rate: Option<Rate>) -> Self {
        Self { permit, attempt, rate }
    }

    #[inline]
    pub fn finish(self, verdict: Verdict) {
        if let Some(retry_after) = verdict.retry_after {
            self.permit.retry_after(retry_after);
        }
        self.permit.finish(verdict.outcome);
        if let Some(attempt) = self.attempt {
            attempt.finish(verdict.outcome);
        }
        if let Some(rate) = self.rate {
            rate.record(verdict.outcome, verdict.retry_after);
        }
    }
}

/// What the end of a call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub outcome: Outcome,
    /// When the callee wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Verdict {
    /// The call says nothing.
    pub const NONE: Self = Self::plain(Outcome::Ignore);

    pub const fn plain(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None }
    }

    /// What an ending means unless told otherwise.
    #[inline]
    pub fn by_default(ending: &Ending<'_>) -> Self {
        Self::of(ending.outcome(), ending)
    }

    /// An outcome with what else the ending says. Of a call that went well, and of a redirection, `retry-after` is no matter.
    #[inline]
    pub fn of(outcome: Outcome, ending: &Ending<'_>) -> Self {
        let went_wrong = matches!(outcome, Outcome::Dropped | Outcome::Failure);
        Self { outcome, retry_after: if went_wrong { ending.retry_after() } else { None } }
    }
}

/// An admitted call.
#[derive(Debug)]
pub(super) struct Call {
    right: Right,
    protocol: Protocol,
    until: Until,
    meaning: Option<Meaning>,
    /// `None`: nothing but defaults, and nothing to wait for after the head. So the usual call counts no reference, which would
    /// be the one word that all threads write.
    settings: Option<Arc<Settings>>,
}

impl Call {
    #[inline]
    pub fn begin(right: Right, request: &RequestHead<'_>, settings: &Arc<Settings>) -> Self {
        let protocol = Protocol::of(request.headers);
        let until = settings.until_of(request);
        let plain = settings.is_plain() && protocol == Protocol::Http && until != Until::Body;
        let settings = (!plain).then(|| Arc::clone(settings));
        let meaning = settings.as_ref().and_then(|settings| settings.meaning_of(request));
        Self { right, protocol, until, meaning, settings }
    }

    /// The protocol to answer in, if a panic is to be contained.
    #[inline]
    pub fn contains_panics(&self) -> Option<Protocol> {
        self.settings.as_ref().filter(|settings| settings.contain).map(|_| self.protocol)
    }

    /// The answer has begun: the call ends now, or with its body.
    #[inline]
    pub fn answered<B: Body>(self, response: Response<B>) -> Response<LimitBody<B>> {
        let mut hold = self.ended_by_head(response.status(), response.headers());
        if response.body().is_end_stream()
            && let Some(hold) = hold.take()
        {
            hold.end(None);
        }
        response.map(|body| LimitBody::new(body, hold))
    }

    /// There is no answer.
    pub fn failed(self, error: &dyn Any) {
        let verdict = match &self.settings {
            Some(settings) => settings.read_error(error),
            None => Verdict::plain(of_error(error)),
        };
        self.right.finish(verdict);
    }

    /// Ends the call, unless its end is in its body.
    #[inline]
    fn ended_by_head(self, status: StatusCode, headers: &HeaderMap) -> Option<Box<Hold>> {
        let ending = Ending::head(status, headers);
        let Some(settings) = self.settings else {
            self.right.finish(Verdict::by_default(&ending));
            return None;
        };
        let Self { right, protocol, until, meaning, .. } = self;
        let lasts = until != Until::Head && status != StatusCode::SWITCHING_PROTOCOLS;
        let awaits_status = protocol == Protocol::Grpc && awaits_status(&ending);
        let verdict = (!awaits_status || !lasts).then(|| settings.read(meaning, &ending));
        match verdict {
            Some(verdict) if !lasts || until != Until::Body => {
                right.finish(verdict);
                None
            }
            verdict => Some(Box::new(Hold::new(settings, right, Expected { status, meaning, verdict }))),
        }
    }
}

/// Whether the status of a gRPC call is still to come.
fn awaits_status(head: &Ending<'_>) -> bool {
    head.status == StatusCode::OK
        && head.grpc_status().is_none()
        && Protocol::of(head.headers) == Protocol::Grpc
}
