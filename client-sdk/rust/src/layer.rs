//! A tower layer that holds HTTP and gRPC requests to a limit and a breaker, for servers (axum, tonic, hyper) and clients.
//!
//! It reads heads only: bodies are neither buffered nor wrapped, and nothing is boxed. So a call ends when the head of its
//! response is ready. For a streamed response that is its beginning; and a gRPC status that comes in a trailer, after
//! messages, is not seen. (A gRPC error without a message, the usual case, is in the head.) Where that matters, take a
//! permit by hand and finish it at the end of the stream.

mod exempt;
mod future;
mod queued;
mod refusal;

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::limiter::Limiter;
use crate::outcome::Outcome;
use crate::priority::Priority;
use exempt::Exempt;
pub use future::LimitFuture;
pub use queued::{QueuedFuture, QueuedLayer, QueuedService};

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
    fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

/// A response without its body.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// Such as 200.
    pub status: StatusCode,
    /// All headers.
    pub headers: &'a HeaderMap,
}

impl ResponseHead<'_> {
    /// What the response means by default: its `grpc-status` header if there is one, else its HTTP status.
    pub fn outcome(&self) -> Outcome {
        let grpc_status = self.headers.get("grpc-status").map(|value| value.to_str().map(str::parse));
        match grpc_status {
            Some(Ok(Ok(code))) => Outcome::from_grpc_status(code),
            Some(_) => Outcome::Ignore,
            None => Outcome::from_http_status(self.status.as_u16()),
        }
    }
}

type PriorityOf = dyn Fn(&RequestHead<'_>) -> Priority + Send + Sync;
type OutcomeOf = dyn Fn(&ResponseHead<'_>) -> Outcome + Send + Sync;

/// Holds the requests of a service to a limit. See [`crate::Setpoint::layer`].
#[derive(Clone)]
#[must_use = "nothing is limited before the layer wraps a service"]
pub struct LimitLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    limiter: Limiter,
    exempt: Exempt,
    priority: Arc<PriorityOf>,
    outcome: Arc<OutcomeOf>,
}

impl LimitLayer {
    /// Every request counts as [`Priority::Normal`], health and metrics routes are exempt, statuses mean their default.
    pub(crate) fn new(limiter: Limiter) -> Self {
        let settings = Settings {
            limiter,
            exempt: Exempt::default(),
            priority: Arc::new(|_| Priority::Normal),
            outcome: Arc::new(|head| head.outcome()),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Lets a path through always and uncounted: exactly this one, or everything below it if it ends in `/*`. Beside the
    /// default ones: `/healthz`, `/livez`, `/readyz`, `/metrics`, `/grpc.health.v1.Health/*`.
    pub fn exempt(mut self, path: &str) -> Self {
        Arc::make_mut(&mut self.settings).exempt.add_path(path);
        self
    }

    /// Lets requests through always and uncounted for which `is_exempt` is true, beside the exempt paths.
    pub fn exempt_if(mut self, is_exempt: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.settings).exempt.set_predicate(is_exempt);
        self
    }

    /// How much a request matters. Default: [`Priority::Normal`].
    pub fn priority(mut self, of: impl Fn(&RequestHead<'_>) -> Priority + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.settings).priority = Arc::new(of);
        self
    }

    /// What a response means. Default: [`ResponseHead::outcome`]. An error of the inner service is a failure always.
    pub fn classify(
        mut self,
        outcome: impl Fn(&ResponseHead<'_>) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).outcome = Arc::new(outcome);
        self
    }
}

impl std::fmt::Debug for LimitLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LimitLayer").field("limiter", &self.settings.limiter).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> LimitService<S> {
        LimitService { inner, settings: self.settings.clone() }
    }
}

/// A service whose requests are held to a limit.
#[derive(Clone)]
pub struct LimitService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S: std::fmt::Debug> std::fmt::Debug for LimitService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LimitService")
            .field("inner", &self.inner)
            .field("limiter", &self.settings.limiter)
            .finish_non_exhaustive()
    }
}

impl<S, B, B2> Service<Request<B>> for LimitService<S>
where
    S: Service<Request<B>, Response = Response<B2>>,
    B2: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = LimitFuture<S::Future, B2>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let head = RequestHead::of(&request);
        let settings = &self.settings;
        if settings.exempt.covers(&head) {
            return LimitFuture::exempt(self.inner.call(request));
        }
        match settings.limiter.try_acquire((settings.priority)(&head)) {
            // The permit is held here while the inner service is called, so that a panic in it ends as a failure.
            Ok(permit) => LimitFuture::admitted(self.inner.call(request), permit, settings.clone()),
            Err(rejected) => LimitFuture::refused(refusal::answer(&head, &rejected)),
        }
    }
}

#[cfg(test)]
mod tests;
