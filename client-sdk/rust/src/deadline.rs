//! Deadline budgets: until when the answer of a request is of use.
//!
//! A caller that has given up does not need an answer any more, and every service behind the one it called goes on working
//! for it all the same, unless the deadline travels with the request. So a deadline is set once, where the request comes
//! in, a little before the caller gives up; each service gives the next one what is left of it, less what it needs itself;
//! and work whose deadline is over is not begun.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use setpoint_sdk::{Deadline, Priority, Reserve, Setpoint};
//!
//! let sp = Setpoint::builder("checkout").start();
//! let db = sp.limiter("db").queue(100).register();
//! # async fn order(db: setpoint_sdk::Limiter, headers: http::HeaderMap) -> Result<(), Box<dyn std::error::Error>> {
//! // 500 ms is what was promised upstream: 400 ms for us, and less if the caller says so.
//! let promised = Deadline::within(Duration::from_millis(500), Reserve::Ratio(0.2));
//! let deadline = Deadline::from_headers(&headers, Instant::now())?.earlier(promised);
//!
//! let permit = db.acquire_by(Priority::Normal, deadline).await?; // refused if it could only come too late
//! let mut request = http::HeaderMap::new();
//! deadline.less(Reserve::Time(Duration::from_millis(10))).write(&mut request, Instant::now());
//! # drop(permit); Ok(())
//! # }
//! ```
//! Layers do all of it by themselves: [`crate::LimitLayer::deadline`].

#[cfg(test)]
mod tests;
mod wire;

use std::time::{Duration, Instant};

use http::Extensions;

pub(crate) use wire::time_left;
pub use wire::{BadTimeout, TIMEOUT_HEADER, grpc_timeout, parse_grpc_timeout, parse_timeout};

/// When the answer to a request is of no use any more; or never, where nobody said. Two words, to be copied along with the
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline(Option<Instant>);

/// What is kept back of a budget: for the way of the answer, and for what is still to be done with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reserve {
    /// A share of what is left, 0 to 1.
    Ratio(f64),
    /// A time.
    Time(Duration),
}

impl Reserve {
    /// What remains of `budget`. More than there is leaves nothing; what is not a number keeps nothing back.
    fn from(self, budget: Duration) -> Duration {
        match self {
            Self::Time(time) => budget.saturating_sub(time),
            Self::Ratio(ratio) if ratio > 0.0 => budget.mul_f64((1.0 - ratio).max(0.0)),
            Self::Ratio(_) => budget,
        }
    }
}

impl Deadline {
    /// What a layer found out about a request, or what was noted with it for its way out: `request.extensions()`. A
    /// [`LimitLayer`](crate::LimitLayer) of a server notes the deadline of each request that has one there; that of a client reads
    /// it there and tells the callee.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }

    /// None: the answer is of use whenever it comes.
    pub const NONE: Self = Self(None);

    /// That moment.
    pub const fn at(moment: Instant) -> Self {
        Self(Some(moment))
    }

    /// So long from `now`; none when that is too long to be told as a moment.
    pub fn after(now: Instant, time: Duration) -> Self {
        Self(now.checked_add(time))
    }

    /// What was promised upstream (500 ms), less what is kept back of it (a fifth): 400 ms from now.
    pub fn within(promised: Duration, reserve: Reserve) -> Self {
        Self::after(Instant::now(), reserve.from(promised))
    }

    /// Whichever of the two comes first.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        Self(self.0.into_iter().chain(other.0).min())
    }

    /// An earlier deadline for a call that is a part of this request: something is kept back of what is left now.
    #[must_use]
    pub fn less(self, reserve: Reserve) -> Self {
        self.less_at(reserve, Instant::now())
    }

    /// The same, by a clock that was read already.
    #[must_use]
    pub fn less_at(self, reserve: Reserve, now: Instant) -> Self {
        // One that is over stays the moment that it was.
        let earlier = |left: Duration| Self::after(now, reserve.from(left)).earlier(self);
        self.left(now).map_or(self, earlier)
    }

    /// How long is left: zero when it is over, `None` without a deadline.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(now))
    }

    /// Whether there is no point in beginning any more.
    pub fn is_over(&self, now: Instant) -> bool {
        self.0.is_some_and(|moment| moment <= now)
    }

    /// As a moment, for `tokio::time::timeout_at` and the like.
    pub const fn moment(&self) -> Option<Instant> {
        self.0
    }
}
