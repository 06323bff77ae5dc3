//! The limiter as an SDK has it: counters, the limit that was pushed, and a reflex that may hold it down between two pushes.

use std::time::Duration;

use crate::admission::Admission;
use crate::reflex::{Allowed, Reflex};
use crate::sim::law::{Arrival, Ended};
use crate::time::Timestamp;
use crate::totals::{PRIORITIES, Totals};

use super::counters::Counters;

/// Share of the limit that each priority may use, highest first, as the SDK has it.
const SHARES: [f64; PRIORITIES] = [1.0, 1.0, 1.0, 0.85, 0.5];

/// What is pushed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Push {
    pub limit: f64,
    pub admission: Admission,
}

impl Push {
    /// This limit, and nothing said about how calls are admitted under it.
    pub fn of(limit: f64) -> Self {
        Self { limit, admission: Admission::default() }
    }

    /// Whether another one says about the same.
    pub fn resembles(&self, other: &Self) -> bool {
        self.limit == other.limit && self.admission.resembles(&other.admission)
    }
}

#[derive(Debug)]
pub struct Limiter {
    counters: Counters,
    pushed: Push,
    /// The hard lower bound of the limit.
    floor: f64,
    /// How long callers wait, where the service says so.
    deadline: Option<Duration>,
    reflex: Reflex,
    /// Something was pushed.
    steered: bool,
    /// What calls meet: below what was pushed while the reflex holds it down.
    limit: f64,
    caps: [u32; PRIORITIES],
}

impl Limiter {
    pub fn new(limit: f64, floor: f64, deadline: Option<Duration>) -> Self {
        let mut limiter = Self {
            counters: Counters::default(),
            pushed: Push::of(limit),
            floor,
            deadline,
            reflex: Reflex::default(),
            steered: false,
            limit,
            caps: [0; PRIORITIES],
        };
        limiter.put_in_force();
        limiter
    }

    /// Whether a call is admitted, which is counted.
    pub fn admit(&mut self, call: &Arrival) -> bool {
        let cap = self.caps[usize::from(call.priority).min(PRIORITIES - 1)];
        self.counters.arrived(call, call.in_flight < cap)
    }

    /// Counts a call that ended.
    pub fn ended(&mut self, call: &Ended) {
        self.counters.ended(call);
    }

    /// The sidecar has spoken: it knows more than the reflex.
    pub fn push(&mut self, now: Timestamp, push: Push) {
        (self.pushed, self.steered) = (push, true);
        self.reflex.pushed(now);
        self.put_in_force();
    }

    /// Lets the reflex look.
    pub fn watch(&mut self, now: Timestamp) {
        let Push { limit, admission } = self.pushed;
        let Admission { baseline_latency, .. } = admission;
        let Self { floor, deadline, steered, .. } = *self;
        let allowed = Allowed { limit, floor, baseline_latency, deadline, steered };
        self.reflex.step(&self.counters.peek(now), &allowed);
        self.put_in_force();
    }

    /// What is reported: the counters, and the limit that was pushed last.
    pub fn report(&mut self, now: Timestamp) -> (Totals, f64) {
        let totals = Totals {
            reflexes: self.reflex.cuts(),
            reflex: self.reflex.cut().map(|cut| cut.cause),
            ..self.counters.totals(now, self.limit)
        };
        (totals, self.pushed.limit)
    }

    /// What calls meet.
    pub const fn limit(&self) -> f64 {
        self.limit
    }

    fn put_in_force(&mut self) {
        let cap = self.reflex.cut().map_or(f64::INFINITY, |cut| cut.cap);
        let limit = self.pushed.limit.min(cap);
        self.limit = limit;
        self.caps = SHARES.map(|share| if limit < 1.0 { 0 } else { ((limit * share) as u32).max(1) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflex::Cause;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    fn arrival(millis: u64, in_flight: u32) -> Arrival {
        Arrival {
            at: at(millis),
            in_flight,
            class: 0,
            priority: 2,
            deadline: Duration::from_secs(1),
            chance: 0.0,
        }
    }

    /// A hundred calls that never end, and more that are refused every 10 ms.
    fn stuck(baseline_latency: Option<Duration>) -> Limiter {
        let mut limiter = Limiter::new(100.0, 1.0, None);
        let admission = Admission { baseline_latency, shares: None };
        limiter.push(at(0), Push { limit: 100.0, admission });
        (0..100).for_each(|call| assert!(limiter.admit(&arrival(0, call))));
        for tick in 1..30 {
            assert!(!limiter.admit(&arrival(10 * tick, 100)));
            limiter.watch(at(10 * tick));
        }
        limiter
    }

    #[test]
    fn old_calls_bring_the_limit_down_until_the_next_push() {
        let mut limiter = stuck(Some(Duration::from_millis(20)));
        let (totals, pushed) = limiter.report(at(300));
        assert_eq!((limiter.limit(), totals.limit_in_force, pushed), (1.0, 1.0, 100.0));
        assert_eq!((totals.reflexes, totals.reflex), (1, Some(Cause::OldCalls)));
        limiter.push(at(300), Push::of(80.0));
        assert_eq!((limiter.limit(), limiter.report(at(300)).0.reflex), (80.0, None));
    }

    #[test]
    fn without_a_baseline_no_call_is_old() {
        assert_eq!(stuck(None).limit(), 100.0);
    }
}
