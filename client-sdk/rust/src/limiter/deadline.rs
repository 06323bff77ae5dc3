//! Permits for calls that have a deadline: what would come too late is not begun.

use std::time::{Duration, Instant};

use super::Limiter;
use crate::deadline::Deadline;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{RejectReason, Rejected};
use crate::sync::{AtomicU64, Ordering, locked};

/// What a caller is told: its own caller is gone, and the next one has a deadline of its own.
const RETRY_AFTER: Duration = Duration::from_millis(10);
/// One in so many calls that seem hopeless is let through, so that an estimate that is too high does not stay.
const LET_THROUGH: u64 = 16;

/// Whether calls are refused that have less time left than a call usually takes, and how many were.
#[derive(Debug)]
pub(super) struct Hopeless(Option<AtomicU64>);

impl Hopeless {
    pub fn refused(asked_for: bool) -> Self {
        Self(asked_for.then(|| AtomicU64::new(0)))
    }

    /// Whether a call with so much time left is refused.
    fn refuses(&self, left: Duration, usual: impl FnOnce() -> Option<Duration>) -> bool {
        let Some(count) = &self.0 else { return false };
        usual().is_some_and(|usual| left < usual)
            && !count.fetch_add(1, Ordering::Relaxed).wrapping_add(1).is_multiple_of(LET_THROUGH)
    }
}

impl Limiter {
    /// [`Limiter::try_acquire`] for a call with a deadline. With [`super::LimiterBuilder::refuse_hopeless`] a call is refused as
    /// well that has less time left than a call takes without a queue. What is refused for its deadline is not counted: it
    /// says nothing about the limit. Costs a reading of the clock more, and a lock, held for nanoseconds, where hopeless calls
    /// are refused.
    ///
    /// # Errors
    /// [`Rejected`] with [`RejectReason::Deadline`]: the deadline is over, or nearly; else as for [`Limiter::try_acquire`].
    pub fn try_acquire_by(&self, priority: Priority, deadline: Deadline) -> Result<Permit, Rejected> {
        self.check_deadline(priority, deadline)?;
        self.try_acquire(priority)
    }

    /// [`Limiter::acquire`] for a call with a deadline: it waits no longer than leaves it time for the call itself, and where
    /// the deadline is over it is refused, even if there is room.
    ///
    /// # Errors
    /// As for [`Limiter::try_acquire_by`] and [`Limiter::acquire`].
    pub async fn acquire_by(&self, priority: Priority, deadline: Deadline) -> Result<Permit, Rejected> {
        let left = self.check_deadline(priority, deadline)?;
        self.acquire(priority, left).await
    }

    /// How much time is left. Without a deadline no clock is read; switched off, nothing is refused.
    #[inline]
    pub(crate) fn check_deadline(
        &self,
        priority: Priority,
        deadline: Deadline,
    ) -> Result<Option<Duration>, Rejected> {
        if deadline == Deadline::NONE || priority == Priority::Exempt || self.0.places.limits().is_open() {
            return Ok(None);
        }
        self.check_left(deadline)
    }

    fn check_left(&self, deadline: Deadline) -> Result<Option<Duration>, Rejected> {
        let core = self.0;
        let left = deadline.left(Instant::now()).unwrap_or_default();
        let usual = || locked(&core.steering).baseline_latency();
        if left.is_zero() || core.hopeless.refuses(left, usual) {
            return Err(core.rejected(RejectReason::Deadline, RETRY_AFTER));
        }
        Ok(Some(left))
    }
}
