//! What a layer was told, shared by its services and calls: what is asked of a request, and in which order.
//!
//! | order | what | why here |
//! |---|---|---|
//! | 1 | exempt? | who watches a service must see it in every state, so nothing below is asked |
//! | 2 | deadline | an answer that nobody waits for any more is not worth anybody's time |
//! | 3 | throttle | refuses for the callee's sake; the cheapest, and takes nothing that would have to be given back |
//! | 4 | breaker, limit, queue | the breaker before the limit: no place is taken for a call that may not be made |
//! | 5 | rate | a token cannot be given back, so it is taken when nothing else can refuse the call any more |
//!
//! Retries belong outside of all of it, so that each attempt is a call of its own.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::RequestHead;
use super::budget::Budget;
use super::call::{Right, Verdict};
use super::exempt::Exempt;
use super::holds::{Holds, Ticket};
use crate::classify::{Ending, of_error};
use crate::deadline::Deadline;
use crate::limiter::Limiter;
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rate::Rate;
use crate::rejected::Rejected;
use crate::throttle::{Attempt, Throttle};

/// When a call ends, and with it its latency and its right to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Until {
    /// When its status is known: for HTTP with the head of the answer, for gRPC with its trailers.
    #[default]
    Status,
    /// With the head of the answer, always: for streams that last.
    Head,
    /// With the end of the body, always: for downloads, whose work is the body.
    Body,
}

/// Reads the endings of one request.
pub(super) type Meaning = fn(&Ending<'_>) -> Outcome;

/// Says something about a request.
pub(super) type Of<T> = Arc<dyn Fn(&RequestHead<'_>) -> T + Send + Sync>;
type OutcomeOf = dyn Fn(&Ending<'_>) -> Outcome + Send + Sync;
type ErrorOf = dyn Fn(&dyn Any) -> Option<Outcome> + Send + Sync;
type RefusalOf = dyn Fn(&RequestHead<'_>, &Rejected) -> Response<Bytes> + Send + Sync;

/// What is known of a request before the limiter is asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub priority: Priority,
    pub budget: Budget,
    /// Time until its deadline, if it has one.
    pub left: Option<Duration>,
    pub attempt: Option<Attempt>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub limiter: Limiter,
    pub exempt: Exempt,
    pub throttle: Option<Throttle>,
    pub rate: Option<Rate>,
    pub priority: Option<Of<Priority>>,
    pub deadline: Option<Of<Deadline>>,
    pub until: Option<Of<Until>>,
    pub outcome: Option<Arc<OutcomeOf>>,
    pub meaning: Option<Of<Meaning>>,
    pub errors: Vec<Arc<ErrorOf>>,
    pub refusal: Option<Arc<RefusalOf>>,
    pub contain: bool,
    /// The longest that a body keeps its call's right.
    pub hold: Duration,
    holds: Arc<Holds>,
}

/// The longest that a body keeps a place, unless told otherwise.
const HOLD: Duration = Duration::from_secs(10);

impl Settings {
    pub fn new(limiter: Limiter, holds: Arc<Holds>) -> Self {
        Self {
            limiter,
            exempt: Exempt::default(),
            throttle: None,
            rate: None,
            priority: None,
            deadline: None,
            until: None,
            outcome: None,
            meaning: None,
            errors: Vec::new(),
            refusal: None,
            contain: false,
            hold: HOLD,
            holds,
        }
    }

    /// What comes before the limiter. `None`: the request is exempt.
    #[inline]
    pub fn ask(&self, head: &RequestHead<'_>) -> Result<Option<Asked>, Rejected> {
        self.holds.sweep();
        if self.exempt.covers(head) {
            return Ok(None);
        }
        let priority = self.priority.as_ref().map_or(Priority::Normal, |of| of(head));
        if priority == Priority::Exempt {
            return Ok(None);
        }
        let budget = Budget::of(head, self.deadline.as_ref());
        let left = self.limiter.check_deadline(priority, budget.deadline)?;
        let attempt = self.throttle.map(|throttle| throttle.try_acquire()).transpose()?;
        Ok(Some(Asked { priority, budget, left, attempt }))
    }

    /// What comes after it. A call that is refused here has ended already: as cancelled.
    #[inline]
    pub fn admit(&self, permit: Permit, attempt: Option<Attempt>) -> Result<Right, Rejected> {
        if let Some(rate) = &self.rate {
            rate.try_acquire()?;
        }
        Ok(Right::new(permit, attempt, self.rate))
    }

    pub fn refuse(&self, head: &RequestHead<'_>, rejected: &Rejected) -> Response<Bytes> {
        match &self.refusal {
            Some(refusal) => refusal(head, rejected),
            None => rejected.response(head),
        }
    }

    #[inline]
    pub fn until_of(&self, head: &RequestHead<'_>) -> Until {
        self.until.as_ref().map_or(Until::Status, |of| of(head))
    }

    #[inline]
    pub fn meaning_of(&self, head: &RequestHead<'_>) -> Option<Meaning> {
        self.meaning.as_ref().map(|of| of(head))
    }

    /// Whether endings are read by default and panics go on.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.outcome.is_none() && self.meaning.is_none() && self.errors.is_empty() && !self.contain
    }

    pub fn read(&self, meaning: Option<Meaning>, ending: &Ending<'_>) -> Verdict {
        let outcome = match (meaning, &self.outcome) {
            (Some(meaning), _) => meaning(ending),
            (None, Some(outcome)) => outcome(ending),
            (None, None) => ending.outcome(),
        };
        Verdict::of(outcome, ending)
    }

    pub fn read_error(&self, error: &dyn Any) -> Verdict {
        let told = self.errors.iter().find_map(|of| of(error));
        Verdict::plain(told.unwrap_or_else(|| of_error(error)))
    }

    /// Keeps the right of a call whose end is in its body.
    pub fn hold(&self, right: Right) -> Ticket {
        self.holds.put(right, self.hold)
    }

    /// `None`: it was overdue.
    pub fn take(&self, ticket: Ticket) -> Option<Right> {
        self.holds.take(ticket)
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
