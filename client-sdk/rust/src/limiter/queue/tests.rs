use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Wake;

use proptest::prelude::*;
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::message::Why as Reason;

use super::*;
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::limiter::{Acquire, Limiter, LimiterBuilder};
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::rejected::{RejectReason, Rejected};

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A caller that waits.
struct Caller {
    future: Pin<Box<Acquire>>,
    woken: Arc<Woken>,
}

impl Caller {
    fn new(future: Acquire) -> Self {
        Self { future: Box::pin(future), woken: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Result<Permit, Rejected>> {
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(SeqCst) > 0
    }
}

/// A limiter with one place (of 10) and a queue of 4, on a clock that stands still.
struct Bench {
    hand: Hand,
    limiter: Limiter,
}

impl Bench {
    fn new(room: u32) -> Self {
        let hand = Hand::default();
        hand.advance(Duration::from_secs(10));
        let inner = Inner::new("test".into(), hand.clock(), 7);
        let limiter = LimiterBuilder::new(&inner, "db").bounds(1, 10).baseline(1).queue(room).register();
        let bench = Self { hand, limiter };
        bench.tick(0);
        bench
    }

    /// Time goes by, and the session's thread looks.
    fn tick(&self, millis: u64) -> bool {
        self.hand.advance(Duration::from_millis(millis));
        self.limiter.watch(self.hand.clock().now())
    }

    fn admitted(&self) -> Permit {
        self.limiter.try_acquire(Priority::Normal).expect("a free place")
    }

    /// A caller that had to wait.
    fn waiting(&self, priority: Priority, deadline: Option<u64>) -> Caller {
        let mut caller = Caller::new(self.limiter.acquire(priority, deadline.map(Duration::from_millis)));
        assert!(caller.poll().is_pending(), "{priority:?}");
        caller
    }

    fn seen(&self) -> (u64, u64, u64) {
        let totals = self.limiter.totals(self.hand.clock().now(), 0).expect("a limiter counts");
        (totals.waiting, totals.queue_waits, totals.queue_wait_sum / 1_000_000)
    }
}

fn reason(answer: Poll<Result<Permit, Rejected>>) -> Option<RejectReason> {
    match answer {
        Poll::Ready(Err(rejected)) => Some(rejected.reason),
        Poll::Ready(Ok(_)) | Poll::Pending => None,
    }
}

fn permit(answer: Poll<Result<Permit, Rejected>>) -> Permit {
    match answer {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("no permit: {other:?}"),
    }
}

#[test]
fn c1_a_place_goes_to_whoever_waits_and_the_wait_is_counted() {
    let bench = Bench::new(4);
    let held = bench.admitted();
    let mut caller = bench.waiting(Priority::Normal, None);
    assert_eq!(bench.seen(), (1, 0, 0));
    bench.hand.advance(Duration::from_millis(3));
    held.finish(Outcome::Success);
    assert!(caller.is_woken());
    assert!(bench.limiter.try_acquire(Priority::Critical).is_err(), "the place is taken already");
    let held = permit(caller.poll());
    assert_eq!((bench.limiter.in_flight(), bench.seen()), (1, (0, 1, 3)));
    bench.hand.advance(Duration::from_millis(7));
    held.finish(Outcome::Success);
    let totals = bench.limiter.totals(bench.hand.clock().now(), 0).expect("a limiter counts");
    assert_eq!(totals.success_latency_sum, 10_000_000, "the wait is no part of the latency");
    assert_eq!(totals.arrived, 3, "two admitted, one rejected");
}

#[test]
fn c1_without_a_queue_or_without_anybody_to_look_at_it_nobody_waits() {
    let bench = Bench::new(0);
    let _held = bench.admitted();
    let mut caller = Caller::new(bench.limiter.acquire(Priority::Normal, None));
    assert_eq!(reason(caller.poll()), Some(RejectReason::ConcurrencyLimit));
    let bench = Bench::new(4);
    let _held = bench.admitted();
    bench.hand.advance(Duration::from_millis(1001));
    let mut caller = Caller::new(bench.limiter.acquire(Priority::Normal, None));
    assert_eq!(reason(caller.poll()), Some(RejectReason::QueueWait), "no look for over a second");
    bench.tick(0);
    let mut caller = bench.waiting(Priority::Normal, None);
    bench.limiter.close();
    assert!(caller.is_woken());
    assert_eq!(reason(caller.poll()), Some(RejectReason::QueueWait), "the session has ended");
}

#[test]
fn c8_exempt_callers_never_wait_and_higher_priorities_come_first() {
    let bench = Bench::new(9);
    let held = bench.admitted();
    let order =
        [Priority::Background, Priority::Normal, Priority::Critical, Priority::High, Priority::Normal];
    let mut callers = order.map(|priority| bench.waiting(priority, None));
    assert!(Caller::new(bench.limiter.acquire(Priority::Exempt, None)).poll().is_ready());
    let mut next = Some(held);
    for expected in [2, 3, 1, 4, 0] {
        drop(next.take());
        let woken: Vec<usize> = (0..5).filter(|&n| callers[n].is_woken()).collect();
        assert!(woken.contains(&expected), "{woken:?} without {expected}");
        next = Some(permit(callers[expected].poll()));
    }
}

#[test]
fn c8_when_all_is_full_somebody_less_important_makes_room() {
    let bench = Bench::new(2);
    let _held = bench.admitted();
    let mut low = [0; 2].map(|_| bench.waiting(Priority::Low, None));
    let mut same = Caller::new(bench.limiter.acquire(Priority::Low, None));
    assert_eq!(reason(same.poll()), Some(RejectReason::QueueFull));
    let _high = bench.waiting(Priority::High, None);
    assert!(!low[0].is_woken() && low[1].is_woken(), "the one that would have come last");
    assert_eq!(reason(low[1].poll()), Some(RejectReason::QueueFull));
    assert_eq!(bench.seen().0, 2);
}

#[test]
fn c7_a_call_whose_deadline_would_be_gone_is_not_waited_with() {
    let bench = Bench::new(4);
    let held = bench.admitted();
    let admission = setpoint_policies::admission::Admission {
        baseline_latency: Some(Duration::from_millis(30)),
        shares: None,
    };
    bench.limiter.admit(Some(admission));
    let mut short = Caller::new(bench.limiter.acquire(Priority::Normal, Some(Duration::from_millis(30))));
    assert_eq!(reason(short.poll()), Some(RejectReason::QueueWait), "no time for the call itself");
    let mut caller = bench.waiting(Priority::Normal, Some(80));
    for _ in 0..4 {
        assert!(bench.tick(10), "somebody waits: look again soon");
        assert!(caller.poll().is_pending());
    }
    bench.tick(10);
    assert!(caller.is_woken());
    assert_eq!(reason(caller.poll()), Some(RejectReason::QueueWait), "50 ms: 80 less 30");
    // Between two looks it is the place itself that comes too late.
    let mut caller = bench.waiting(Priority::Normal, Some(40));
    bench.hand.advance(Duration::from_millis(11));
    held.finish(Outcome::Success);
    assert_eq!(reason(caller.poll()), Some(RejectReason::QueueWait));
    assert_eq!(bench.limiter.in_flight(), 0);
}

#[test]
fn c7_a_standing_queue_is_cut_short_and_turned_over() {
    let bench = Bench::new(100);
    let mut held = bench.admitted();
    let mut callers = Vec::new();
    // One place every 10 ms, two callers for it.
    for step in 0..40 {
        callers.extend([0; 2].map(|_| bench.waiting(Priority::Normal, None)));
        bench.tick(10);
        held.finish(Outcome::Success);
        let woken: Vec<(usize, Poll<_>)> = callers
            .iter_mut()
            .enumerate()
            .filter(|(_, caller)| caller.is_woken())
            .map(|(n, caller)| (n, caller.poll()))
            .collect();
        let mut admitted = None;
        let mut gone = Vec::new();
        for (n, answer) in woken {
            gone.push(n);
            match answer {
                Poll::Ready(Ok(permit)) => admitted = Some((n, permit)),
                other => assert_eq!(reason(other), Some(RejectReason::QueueWait)),
            }
        }
        let (n, permit) = admitted.expect("somebody is let in at each step");
        held = permit;
        if step < 10 {
            assert_eq!((n, gone.len()), (0, 1), "the oldest first, nobody is sent away: a burst");
        } else if step > 22 {
            assert_eq!(n, callers.len() - 1, "the newest first at {step}");
        }
        for n in gone.into_iter().rev() {
            callers.remove(n);
        }
        if step > 22 {
            assert!(callers.len() <= 3, "{} wait at {step}", callers.len());
        }
    }
    // The load goes away: the line is empty, and a while later it is an ordinary one again.
    drop(callers);
    for _ in 0..30 {
        bench.tick(10);
    }
    let mut two = [0; 2].map(|_| bench.waiting(Priority::Normal, None));
    held.finish(Outcome::Success);
    drop(permit(two[0].poll()));
}

#[test]
fn c1_a_caller_that_goes_away_gives_its_place_back_at_any_time() {
    let bench = Bench::new(4);
    let held = bench.admitted();
    let first = bench.waiting(Priority::Normal, None);
    let mut second = bench.waiting(Priority::Normal, None);
    let third = bench.waiting(Priority::Normal, None);
    drop(third);
    assert_eq!(bench.seen().0, 2, "out of the line");
    held.finish(Outcome::Success);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken(), "a permit that nobody fetched is the next one's");
    drop(permit(second.poll()));
    assert_eq!((bench.limiter.in_flight(), bench.seen().0), (0, 0));
}

#[test]
fn l2_a_pushed_limit_and_the_kill_switch_admit_those_who_wait() {
    let bench = Bench::new(4);
    let _held = bench.admitted();
    let mut callers = [0; 3].map(|_| bench.waiting(Priority::Normal, None));
    bench.limiter.apply(&Value::Concurrency(2.0), &Reason::default()).expect("taken");
    assert_eq!(callers.each_ref().map(Caller::is_woken), [true, false, false]);
    bench.limiter.enforce(false);
    assert!(callers.iter().all(Caller::is_woken));
    assert!(callers.iter_mut().all(|caller| matches!(caller.poll(), Poll::Ready(Ok(_)))));
}

#[test]
fn a_breaker_that_opens_sends_those_who_wait_away() {
    let bench = Bench::new(4);
    let held = bench.admitted();
    let mut caller = bench.waiting(Priority::Normal, None);
    bench.limiter.breaker().pin(Breaker::ForcedOpen { retry_after: Duration::from_secs(1) });
    held.finish(Outcome::Success);
    assert_eq!(reason(caller.poll()), Some(RejectReason::BreakerOpen));
    let mut other = Caller::new(bench.limiter.acquire(Priority::Normal, None));
    assert_eq!(reason(other.poll()), Some(RejectReason::BreakerOpen), "at once");
    assert_eq!((bench.limiter.in_flight(), bench.seen().0), (0, 0));
}

#[test]
fn c5_a_heavy_call_waits_until_there_are_places_enough() {
    let bench = Bench::new(4);
    bench.limiter.apply(&Value::Concurrency(3.0), &Reason::default()).expect("taken");
    let held = [0; 3].map(|_| bench.admitted());
    let mut heavy = Caller::new(bench.limiter.acquire_many(Priority::Normal, 2, None));
    assert!(heavy.poll().is_pending());
    let mut light = bench.waiting(Priority::Normal, None);
    let [a, b, c] = held;
    drop(a);
    assert!(!heavy.is_woken() && !light.is_woken(), "nobody overtakes the one that is next");
    drop(b);
    let two = permit(heavy.poll());
    drop(c);
    drop((two, permit(light.poll())));
    assert_eq!(bench.limiter.in_flight(), 0);
}

proptest! {
    #[test]
    fn c1_whoever_comes_and_goes_no_place_is_lost_and_none_is_given_twice(
        steps in proptest::collection::vec((0..6_u8, 0..6_usize, 0..30_u64), 1..200),
    ) {
        let bench = Bench::new(5);
        let (mut waiting, mut held) = (Vec::<Caller>::new(), Vec::<Permit>::new());
        for (act, which, millis) in steps {
            let priority = [Priority::Critical, Priority::High, Priority::Normal][which % 3];
            match act {
                0 | 1 => {
                    let mut caller = Caller::new(bench.limiter.acquire(priority, (millis > 15).then(|| Duration::from_millis(millis))));
                    match caller.poll() {
                        Poll::Ready(Ok(permit)) => held.push(permit),
                        Poll::Ready(Err(_)) => {}
                        Poll::Pending => waiting.push(caller),
                    }
                }
                2 if !held.is_empty() => held.swap_remove(which % held.len()).finish(Outcome::Success),
                3 if !waiting.is_empty() => drop(waiting.swap_remove(which % waiting.len())),
                4 => _ = bench.limiter.apply(&Value::Concurrency((which % 4 + 1) as f64), &Reason::default()),
                _ => _ = bench.tick(millis),
            }
            let mut still = Vec::new();
            for mut caller in waiting {
                match (caller.is_woken(), caller.poll()) {
                    (true, Poll::Ready(Ok(permit))) => held.push(permit),
                    (true, Poll::Ready(Err(_))) => {}
                    (false, Poll::Pending) => still.push(caller),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            waiting = still;
            prop_assert_eq!(bench.limiter.in_flight(), held.len() as u64);
            prop_assert_eq!(bench.seen().0, waiting.len() as u64);
            let free = (bench.limiter.limit() as u64).saturating_sub(held.len() as u64);
            prop_assert!(waiting.is_empty() || free == 0, "{} wait before {free} places", waiting.len());
        }
        drop(held);
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain_mut(|caller| caller.poll().is_pending());
            prop_assert!(waiting.len() < before, "{before} wait before a free place");
        }
        prop_assert_eq!(bench.limiter.in_flight(), 0);
    }
}
