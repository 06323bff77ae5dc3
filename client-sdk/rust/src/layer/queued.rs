//! The layer whose requests wait for a place instead of being rejected at once.
//!
//! It is a type of its own because it asks more of the wrapped service: that it can be cloned, since the request has to be
//! kept until there is a place for it, and the service that was found ready with it. That clone, and a reference to the
//! settings that threads count together, make it cost more than the other one even where nobody waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::budget::Budget;
use super::call::Call;
use super::settings::{Asked, Settings};
use super::{LimitBody, LimitFuture, LimitLayer, RequestHead};
use crate::limiter::Acquire;
use crate::throttle::Attempt;

/// Holds the requests of a service to a limit and lets them wait for a place. See [`LimitLayer::queued`].
#[derive(Clone, Debug)]
#[must_use = "nothing is limited before the layer wraps a service"]
pub struct QueuedLayer {
    settings: Arc<Settings>,
}

impl LimitLayer {
    /// The same layer, whose requests wait for a place if the limiter has a queue: `sp.limiter("inbound").queue(200)`
    /// before `sp.layer("inbound").queued()`. See [`crate::Limiter::acquire`]. They wait no longer than their deadline allows
    /// ([`LimitLayer::deadline`]); those without one no longer than that of the limiter, if it has one.
    pub fn queued(self) -> QueuedLayer {
        QueuedLayer { settings: self.settings }
    }
}

impl<S> Layer<S> for QueuedLayer {
    type Service = QueuedService<S>;

    fn layer(&self, inner: S) -> QueuedService<S> {
        QueuedService { inner, layer: self.clone() }
    }
}

/// A service whose requests are held to a limit and wait for a place.
#[derive(Debug, Clone)]
pub struct QueuedService<S> {
    inner: S,
    layer: QueuedLayer,
}

impl<S, B, B2> Service<Request<B>> for QueuedService<S>
where
    S: Service<Request<B>, Response = Response<B2>> + Clone,
    S::Error: 'static,
    B2: Body,
{
    type Response = Response<LimitBody<B2>>;
    type Error = S::Error;
    type Future = QueuedFuture<S, B, B2>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = &self.layer.settings;
        let head = RequestHead::of(&request);
        let Asked { priority, budget, left, attempt } = match settings.ask(&head) {
            Ok(Some(asked)) => asked,
            Ok(None) => return QueuedFuture::passing(LimitFuture::exempt(self.inner.call(request))),
            Err(rejected) => {
                return QueuedFuture::passing(LimitFuture::answered(settings.refuse(&head, &rejected)));
            }
        };
        let acquire = settings.limiter.acquire(priority, left);
        // The clone takes the place of the service that was found ready.
        let clone = self.inner.clone();
        let service = std::mem::replace(&mut self.inner, clone);
        let kept = Some(Kept { service, request, budget, attempt });
        QueuedFuture { state: State::Waiting { acquire, kept, settings: Arc::clone(settings) } }
    }
}

/// What is needed when there is a place.
struct Kept<S, B> {
    service: S,
    request: Request<B>,
    budget: Budget,
    attempt: Option<Attempt>,
}

pin_project! {
    /// The response of a [`QueuedService`]. Dropped while it waits, the request has never been; dropped later, its call counts
    /// as cancelled.
    pub struct QueuedFuture<S, B, B2>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, B2>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, B, B2>
    where
        S: Service<Request<B>>,
    {
        Waiting { acquire: Acquire, kept: Option<Kept<S, B>>, settings: Arc<Settings> },
        Passing { #[pin] inner: LimitFuture<S::Future, B2> },
    }
}

impl<S: Service<Request<B>>, B, B2> QueuedFuture<S, B, B2> {
    const fn passing(inner: LimitFuture<S::Future, B2>) -> Self {
        Self { state: State::Passing { inner } }
    }
}

impl<S, B, B2> Future for QueuedFuture<S, B, B2>
where
    S: Service<Request<B>, Response = Response<B2>>,
    S::Error: 'static,
    B2: Body,
{
    type Output = Result<Response<LimitBody<B2>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (acquire, kept, settings) = match state.as_mut().project() {
                Projected::Passing { inner } => return inner.poll(cx),
                Projected::Waiting { acquire, kept, settings } => (acquire, kept, settings),
            };
            let Poll::Ready(answer) = Pin::new(acquire).poll(cx) else { return Poll::Pending };
            let Kept { mut service, mut request, budget, attempt } =
                kept.take().expect("kept until there is an answer, and then left behind");
            let head = RequestHead::of(&request);
            let inner = match answer.and_then(|permit| settings.admit(permit, attempt)) {
                Ok(right) => {
                    let call = Call::begin(right, &head, settings);
                    budget.pass_on(&mut request);
                    LimitFuture::admitted(call, &mut service, request)
                }
                Err(rejected) => LimitFuture::answered(settings.refuse(&head, &rejected)),
            };
            state.set(State::Passing { inner });
        }
    }
}

#[cfg(test)]
mod tests;
