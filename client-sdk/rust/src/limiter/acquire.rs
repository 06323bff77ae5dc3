//! Waiting for a place: the future that a caller holds while it stands in the limiter's queue.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::queue::{Door, Ticket, Why, Wish};
use super::{Core, Limiter};
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{RejectReason, Rejected};
use crate::sync::locked;

/// Waits for a place of a limiter. See [`Limiter::acquire`]. Dropped before it is ready, it gives its place in the line back.
#[derive(Debug)]
#[must_use = "nothing is asked for before it is polled"]
pub struct Acquire {
    core: &'static Core,
    priority: Priority,
    places: u32,
    deadline: Option<Duration>,
    ticket: Option<Ticket>,
}

impl Limiter {
    /// Waits for a place, if the limiter was built with a queue ([`super::LimiterBuilder::queue`]) and there is none at
    /// once; without a queue it never waits. Works on any runtime.
    ///
    /// `deadline` is how long the caller's own caller still waits; `None`: the limiter's deadline, if it has one. A call waits
    /// no longer than leaves it time for the latency of a call without a queue, and no longer than 10 ms while the queue
    /// stands (its head has always waited for more than 5 ms in the last 100 ms): then the newest comes first as well.
    /// Higher priorities come first always. The wait is ended to within 10 ms.
    ///
    /// With a free place it costs what [`Limiter::try_acquire`] costs. To wait takes a lock, held for well under a
    /// microsecond, and an allocation now and then.
    ///
    /// # Errors
    /// The future gives [`Rejected`]: nothing could be had in time, the queue is full, or the breaker of the same name is
    /// not closed.
    pub fn acquire(&self, priority: Priority, deadline: Option<Duration>) -> Acquire {
        self.acquire_many(priority, 1, deadline)
    }

    /// The same for a call that is as heavy as several: see [`Limiter::try_acquire_many`]. While it is next in line, nobody
    /// of its priority or a lower one is let in before it.
    pub fn acquire_many(&self, priority: Priority, places: u32, deadline: Option<Duration>) -> Acquire {
        Acquire { core: self.0, priority, places: places.max(1), deadline, ticket: None }
    }
}

impl Acquire {
    /// The first look: without anybody in line it is a matter of one try.
    fn ask(&mut self, context: &Context<'_>) -> Poll<Result<Permit, Rejected>> {
        let (core, places) = (self.core, self.places);
        let Some(class) = self.priority.class() else { return Poll::Ready(Ok(Permit::exempt())) };
        let Some(queue) = &core.queue else {
            return Poll::Ready(Limiter(core).try_acquire_many(self.priority, places));
        };
        if !core.places.limits().awaited()
            && let Some(permit) = core.take(class, places)?
        {
            return Poll::Ready(Ok(permit));
        }
        let patience = core.patience(self.deadline);
        let ticket = queue.enter(&core, Wish { class, places, patience }, context.waker())?;
        self.ticket = Some(ticket);
        self.fetch(ticket, context)
    }

    fn fetch(&mut self, ticket: Ticket, context: &Context<'_>) -> Poll<Result<Permit, Rejected>> {
        let answer =
            self.core.queue.as_ref().map_or(Poll::Pending, |queue| queue.poll(&self.core, ticket, context));
        if answer.is_ready() {
            self.ticket = None;
        }
        answer
    }
}

impl Future for Acquire {
    type Output = Result<Permit, Rejected>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.ticket {
            None => self.ask(context),
            Some(ticket) => self.fetch(ticket, context),
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let (Some(queue), Some(ticket)) = (&self.core.queue, self.ticket) {
            queue.abandon(&self.core, ticket);
        }
    }
}

impl Core {
    /// How long a caller with that deadline may wait.
    fn patience(&self, deadline: Option<Duration>) -> Option<Duration> {
        let deadline = deadline.or(self.slot.knob().deadline)?;
        let latency = locked(&self.steering).baseline_latency();
        Some(deadline.saturating_sub(latency.unwrap_or_default()))
    }
}

impl Door for &'static Core {
    type Pass = Permit;
    type Refusal = Rejected;

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn try_enter(&self, class: usize, places: u32) -> Result<Option<Permit>, Rejected> {
        self.take(class, places)
    }

    fn begin_wait(&self) {
        self.places.begin_wait();
    }

    fn end_wait(&self) {
        self.places.limits().end_wait();
    }

    fn refuse(&self, class: usize, why: Why) -> Rejected {
        let reason = match why {
            Why::Full => RejectReason::QueueFull,
            Why::Late => RejectReason::QueueWait,
        };
        self.rejected(reason, self.advise(class))
    }
}
