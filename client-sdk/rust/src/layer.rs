//! A tower layer that holds HTTP and gRPC requests to a limit and a breaker, for servers (axum, tonic, hyper) and for clients
//! (tonic, hyper, whatever takes and gives the types of `http`).
//!
//! It is the same one in both directions, because the questions are the same: may this call begin, and how did it end? A
//! server asks them of its own work, a client of its callee's. A refusal is an answer and not an error, so the types of a
//! stack stay as they are: [`Rejected`](crate::Rejected) is an extension of that answer.
//!
//! What is asked, and in which order, stands in `settings`; how a call ends, in `call` and `body`. Nothing is boxed or
//! buffered. A call of HTTP ends with the head of its answer, one of gRPC with its trailers ([`Until`]): its place is held
//! until then, but not longer than [`LimitLayer::hold_at_most`], however slowly its answer is read. An upgrade (101) ends
//! with its head, so an open web socket takes no place.
//!
//! | what happens to a call | its place | it counts as |
//! |---|---|---|
//! | answered, read to the end | free | what its status means |
//! | future dropped before or between polls, body dropped unread, stream reset | free at once | cancelled; a status that was bad already, as that |
//! | body not read | free when the bound is reached and somebody comes | cancelled |
//! | panic in the handler or in the body | free at once | failure; goes on unwinding, unless [`LimitLayer::contain_panics`] |
//! | refused by the rate after its admission | free at once | cancelled |
//! | exempt | takes none | nothing |
//!
//! Readiness is the wrapped service's: nothing is reserved in `poll_ready`, and a service that waits there (a full buffer, a
//! pool) waits outside of the limit.

mod body;
mod budget;
mod call;
mod exempt;
mod future;
mod head;
mod holds;
mod queued;
mod refusal;
mod settings;
mod unwind;

use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::classify::Ending;
use crate::deadline::Deadline;
use crate::limiter::Limiter;
use crate::outcome::Outcome;
use crate::priority::Priority;
use crate::rate::Rate;
use crate::rejected::Rejected;
use crate::throttle::Throttle;
pub use body::LimitBody;
use budget::Budget;
use call::Call;
pub use future::LimitFuture;
pub use head::RequestHead;
pub(crate) use holds::Holds;
pub use queued::{QueuedFuture, QueuedLayer, QueuedService};
pub use settings::Until;
use settings::{Asked, Settings};

/// Holds the requests of a service to a limit. See [`crate::Setpoint::layer`].
///
/// Cost: about six times that of a permit, most of it for moving request and answer through one more service. A plain HTTP call
/// allocates and locks nothing; one that ends with its body allocates once and takes two short locks. A refusal allocates
/// the headers of its answer.
#[derive(Clone, Debug)]
#[must_use = "nothing is limited before the layer wraps a service"]
pub struct LimitLayer {
    settings: Arc<Settings>,
}

impl LimitLayer {
    /// The paths that are exempt unless told otherwise ([`LimitLayer::exempt`], [`LimitLayer::exempt_only`]): health checks,
    /// metrics, profiles, and spans on their way to or from a collector. Whoever watches a service must see it most of all when
    /// it is overloaded, so they pass in every state, and are not limited at all: do not let the outside reach them.
    pub const EXEMPT: [&'static str; 11] = exempt::DEFAULT_PATHS;

    /// Every request counts as [`Priority::Normal`], health and metrics routes are exempt, statuses mean their default.
    pub(crate) fn new(limiter: Limiter, holds: Arc<Holds>) -> Self {
        Self { settings: Arc::new(Settings::new(limiter, holds)) }
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// Lets a path through always and uncounted: exactly this one, or everything below it if it ends in `/*`. Beside the
    /// default ones, [`LimitLayer::EXEMPT`].
    pub fn exempt(self, path: &str) -> Self {
        self.with(|settings| settings.exempt.add_path(path))
    }

    /// Lets these paths through in place of the default ones and of those that were added before; none at all with `&[]`. For
    /// services in which a default one is ordinary work, or open to the outside.
    pub fn exempt_only(self, paths: &[&str]) -> Self {
        self.with(|settings| settings.exempt.set_paths(paths))
    }

    /// Lets requests through always and uncounted for which `is_exempt` is true, beside the exempt paths.
    pub fn exempt_if(self, is_exempt: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.exempt.set_predicate(is_exempt))
    }

    /// How much a request matters. Default: [`Priority::Normal`].
    pub fn priority(self, of: impl Fn(&RequestHead<'_>) -> Priority + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.priority = Some(Arc::new(of)))
    }

    /// How much a request matters, as a header or metadata says: `critical`, `high`, `normal`, `low` or `background`; anything
    /// else is normal, and nothing is above `at_most`. Only where callers are trusted that far: a priority is claimed, not
    /// earned.
    pub fn priority_from(self, header: HeaderName, at_most: Priority) -> Self {
        self.priority(move |head| head.priority(&header, at_most))
    }

    /// Until when the answer of a request is of use, in place of what its headers say (`grpc-timeout` and
    /// [`TIMEOUT_HEADER`](crate::TIMEOUT_HEADER), read by [`Deadline::from_headers`]; one that is malformed is no deadline). The
    /// [`Deadline`] among its extensions counts besides, and the earlier of both holds.
    ///
    /// A request whose deadline is over is refused before anything else is asked, and in the queue ([`LimitLayer::queued`])
    /// nobody waits beyond it. The wrapped service finds it among the extensions and in the headers: a handler reads it with
    /// [`Deadline::of`] and notes it with the requests that it makes, and the layer of its client tells the callee.
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # use setpoint_sdk::{Deadline, Reserve, Setpoint};
    /// # let sp = Setpoint::builder("checkout").disabled(true).start();
    /// // 500 ms is what was promised upstream: 400 ms for us, and less if the caller says so.
    /// let promised = |head: &setpoint_sdk::RequestHead<'_>| {
    ///     let told = Deadline::from_headers(head.headers, Instant::now()).unwrap_or_default();
    ///     told.earlier(Deadline::within(Duration::from_millis(500), Reserve::Ratio(0.2)))
    /// };
    /// let server = sp.layer("inbound").deadline(promised);
    ///
    /// # fn handler(request: http::Request<()>) {
    /// let deadline = Deadline::of(request.extensions()).less(Reserve::Time(Duration::from_millis(10)));
    /// let call = http::Request::builder().uri("http://shop/order").extension(deadline); // through sp.layer("shop")
    /// # drop(call); }
    /// # drop(server);
    /// ```
    pub fn deadline(self, of: impl Fn(&RequestHead<'_>) -> Deadline + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.deadline = Some(Arc::new(of)))
    }

    /// What an ending means. Default: [`Ending::outcome`].
    pub fn classify(self, outcome: impl Fn(&Ending<'_>) -> Outcome + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.outcome = Some(Arc::new(outcome)))
    }

    /// The same with the request at hand, which chooses how its ending is read. It counts before [`LimitLayer::classify`].
    /// ```
    /// # use setpoint_sdk::{Outcome, Setpoint};
    /// # let sp = Setpoint::builder("checkout").disabled(true).start();
    /// let layer = sp.layer("inbound").classify_by(|request| match request.uri.path() {
    ///     "/probe" => |_| Outcome::Ignore,
    ///     _ => |ending| ending.outcome(),
    /// });
    /// # drop(layer);
    /// ```
    pub fn classify_by(
        self,
        of: impl Fn(&RequestHead<'_>) -> fn(&Ending<'_>) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.meaning = Some(Arc::new(of)))
    }

    /// What an error of this type means, of the wrapped service or of a body. Can be called for several types. Default:
    /// time-outs of tokio, tower, tonic and the system, and a [`Rejected`] are dropped, a `tonic::Status` is what it says, all
    /// else is a failure.
    pub fn classify_error<E: 'static>(self, of: impl Fn(&E) -> Outcome + Send + Sync + 'static) -> Self {
        let of = move |error: &dyn Any| error.downcast_ref().map(&of);
        self.with(|settings| settings.errors.push(Arc::new(of)))
    }

    /// When a call ends. Default: [`Until::Status`].
    pub fn until(self, of: impl Fn(&RequestHead<'_>) -> Until + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.until = Some(Arc::new(of)))
    }

    /// The longest that a body that is being read keeps its call's place, from the head on; then the call counts as cancelled.
    /// Default 10 s. It is looked at when the next request comes, through any layer.
    pub fn hold_at_most(self, bound: Duration) -> Self {
        self.with(|settings| settings.hold = bound)
    }

    /// Holds calls to a rate as well. It is asked last: a token is taken when nothing else can refuse the call. It is told how
    /// each call ended ([`Rate::record`]), so that `adaptive_rate` learns from answers of 429 and `RESOURCE_EXHAUSTED`.
    pub fn rate(self, rate: Rate) -> Self {
        self.with(|settings| settings.rate = Some(rate))
    }

    /// For clients: refuses calls that their callee would most likely refuse. It is asked first.
    pub fn throttle(self, throttle: Throttle) -> Self {
        self.with(|settings| settings.throttle = Some(throttle))
    }

    /// Answers 500 or `INTERNAL` when the wrapped service panics, instead of letting the panic go on. A panic in the body of a
    /// gRPC answer ends it with that status; one in another body goes on, because a cut body must not look whole. A panic in
    /// `classify` is treated the same; those of exempt requests, and in what looks at a request (`priority`, `until`), go on.
    /// Default: off, and a panic goes on once it is counted.
    pub fn contain_panics(self) -> Self {
        self.with(|settings| settings.contain = true)
    }

    /// What a refused request is answered. Default: [`Rejected::response`].
    pub fn refuse_with(
        self,
        answer: impl Fn(&RequestHead<'_>, &Rejected) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.refusal = Some(Arc::new(answer)))
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> LimitService<S> {
        LimitService { inner, settings: Arc::clone(&self.settings) }
    }
}

/// A service whose requests are held to a limit.
#[derive(Clone, Debug)]
pub struct LimitService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S, B, B2> Service<Request<B>> for LimitService<S>
where
    S: Service<Request<B>, Response = Response<B2>>,
    S::Error: 'static,
    B2: Body,
{
    type Response = Response<LimitBody<B2>>;
    type Error = S::Error;
    type Future = LimitFuture<S::Future, B2>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let head = RequestHead::of(&request);
        match admit(&self.settings, &head) {
            Ok(Some((call, budget))) => {
                budget.pass_on(&mut request);
                LimitFuture::admitted(call, &mut self.inner, request)
            }
            Ok(None) => LimitFuture::exempt(self.inner.call(request)),
            Err(rejected) => LimitFuture::answered(self.settings.refuse(&head, &rejected)),
        }
    }
}

/// `None`: the request is exempt.
#[inline]
fn admit(settings: &Arc<Settings>, head: &RequestHead<'_>) -> Result<Option<(Call, Budget)>, Rejected> {
    let Some(Asked { priority, budget, attempt, .. }) = settings.ask(head)? else { return Ok(None) };
    let right = settings.admit(settings.limiter.try_acquire(priority)?, attempt)?;
    Ok(Some((Call::begin(right, head, settings), budget)))
}

#[cfg(test)]
mod tests;
