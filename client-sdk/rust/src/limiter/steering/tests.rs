use setpoint_policies::reflex::{Cause, EVERY};
use setpoint_policies::value::Value;
use setpoint_proto::message::Why;

use super::*;
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::limiter::{Limiter, LimiterBuilder};
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::priority::Priority;

/// A limiter `db` of 100 calls on a clock that stands still, with the calls that it has admitted.
struct Bench {
    hand: Hand,
    limiter: Limiter,
    held: Vec<Permit>,
}

impl Bench {
    fn new() -> Self {
        let hand = Hand::default();
        let inner = Inner::new("test".into(), hand.clock(), 7);
        let limiter = LimiterBuilder::new(&inner, "db").bounds(4, 1000).baseline(100).register();
        Self { hand, limiter, held: Vec::new() }
    }

    fn push(&self, limit: f64, admission: Admission) {
        self.limiter.admit(Some(admission));
        self.limiter.apply(&Value::Concurrency(limit), &Why::default()).expect("taken");
    }

    /// Admits as many as it can of so many calls.
    fn offer(&mut self, calls: usize, priority: Priority) -> usize {
        let before = self.held.len();
        self.held.extend((0..calls).filter_map(|_| self.limiter.try_acquire(priority).ok()));
        self.held.len() - before
    }

    /// A stretch of 10 ms in which the oldest calls end.
    fn step(&mut self, ended: usize) {
        self.hand.advance(EVERY);
        for permit in self.held.drain(..ended.min(self.held.len())) {
            permit.finish(Outcome::Success);
        }
        let now = self.hand.clock().now();
        if now.is_multiple_of(50_000_000) {
            self.limiter.close_slice(now);
        } else {
            self.limiter.watch(now);
        }
    }

    /// Calls of 10 ms each, 5 at a time, for two seconds.
    fn quiet(&mut self) {
        for _ in 0..200 {
            self.offer(5, Priority::Normal);
            self.step(5);
        }
    }

    /// Many callers, and a server that does 5 calls in 10 ms.
    fn overload(&mut self, steps: usize) {
        for _ in 0..steps {
            self.offer(50, Priority::Normal);
            self.step(5);
        }
    }
}

fn latency(millis: u64) -> Admission {
    Admission { baseline_latency: Some(Duration::from_millis(millis)), shares: None }
}

#[test]
fn c8_pushed_shares_are_in_force_while_their_lease_lasts() {
    let mut bench = Bench::new();
    let shares = Shares::try_new([1.0, 0.95, 0.85, 0.6, 0.3]).expect("sound");
    bench.push(40.0, Admission { baseline_latency: None, shares: Some(shares) });
    assert_eq!(bench.limiter.shares(), Some(shares), "read back");
    let admitted =
        [Priority::Background, Priority::Low, Priority::Normal, Priority::High, Priority::Critical]
            .map(|priority| bench.offer(100, priority));
    assert_eq!(admitted, [12, 12, 10, 4, 2], "30, 60, 85, 95 and 100 % of 40");
    bench.held.clear();
    bench.limiter.admit(None);
    assert_eq!((bench.limiter.shares(), bench.limiter.limit()), (None, 40.0), "the limit decays by itself");
    assert_eq!(bench.offer(100, Priority::Background), 20, "half of it, as it was built");
}

#[test]
fn l2_between_two_pushes_the_reflex_cuts_and_a_push_lifts_the_bound() {
    let mut bench = Bench::new();
    bench.push(100.0, latency(10));
    bench.quiet();
    assert_eq!(bench.limiter.reflex().cuts, 0);
    bench.overload(25);
    let reflex = bench.limiter.reflex();
    assert_eq!((reflex.cuts, reflex.holds), (1, Some(Cause::OldCalls)));
    let bounded = bench.limiter.limit();
    assert!((4.0..20.0).contains(&bounded), "{bounded}");
    let totals = bench.limiter.totals(bench.hand.clock().now(), 0).expect("a limiter counts");
    assert_eq!((totals.reflexes, totals.reflex, totals.limit_in_force), (1, Some(Cause::OldCalls), bounded));
    assert_eq!(
        bench.limiter.in_force(),
        Value::Concurrency(100.0),
        "what the sidecar set still is its setpoint"
    );
    bench.push(60.0, latency(10));
    assert_eq!((bench.limiter.limit(), bench.limiter.reflex().holds), (60.0, None));
    bench.overload(30);
    assert_eq!(bench.limiter.reflex().cuts, 1, "the sidecar's hand is on it");
}

#[test]
fn l2_without_a_sidecar_the_reflex_knows_the_latency_of_quiet_times() {
    let mut bench = Bench::new();
    bench.quiet();
    bench.overload(40);
    assert_eq!(bench.limiter.reflex().cuts, 1, "never connected");
    let mut bench = Bench::new();
    bench.quiet();
    bench.push(100.0, Admission::default());
    bench.overload(100);
    assert_eq!(bench.limiter.reflex().cuts, 0, "the sidecar has said nothing of the latency: no call is old");
    bench.limiter.admit(None);
    bench.overload(100);
    assert!(bench.limiter.reflex().cuts > 0, "its lease is over");
}

#[test]
fn the_reflex_leaves_pinned_and_disabled_limiters_alone() {
    let mut bench = Bench::new();
    bench.push(100.0, latency(10));
    bench.quiet();
    bench.overload(25);
    assert!(bench.limiter.limit() < 100.0);
    assert_eq!(bench.limiter.pin(90.0), 90.0, "the owner's word lifts the bound");
    bench.overload(100);
    assert_eq!((bench.limiter.limit(), bench.limiter.reflex().cuts), (90.0, 1));
    bench.limiter.unpin();
    bench.limiter.enforce(false);
    bench.overload(100);
    assert_eq!((bench.limiter.limit(), bench.limiter.reflex().holds), (100.0, None));
}
