//! The future of a limited request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::LimitBody;
use super::call::Call;
use super::refusal;
use super::unwind::{Watch, contained};

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
    /// Asks the service. A panic in it ends the call as a failure.
    #[inline]
    pub(super) fn admitted<S, Q>(call: Call, service: &mut S, request: Q) -> Self
    where
        S: Service<Q, Future = F>,
    {
        let contains = call.contains_panics();
        let mut call = Some(call);
        let Some(protocol) = contains else {
            let watch = Watch::over(&mut call);
            let inner = service.call(request);
            watch.passed();
            return Self { state: State::Admitted { inner, call } };
        };
        match contained(&mut call, |_| service.call(request)) {
            Some(inner) => Self { state: State::Admitted { inner, call } },
            None => Self::answered(refusal::panicked(protocol)),
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
        let Some(protocol) = call.as_ref().and_then(Call::contains_panics) else {
            let mut watch = Watch::over(call);
            let polled = inner.poll(cx).map(|result| finish(result, watch.held()));
            watch.passed();
            return polled;
        };
        contained(call, |call| inner.poll(cx).map(|result| finish(result, call))).unwrap_or_else(|| {
            // What panicked is dropped, never polled again.
            state.set(State::Answered { response: None });
            Poll::Ready(Ok(refusal::panicked(protocol).map(LimitBody::own)))
        })
    }
}

/// Tells the call how it ended.
#[inline]
fn finish<B: Body, E: 'static>(
    result: Result<Response<B>, E>,
    call: &mut Option<Call>,
) -> Result<Response<LimitBody<B>>, E> {
    match (result, call.take()) {
        (Ok(response), Some(call)) => Ok(call.answered(response)),
        (Ok(response), None) => Ok(response.map(|body| LimitBody::new(body, None))),
        (Err(error), call) => {
            call.into_iter().for_each(|call| call.failed(&error));
            Err(error)
        }
    }
}
