//! What the session's thread does with a limiter: puts in force what was pushed, reads the counters, lets the reflex look and
//! ends waits that have become too long. No call passes through here.

use std::time::Duration;

use setpoint_policies::admission::{Admission, Shares};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

use super::queue::Seen;
use super::steering::Steering;
use super::{Core, Limiter};
use crate::actuator::Actuator;
use crate::clock::nanos;
use crate::rejected::Advice;
use crate::slot::Slot;
use crate::sync::{Ordering, locked};

impl Actuator for Limiter {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        self.0.put(value);
    }

    fn admit(&self, admission: Option<Admission>) {
        let now = Timestamp::from_nanos(self.0.clock.now());
        self.0.steer(|steering| steering.admit(admission, now));
    }

    fn shares(&self) -> Option<Shares> {
        locked(&self.0.steering).pushed_shares()
    }

    fn totals(&self, at_nanos: u64, stall_nanos: u64) -> Option<Totals> {
        let core = self.0;
        let (cuts, held) = {
            let steering = locked(&core.steering);
            (steering.cuts(), steering.held_by())
        };
        let slow = core.places.reader().slow();
        let slow = core.sampling.thresholds().slow_calls(slow);
        let queue = core.queue.as_ref().map_or(Seen::default(), |queue| queue.seen(&core));
        Some(Totals {
            in_flight_peak: core.places.take_peak(),
            consecutive_failures: core.breaker.failures_in_a_row(),
            limit_in_force: core.places.limits().limit(),
            limited: core.places.gauge().take_limited(),
            reflexes: cuts,
            reflex: held,
            queue_waits: queue.waits,
            queue_wait_sum: queue.wait_sum,
            waiting: queue.waiting,
            slow,
            probed: core.breaker.probed(),
            retry_after: core.breaker.left_alone_for(),
            ..core.counted(at_nanos, stall_nanos)
        })
    }

    fn count_slower_than(&self, latencies: &[Duration]) {
        self.0.sampling.thresholds().watch(latencies);
    }

    fn close_slice(&self, at_nanos: u64) -> bool {
        let core = self.0;
        core.sampling.close_slice();
        core.places.close_slice();
        let counted = core.counted(at_nanos, 0);
        if let Some(place_every) = locked(&core.turnover).look(&counted) {
            core.advise_every(place_every);
        }
        locked(&core.steering).learn(&counted);
        core.follow_breaker(at_nanos);
        core.reflex(&counted) | core.attend()
    }

    fn watch(&self, at_nanos: u64) -> bool {
        let core = self.0;
        let busy = core.places.gauge().taken() > 0 || locked(&core.steering).cut().is_some();
        (busy && core.reflex(&core.counted(at_nanos, 0))) | core.attend()
    }

    fn close(&self) {
        // Nobody will look after the reflex or a recovery any more.
        let now = Timestamp::from_nanos(self.0.clock.now());
        self.0.steer(|steering| steering.end(now));
        if let Some(queue) = &self.0.queue {
            queue.close(&self.0);
        }
    }
}

impl Limiter {
    /// The counters alone, for whoever looks on.
    pub(crate) fn counted(&self, at_nanos: u64) -> Totals {
        self.0.counted(at_nanos, 0)
    }
}

impl Core {
    pub(super) fn put(&'static self, value: Option<Value>) {
        self.steer(|steering| steering.ask(value.map(|value| value.scalar())));
    }

    /// Changes what the limit is made of, and puts in force what comes out.
    pub(super) fn steer<R>(&'static self, edit: impl FnOnce(&mut Steering) -> R) -> R {
        let mut steering = locked(&self.steering);
        let result = edit(&mut steering);
        let changed = steering.put_in_force(&self.places, self.slot.knob().baseline);
        drop(steering);
        if changed && self.places.limits().awaited() {
            self.wake();
        }
        result
    }

    /// Holds the limit at the share that a recovering breaker lets through.
    fn follow_breaker(&'static self, at_nanos: u64) {
        let recovery = self.breaker.recovery(at_nanos);
        self.steer(|steering| steering.follow(recovery.map(|(_, share)| share)));
        if let Some((generation, _)) = recovery {
            self.breaker.led(generation);
        }
    }

    /// Ends waits whose time is over. True while anybody waits.
    fn attend(&'static self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.attend(&self))
    }

    /// Lets the reflex look. True while it should look again soon.
    fn reflex(&'static self, totals: &Totals) -> bool {
        if self.slot.pinned().is_some() {
            return false;
        }
        let knob = self.slot.knob();
        let (before, after) = self.steer(|steering| steering.watch(totals, knob));
        if before.map(|cut| cut.cap) != after.map(|cut| cut.cap) {
            tracing::info!(
                knob = %knob.name, from = before.map(|cut| cut.cap), to = after.map(|cut| cut.cap),
                reason = after.or(before).map(|cut| cut.cause.name()), "the reflex moved its bound"
            );
        }
        after.is_some() || totals.in_flight() > 0
    }

    /// The counters alone: nothing is taken back to zero by reading them.
    fn counted(&self, at_nanos: u64, stall_nanos: u64) -> Totals {
        let (released, admitted) = self.places.reader().snapshot();
        Totals {
            at_nanos,
            stall_nanos,
            arrived: admitted.rejected.iter().fold(admitted.admitted, |sum, n| sum.wrapping_add(*n)),
            admitted: admitted.admitted,
            completed: released.completed,
            dropped: released.dropped,
            failed: released.failed,
            cancelled: released.cancelled,
            rejected: admitted.rejected,
            late: released.late,
            admit_time_sum: admitted.admit_time_sum,
            release_time_sum: released.release_time_sum,
            latency_sum: released.latency_sum,
            success_latency_sum: released.success_latency_sum,
            success_latency_sq_sum: released.success_latency_sq_sum,
            ..Totals::default()
        }
    }

    /// Rejected callers are told from now on that a place becomes free every so often.
    fn advise_every(&self, place_every: Duration) {
        let advice = Advice::every(nanos(place_every)).words();
        self.advice.iter().zip(advice).for_each(|(word, new)| word.store(new, Ordering::Relaxed));
    }
}
