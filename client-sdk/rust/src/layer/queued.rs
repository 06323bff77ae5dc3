//! The layer whose requests wait for a place instead of being rejected at once.
//!
//! It is a type of its own because it asks more of the wrapped service: that it can be cloned, since the request has to be
//! kept until there is a place for it, and the service that was found ready with it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{LimitFuture, LimitLayer, RequestHead, Settings, refusal};
use crate::limiter::Acquire;

type DeadlineOf = dyn Fn(&RequestHead<'_>) -> Option<Duration> + Send + Sync;

/// Holds the requests of a service to a limit and lets them wait for a place. See [`LimitLayer::queued`].
#[derive(Clone)]
#[must_use = "nothing is limited before the layer wraps a service"]
pub struct QueuedLayer {
    settings: Arc<Settings>,
    deadline: Arc<DeadlineOf>,
}

impl LimitLayer {
    /// The same layer, whose requests wait for a place if the limiter has a queue: `sp.limiter("inbound").queue(200)`
    /// before `sp.layer("inbound").queued()`. See [`crate::Limiter::acquire`].
    pub fn queued(self) -> QueuedLayer {
        QueuedLayer { settings: self.settings, deadline: Arc::new(grpc_timeout) }
    }
}

impl QueuedLayer {
    /// How long the caller of a request still waits. Default: what the header `grpc-timeout` says. `None`: the limiter's
    /// deadline, if it has one.
    pub fn deadline(
        mut self,
        of: impl Fn(&RequestHead<'_>) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        self.deadline = Arc::new(of);
        self
    }
}

impl std::fmt::Debug for QueuedLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueuedLayer").field("limiter", &self.settings.limiter).finish_non_exhaustive()
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
    B2: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = QueuedFuture<S, B, B2>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = &self.layer.settings;
        let head = RequestHead::of(&request);
        if settings.exempt.covers(&head) {
            let inner = LimitFuture::exempt(self.inner.call(request));
            return QueuedFuture { state: State::Let { inner } };
        }
        let acquire = settings.limiter.acquire((settings.priority)(&head), (self.layer.deadline)(&head));
        // The clone takes the place of the service that was found ready.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let state = State::Waiting { acquire, kept: Some((ready, request)), settings: Arc::clone(settings) };
        QueuedFuture { state }
    }
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
        Waiting { acquire: Acquire, kept: Option<(S, Request<B>)>, settings: Arc<Settings> },
        Let { #[pin] inner: LimitFuture<S::Future, B2> },
    }
}

impl<S, B, B2> Future for QueuedFuture<S, B, B2>
where
    S: Service<Request<B>, Response = Response<B2>>,
    B2: Default,
{
    type Output = Result<Response<B2>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (acquire, kept, settings) = match state.as_mut().project() {
                Projected::Let { inner } => return inner.poll(cx),
                Projected::Waiting { acquire, kept, settings } => (acquire, kept, settings),
            };
            let Poll::Ready(answer) = Pin::new(acquire).poll(cx) else { return Poll::Pending };
            let (mut service, request) =
                kept.take().expect("kept until there is an answer, and then left behind");
            let inner = match answer {
                // The permit is held here while the service is called, so that a panic in it ends as a failure.
                Ok(permit) => LimitFuture::admitted(service.call(request), permit, Arc::clone(settings)),
                Err(rejected) => LimitFuture::refused(refusal::answer(&RequestHead::of(&request), &rejected)),
            };
            state.set(State::Let { inner });
        }
    }
}

/// What a gRPC client says it waits: up to eight digits and a unit.
fn grpc_timeout(head: &RequestHead<'_>) -> Option<Duration> {
    let text = head.headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = digits.parse::<u64>().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(3600 * count),
        "M" => Duration::from_secs(60 * count),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
