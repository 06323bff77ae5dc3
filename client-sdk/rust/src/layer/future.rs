//! The future of a limited request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::LimitBody;
use super::call::Call;
use super::refusal;
use super::unwind::guarded;

pin_project! {
    /// The response of a [`super::LimitService`]. Dropped before it is ready, its call counts as cancelled.
    #[project = Projected]
    pub struct LimitFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<F, B> {
        Admitted { #[pin] inner: F, call: Option<Call> },
        Exempt { #[pin] inner: F },
        Answered { response: Option<Response<LimitBody<B>>> },
    }
}

impl<F, B> LimitFuture<F, B> {
    /// Makes the call. A panic in `make` ends it as a failure.
    pub(super) fn admitted(call: Call, make: impl FnOnce() -> F) -> Self {
        let contained = call.contains_panics();
        let mut call = Some(call);
        match guarded(&mut call, contained, |_| make()) {
            Ok(inner) => Self { state: State::Admitted { inner, call } },
            Err(protocol) => Self::answered(refusal::panicked(protocol)),
        }
    }

    pub(super) const fn exempt(inner: F) -> Self {
        Self { state: State::Exempt { inner } }
    }

    pub(super) fn answered(response: Response<Bytes>) -> Self {
        Self { state: State::Answered { response: Some(response.map(LimitBody::own)) } }
    }
}

impl<F, B, E> Future for LimitFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
{
    type Output = Result<Response<LimitBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let (inner, call) = match state.as_mut().project() {
            StateProjected::Admitted { inner, call } => (inner, call),
            StateProjected::Exempt { inner } => {
                return inner.poll(cx).map_ok(|response| response.map(|body| LimitBody::new(body, None)));
            }
            StateProjected::Answered { response } => {
                return Poll::Ready(Ok(response.take().expect("a future is not polled after it was ready")));
            }
        };
        let contained = call.as_ref().and_then(Call::contains_panics);
        guarded(call, contained, |call| finish(ready!(inner.poll(cx)), call)).unwrap_or_else(|protocol| {
            // What panicked is dropped, never polled again.
            state.set(State::Answered { response: None });
            Poll::Ready(Ok(refusal::panicked(protocol).map(LimitBody::own)))
        })
    }
}

/// Tells the call how it ended.
fn finish<B: Body, E: 'static>(
    result: Result<Response<B>, E>,
    call: &mut Option<Call>,
) -> Poll<Result<Response<LimitBody<B>>, E>> {
    let call = call.take();
    Poll::Ready(match (result, call) {
        (Ok(response), Some(call)) => Ok(call.answered(response)),
        (Ok(response), None) => Ok(response.map(|body| LimitBody::new(body, None))),
        (Err(error), call) => {
            call.into_iter().for_each(|call| call.failed(&error));
            Err(error)
        }
    })
}
