//! Client-side throttling: a caller that is mostly refused refuses some of its calls itself.
//!
//! A callee that is overloaded spends time on every call that it refuses. The rule is the one of Google's SRE book ("Handling
//! overload"): with `sent` and `accepted` calls of the last 10 s, refuse the next one with probability
//! `max(0, (sent - K * accepted) / (sent + 1))`. With K = 2 nothing is refused here until the callee refuses half.
//!
//! Two things differ. Calls that were refused here count as nothing at all: neither as sent, so that a callee that is well again
//! is believed as soon as it has accepted half of the few that reach it, nor as a failure, so that the throttle never
//! feeds on itself. And one call a second is always let through, or a callee that refused everything would never be asked
//! again.

mod lately;

use setpoint_policies::knob::{Kind, Knob, Restrictive};
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Entry, Inner};
use crate::clock::Clock;
use crate::declare::Declaration;
use crate::outcome::Outcome;
use crate::rejected::{Advice, RejectReason, Rejected};
use crate::slot::Slot;
use crate::sync::{AtomicBool, AtomicU64, Ordering, jitter};
use lately::Lately;

const SECOND: u64 = 1_000_000_000;

/// A client-side throttle, knob `throttle.NAME`: how many calls are sent for each one that is accepted before some are
/// refused here, 2 unless told otherwise. Copies are the same throttle, which lives as long as the process.
///
/// Cost: ten loads of one pair of cache lines before a call, one compare-and-swap after it.
#[derive(Debug, Clone, Copy)]
pub struct Throttle(&'static Core);

/// A call that the throttle let through. Finish it with what became of it; dropped unfinished it counts as nothing.
#[derive(Debug)]
#[must_use = "a call whose end is not told teaches the throttle nothing"]
pub struct Attempt(Option<&'static Core>);

#[derive(Debug)]
struct Core {
    slot: Slot,
    k_bits: AtomicU64,
    off: AtomicBool,
    lately: Lately,
    /// When a call was last let through against the odds, nanoseconds.
    probed: AtomicU64,
    lots: AtomicU64,
    clock: Clock,
}

impl Throttle {
    /// Lets a call through or refuses it. It never waits.
    ///
    /// # Errors
    /// [`Rejected`] with [`RejectReason::Throttled`].
    pub fn try_acquire(&self) -> Result<Attempt, Rejected> {
        let core = self.0;
        if core.off.load(Ordering::Relaxed) {
            return Ok(Attempt(None));
        }
        let now = core.clock.now();
        let odds = core.odds(now);
        if odds <= 0.0 {
            return Ok(Attempt(Some(core)));
        }
        let lot = core.lots.fetch_add(1, Ordering::Relaxed);
        if jitter(lot) >= odds || core.probe(now) {
            return Ok(Attempt(Some(core)));
        }
        Err(Rejected {
            limit: core.slot.knob().name.as_str(),
            reason: RejectReason::Throttled,
            retry_after: Advice::every(SECOND).draw(lot),
        })
    }

    /// The share of calls that are refused now, 0 to 1.
    pub fn refused_ratio(&self) -> f64 {
        self.0.odds(self.0.clock.now())
    }

    pub(crate) fn registered(inner: &Inner, name: &str) -> Self {
        let declared = declaration(name);
        let name = declared.name().clone();
        let make = || Self::leak(inner, Knob { restrictive: Restrictive::Lower, ..declared.checked() });
        match inner.registry.register(&name, || Entry::Throttle(make())) {
            Some(Entry::Throttle(throttle)) => throttle,
            _ => inner.open(&name).throttle,
        }
    }

    /// A throttle outside of the registry that lets everything through.
    pub(crate) fn open(inner: &Inner) -> Self {
        let throttle = Self::leak(inner, declaration("unregistered").checked());
        throttle.enforce(false);
        throttle
    }

    fn leak(inner: &Inner, knob: Knob) -> Self {
        Self(Box::leak(Box::new(Core {
            k_bits: AtomicU64::new(knob.baseline.to_bits()),
            slot: Slot::new(knob),
            off: AtomicBool::new(false),
            lately: Lately::default(),
            probed: AtomicU64::new(0),
            lots: AtomicU64::new(inner.seed),
            clock: inner.clock.clone(),
        })))
    }
}

impl Attempt {
    /// Tells what became of the call. [`Outcome::Dropped`]: the callee did not accept it. [`Outcome::Ignore`] counts as
    /// nothing; everything else is accepted, a call that failed in its work too.
    pub fn finish(self, outcome: Outcome) {
        if let (Some(core), true) = (self.0, outcome != Outcome::Ignore) {
            core.lately.count(core.clock.now(), outcome != Outcome::Dropped);
        }
    }
}

impl Core {
    /// The probability with which the next call is refused.
    fn odds(&self, now: u64) -> f64 {
        let (sent, accepted) = self.lately.sums(now);
        let k = f64::from_bits(self.k_bits.load(Ordering::Relaxed));
        ((sent as f64 - k * accepted as f64) / (sent + 1) as f64).max(0.0)
    }

    /// Whether it is time to ask the callee against the odds; true for one caller a second.
    fn probe(&self, now: u64) -> bool {
        let due = |probed: u64| (now >= probed + SECOND).then_some(now);
        self.probed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }
}

fn declaration(name: &str) -> Declaration {
    Declaration::new("throttle", name, Kind::Numeric, (1.0, 100.0), 2.0)
}

impl Actuator for Throttle {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        if let Some(value) = value {
            self.0.k_bits.store(value.scalar().to_bits(), Ordering::Relaxed);
        }
        self.0.off.store(value.is_none(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use setpoint_proto::message::Why;

    use super::*;
    use crate::clock::Hand;

    fn throttle(hand: &Hand) -> Throttle {
        hand.advance(Duration::from_secs(100));
        Throttle::registered(&Inner::new("test".into(), hand.clock(), 7), "payments")
    }

    /// A second of 100 calls of which the callee accepts so many in ten. How many reached it.
    fn second(hand: &Hand, throttle: Throttle, accepted_of_ten: usize) -> usize {
        let mut sent = 0;
        for _ in 0..100 {
            hand.advance(Duration::from_millis(10));
            if let Ok(attempt) = throttle.try_acquire() {
                let accepted = sent % 10 < accepted_of_ten;
                attempt.finish(if accepted { Outcome::Success } else { Outcome::Dropped });
                sent += 1;
            }
        }
        sent
    }

    #[test]
    fn nothing_is_refused_while_more_than_half_of_the_calls_are_accepted() {
        let hand = Hand::default();
        let throttle = throttle(&hand);
        assert!((0..60).all(|_| second(&hand, throttle, 6) == 100));
        assert_eq!(throttle.refused_ratio(), 0.0);
    }

    #[test]
    fn a_callee_that_refuses_everything_is_asked_once_a_second_and_believed_when_it_is_well() {
        let hand = Hand::default();
        let throttle = throttle(&hand);
        second(&hand, throttle, 10);
        let down: Vec<usize> = (0..60).map(|_| second(&hand, throttle, 0)).collect();
        assert!(down[30..].iter().sum::<usize>() <= 30 * 12, "{down:?}");
        assert!(down.iter().all(|sent| *sent >= 1), "one probe a second: {down:?}");
        let well: Vec<usize> = (0..12).map(|_| second(&hand, throttle, 10)).collect();
        assert_eq!(well[11], 100, "{well:?}");
    }

    #[test]
    fn its_own_refusals_do_not_count() {
        let hand = Hand::default();
        let throttle = throttle(&hand);
        (0..100).for_each(|_| throttle.try_acquire().expect("no odds yet").finish(Outcome::Success));
        for outcome in [Outcome::Dropped; 300] {
            throttle.0.lately.count(hand.clock().now(), outcome == Outcome::Success);
        }
        let odds = throttle.refused_ratio();
        assert!((odds - (400.0 - 200.0) / 401.0).abs() < 1e-9, "{odds}");
        let refused = (0..10_000).filter(|_| throttle.try_acquire().is_err()).count();
        assert!((4500..5500).contains(&refused), "{refused}");
        assert_eq!(throttle.refused_ratio(), odds, "neither refusals nor calls without an end change it");
        let rejected = (0..100).find_map(|_| throttle.try_acquire().err()).expect("about half");
        assert_eq!((rejected.limit, rejected.reason), ("throttle.payments", RejectReason::Throttled));
        throttle.try_acquire().into_iter().for_each(|attempt| attempt.finish(Outcome::Ignore));
        assert_eq!(throttle.refused_ratio(), odds);
        hand.advance(Duration::from_secs(10));
        assert_eq!(throttle.refused_ratio(), 0.0, "10 s later all is forgotten");
    }

    #[test]
    fn l2_k_is_a_knob_and_the_kill_switch_lets_everything_through() {
        let hand = Hand::default();
        let throttle = throttle(&hand);
        let actuator: &dyn Actuator = &throttle;
        assert_eq!(actuator.knob().restrictive, Restrictive::Lower);
        (0..30).for_each(|n| throttle.0.lately.count(hand.clock().now(), n % 3 == 0));
        assert!(throttle.refused_ratio() > 0.3);
        actuator.apply(&Value::Number(3.0), &Why::default()).expect("taken");
        assert_eq!(throttle.refused_ratio(), 0.0);
        actuator.apply(&Value::Number(0.0), &Why::default()).expect("taken");
        assert_eq!(actuator.in_force(), Value::Number(1.0), "within the bounds");
        actuator.enforce(false);
        assert!((0..1000).all(|_| throttle.try_acquire().is_ok()));
    }
}
