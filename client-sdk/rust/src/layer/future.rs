//! The future of a limited request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

use super::{ResponseHead, Settings};
use crate::outcome::Outcome;
use crate::permit::Permit;

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
        Admitted { #[pin] inner: F, permit: Option<Permit>, settings: Arc<Settings> },
        Exempt { #[pin] inner: F },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B> LimitFuture<F, B> {
    pub(super) const fn admitted(inner: F, permit: Permit, settings: Arc<Settings>) -> Self {
        Self { state: State::Admitted { inner, permit: Some(permit), settings } }
    }

    pub(super) const fn exempt(inner: F) -> Self {
        Self { state: State::Exempt { inner } }
    }

    pub(super) const fn refused(response: Response<B>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, B, E> Future for LimitFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjected::Exempt { inner } => inner.poll(cx),
            StateProjected::Refused { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it was ready")))
            }
            StateProjected::Admitted { inner, permit, settings } => {
                // Held on the stack: if the inner service or the classification panics, it is dropped by the unwinding
                // itself and counts as a failure, even where the panic is caught further out.
                let held = permit.take();
                let Poll::Ready(result) = inner.poll(cx) else {
                    *permit = held;
                    return Poll::Pending;
                };
                if let Some(held) = held {
                    held.finish(outcome(&result, settings));
                }
                Poll::Ready(result)
            }
        }
    }
}

fn outcome<B, E>(result: &Result<Response<B>, E>, settings: &Settings) -> Outcome {
    match result {
        Ok(response) => {
            (settings.outcome)(&ResponseHead { status: response.status(), headers: response.headers() })
        }
        Err(_) => Outcome::Failure,
    }
}
