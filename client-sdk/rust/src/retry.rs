//! Retry budgets: how many calls may be made again.
//!
//! A retry helps when one call went wrong. When many do, retries multiply the load of a callee that is already failing: three
//! attempts each make the overload three times as large and keep it there. So retries are bounded as a share of the calls
//! that are made, with a few in reserve so that a caller that makes one call a minute may still retry it.
//!
//! Two words, changed by compare-and-swap: what was saved, and when the reserve is next full.

use setpoint_policies::knob::{Kind, Knob, Restrictive};
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Entry, Inner};
use crate::clock::Clock;
use crate::declare::Declaration;
use crate::slot::Slot;
use crate::sync::{AtomicU64, Ordering};

/// A retry in the unit of the savings.
const RETRY: u64 = 1000;
/// Most retries that calls can save up.
const SAVINGS: u64 = 100 * RETRY;
/// The reserve: so many retries at once, and the same number again each second.
const RESERVE: u64 = 3;
const RESERVE_EVERY: u64 = 1_000_000_000 / RESERVE;

/// A retry budget, knob `retry.NAME`: the share of the calls that may be made again, 0.2 unless told otherwise, and 3 a second
/// in any case; a share of 0 forbids all of them. Copies are the same budget, which lives as long as the process.
///
/// Cost: a call one load while there are savings enough, else one atomic addition; a retry two loads and a compare-and-swap.
///
/// With tower's retry layer, count calls outside of it and ask inside:
/// ```
/// use std::future::{Ready, ready};
/// use setpoint_sdk::{RetryBudget, Setpoint};
/// use tower::{ServiceBuilder, retry::{Policy, RetryLayer}};
///
/// #[derive(Clone, Copy)]
/// struct Retry(RetryBudget);
///
/// impl<Req: Clone, Res, E> Policy<Req, Res, E> for Retry {
///     type Future = Ready<()>;
///     fn retry(&mut self, _: &mut Req, result: &mut Result<Res, E>) -> Option<Ready<()>> {
///         (result.is_err() && self.0.try_retry()).then(|| ready(()))
///     }
///     fn clone_request(&mut self, request: &Req) -> Option<Req> {
///         Some(request.clone())
///     }
/// }
///
/// let sp = Setpoint::builder("checkout").start();
/// let budget = sp.retry_budget("payments");
/// let client = ServiceBuilder::new()
///     .map_request(move |request: String| { budget.record_call(); request })
///     .layer(RetryLayer::new(Retry(budget)))
///     .service(tower::service_fn(|request: String| ready(Ok::<_, std::io::Error>(request.len()))));
/// # drop(client);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RetryBudget(&'static Core);

#[derive(Debug)]
struct Core {
    slot: Slot,
    ratio_bits: AtomicU64,
    saved: AtomicU64,
    /// When the reserve is full again, nanoseconds.
    full_at: AtomicU64,
    clock: Clock,
}

impl RetryBudget {
    /// A call is made, not counting its retries.
    #[inline]
    pub fn record_call(&self) {
        let core = self.0;
        if core.saved.load(Ordering::Relaxed) < SAVINGS {
            // A few calls at once can overshoot the bound by what each of them saves, once.
            let ratio = f64::from_bits(core.ratio_bits.load(Ordering::Relaxed));
            core.saved.fetch_add((ratio * RETRY as f64) as u64, Ordering::Relaxed);
        }
    }

    /// Whether a call may be made again now; if so, that retry is taken from the budget.
    pub fn try_retry(&self) -> bool {
        let core = self.0;
        if f64::from_bits(core.ratio_bits.load(Ordering::Relaxed)) <= 0.0 {
            return false;
        }
        let spend = |saved: u64| saved.checked_sub(RETRY);
        if core.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok() {
            return true;
        }
        let now = core.clock.now();
        let take = |full_at: u64| {
            let full_at = full_at.max(now) + RESERVE_EVERY;
            (full_at - now <= RESERVE * RESERVE_EVERY).then_some(full_at)
        };
        core.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// The share of the calls that may be made again.
    pub fn ratio(&self) -> f64 {
        self.0.slot.value().scalar()
    }

    pub(crate) fn registered(inner: &Inner, name: &str) -> Self {
        let declared = declaration(name);
        let name = declared.name().clone();
        let make = || Self::leak(inner, Knob { restrictive: Restrictive::Lower, ..declared.checked() });
        match inner.registry.register(&name, || Entry::Retry(make())) {
            Some(Entry::Retry(budget)) => budget,
            _ => inner.open(&name).retry,
        }
    }

    /// A budget outside of the registry.
    pub(crate) fn open(inner: &Inner) -> Self {
        Self::leak(inner, declaration("unregistered").checked())
    }

    fn leak(inner: &Inner, knob: Knob) -> Self {
        Self(Box::leak(Box::new(Core {
            ratio_bits: AtomicU64::new(knob.baseline.to_bits()),
            slot: Slot::new(knob),
            saved: AtomicU64::new(0),
            full_at: AtomicU64::new(0),
            clock: inner.clock.clone(),
        })))
    }
}

fn declaration(name: &str) -> Declaration {
    Declaration::new("retry", name, Kind::Numeric, (0.0, 1.0), 0.2)
}

impl Actuator for RetryBudget {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        let ratio = value.map_or(self.0.slot.knob().baseline, |value| value.scalar());
        self.0.ratio_bits.store(ratio.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use setpoint_proto::message::Why;

    use super::*;
    use crate::clock::Hand;

    fn budget(hand: &Hand) -> RetryBudget {
        RetryBudget::registered(&Inner::new("test".into(), hand.clock(), 7), "db")
    }

    fn retries(budget: RetryBudget, wanted: usize) -> usize {
        (0..wanted).filter(|_| budget.try_retry()).count()
    }

    #[test]
    fn a_fifth_of_the_calls_and_three_a_second_may_be_made_again() {
        let hand = Hand::default();
        let budget = budget(&hand);
        assert_eq!(retries(budget, 10), 3, "in reserve");
        hand.advance(Duration::from_millis(334));
        assert_eq!(retries(budget, 10), 1);
        hand.advance(Duration::from_secs(60));
        assert_eq!(retries(budget, 10), 3, "a reserve is not saved up");
        (0..50).for_each(|_| budget.record_call());
        assert_eq!(retries(budget, 100), 10);
        (0..100_000).for_each(|_| budget.record_call());
        assert_eq!(retries(budget, 1000), 100, "savings are bounded");
    }

    #[test]
    fn in_an_outage_the_load_grows_by_the_ratio_and_no_more() {
        let hand = Hand::default();
        let budget = budget(&hand);
        let mut made = 0;
        // 100 calls a second for a minute, every one of which its caller would make three times.
        for _ in 0..6000 {
            budget.record_call();
            made += retries(budget, 2);
            hand.advance(Duration::from_millis(10));
        }
        assert!((1200..1200 + 190).contains(&made), "{made} retries of 6000 calls");
    }

    #[test]
    fn l2_the_ratio_is_a_knob_and_zero_forbids_all_retries() {
        let hand = Hand::default();
        let budget = budget(&hand);
        let actuator: &dyn Actuator = &budget;
        assert_eq!(
            (actuator.knob().name.as_str(), actuator.knob().restrictive),
            ("retry.db", Restrictive::Lower)
        );
        actuator.apply(&Value::Number(0.0), &Why::default()).expect("taken");
        (0..50).for_each(|_| budget.record_call());
        assert_eq!(retries(budget, 10), 0);
        actuator.apply(&Value::Number(7.0), &Why::default()).expect("taken");
        assert_eq!(budget.ratio(), 1.0, "within the bounds");
        budget.record_call();
        assert_eq!(retries(budget, 10), 1 + 3);
        actuator.enforce(false);
        (0..5).for_each(|_| budget.record_call());
        assert_eq!(retries(budget, 10), 1, "switched off: as built");
    }

    #[test]
    fn the_same_name_is_the_same_budget_and_threads_share_it() {
        let inner = Inner::new("test".into(), Hand::default().clock(), 7);
        let budgets = [0; 2].map(|_| RetryBudget::registered(&inner, "db"));
        (0..100).for_each(|_| budgets[0].record_call());
        let made: usize = std::thread::scope(|scope| {
            let threads = budgets.map(|budget| scope.spawn(move || retries(budget, 100)));
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(made, 20 + 3);
    }
}
