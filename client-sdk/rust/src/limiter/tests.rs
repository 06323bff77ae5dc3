use std::sync::atomic::{AtomicBool as Flag, AtomicU64 as Count, Ordering::SeqCst};
use std::thread;

use proptest::prelude::*;
use setpoint_policies::totals::Totals;
use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;
use crate::outcome::Outcome;

/// A limiter `db` on a clock that stands still.
fn limiter(hand: &Hand, lowest: u32, limit: u32) -> Limiter {
    let inner = Inner::new("test".into(), hand.clock(), 7);
    LimiterBuilder::new(&inner, "db").bounds(lowest, 1000).baseline(limit).register()
}

fn push(limiter: Limiter, limit: f64) -> Value {
    limiter.apply(&Value::Concurrency(limit), &Why::default()).unwrap()
}

fn totals(limiter: Limiter, at_nanos: u64) -> Totals {
    limiter.totals(at_nanos, 0).unwrap()
}

#[test]
fn c1_a_full_limiter_rejects_at_once_and_says_when_to_come_back() {
    let limiter = limiter(&Hand::default(), 1, 2);
    let held = [0; 2].map(|_| limiter.try_acquire(Priority::Normal).unwrap());
    let rejected = limiter.try_acquire(Priority::Normal).unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("limit.db", RejectReason::ConcurrencyLimit));
    assert!((50..150).contains(&rejected.retry_after.as_millis()), "{rejected}");
    drop(held);
    limiter.try_acquire(Priority::Normal).unwrap().finish(Outcome::Success);
}

#[test]
fn c1_fractions_round_down_but_never_to_none() {
    let limiter = limiter(&Hand::default(), 0, 10);
    for (limit, admitted) in [(0.0, 0), (0.9, 0), (1.0, 1), (1.9, 1), (2.5, 2), (7.0, 7)] {
        assert_eq!(push(limiter, limit), Value::Concurrency(limit));
        let held: Vec<_> = (0..20).map_while(|_| limiter.try_acquire(Priority::Normal).ok()).collect();
        assert_eq!(held.len(), admitted, "limit {limit}");
    }
}

#[test]
fn l2_a_pushed_limit_is_in_force_for_the_next_call_and_ends_none() {
    let limiter = limiter(&Hand::default(), 1, 4);
    let mut held: Vec<_> = (0..4).map(|_| limiter.try_acquire(Priority::Normal).unwrap()).collect();
    push(limiter, 2.0);
    for in_flight in [4, 3, 2] {
        assert_eq!(limiter.in_flight(), in_flight, "a cut ends no call");
        assert!(limiter.try_acquire(Priority::Normal).is_err());
        held.pop().unwrap().finish(Outcome::Success);
    }
    held.push(limiter.try_acquire(Priority::Normal).unwrap());
    push(limiter, 3.0);
    held.push(limiter.try_acquire(Priority::Normal).unwrap());
    assert_eq!(totals(limiter, 0).completed, 3);
}

#[test]
fn l2_the_bounds_hold_whatever_is_pushed() {
    let limiter = limiter(&Hand::default(), 4, 50);
    for (pushed, in_force) in [(0.0, 4.0), (1e9, 1000.0), (f64::INFINITY, 1000.0), (-5.0, 4.0)] {
        assert_eq!(push(limiter, pushed), Value::Concurrency(in_force));
    }
    assert!(limiter.apply(&Value::Concurrency(f64::NAN), &Why::default()).is_err());
    assert!(limiter.apply(&Value::Number(9.0), &Why::default()).is_err());
    assert_eq!(limiter.limit(), 4.0, "what is refused changes nothing");
}

#[test]
fn c8_priorities_are_nested_and_degrade_from_below() {
    use Priority::{Background, Critical, High, Low, Normal};
    let limiter = limiter(&Hand::default(), 1, 100);
    let mut held = Vec::new();
    let mut fill = |priority| {
        let before = held.len();
        held.extend(std::iter::from_fn(|| limiter.try_acquire(priority).ok()));
        held.len() - before
    };
    assert_eq!([fill(Background), fill(Low), fill(Normal)], [50, 35, 15]);
    assert_eq!([fill(High), fill(Critical), fill(Low)], [0; 3]);
    assert_eq!(totals(limiter, 0).rejected, [1, 1, 1, 2, 1]);
}

#[test]
fn c8_shares_are_the_owners_to_choose() {
    let inner = Inner::new("test".into(), Hand::default().clock(), 7);
    let builder = LimiterBuilder::new(&inner, "db").bounds(1, 10).baseline(10);
    let limiter = builder
        .share(Priority::Normal, 0.3)
        .share(Priority::Low, -1.0)
        .share(Priority::High, f64::NAN)
        .share(Priority::Exempt, 0.0)
        .register();
    let admitted = |priority| {
        let held: Vec<_> = (0..20).map_while(|_| limiter.try_acquire(priority).ok()).collect();
        held.len()
    };
    assert_eq!([Priority::Normal, Priority::Low, Priority::High].map(admitted), [3, 0, 10]);
    assert_eq!(admitted(Priority::Exempt), 20);
}

#[test]
fn c8_exempt_calls_pass_a_full_limiter_and_an_open_breaker_uncounted() {
    let limiter = limiter(&Hand::default(), 0, 0);
    limiter.breaker().pin(setpoint_policies::value::Breaker::ForcedOpen { retry_after: Duration::ZERO });
    limiter.try_acquire(Priority::Exempt).unwrap().finish(Outcome::Failure);
    let seen = totals(limiter, 0);
    assert_eq!((seen.arrived, seen.failed, seen.in_flight_peak), (0, 0, 0));
}

#[test]
fn b6_a_permit_ends_once_whatever_becomes_of_its_holder() {
    let limiter = limiter(&Hand::default(), 1, 10);
    drop(limiter.try_acquire(Priority::Normal).unwrap());
    let panicked = thread::spawn(move || {
        let _permit = limiter.try_acquire(Priority::Normal).unwrap();
        panic!("in the call");
    });
    panicked.join().unwrap_err();
    let permit = limiter.try_acquire(Priority::Normal).unwrap();
    thread::spawn(move || permit.finish(Outcome::Dropped)).join().unwrap();
    let seen = totals(limiter, 0);
    assert_eq!((seen.cancelled, seen.failed, seen.dropped, seen.completed), (1, 1, 1, 0));
    assert_eq!((limiter.in_flight(), seen.consecutive_failures), (0, 1));
}

#[test]
fn c1_a_heavy_call_takes_its_places_and_is_one_call() {
    let limiter = limiter(&Hand::default(), 1, 10);
    let acquire = |places| limiter.try_acquire_many(Priority::Normal, places);
    let (four, none) = (acquire(4).unwrap(), acquire(0).unwrap());
    assert_eq!(limiter.in_flight(), 5, "none is one");
    assert!(acquire(6).is_err(), "one more than there is room for");
    let five = acquire(5).unwrap();
    assert!(acquire(1).is_err());
    thread::spawn(move || four.finish(Outcome::Success)).join().unwrap();
    assert_eq!(limiter.in_flight(), 6);
    drop((five, none));
    let all = acquire(11).unwrap();
    assert_eq!(limiter.in_flight(), 10, "heavier than the limit: it runs alone, rather than never");
    push(limiter, 3.0);
    drop(all);
    let seen = totals(limiter, 0);
    assert_eq!((seen.admitted, seen.completed, seen.cancelled, limiter.in_flight()), (4, 1, 3, 0));
    assert_eq!(seen.rejected.iter().sum::<u64>(), 2);
    limiter.try_acquire_many(Priority::Exempt, 100).unwrap().finish(Outcome::Success);
    push(limiter, 1.0);
    assert!(limiter.try_acquire_many(Priority::Normal, u32::MAX).is_ok());
}

/// 50 permits before a pool of 50 connections; a report takes ten of them, an order one.
#[test]
fn c5_fifty_weighted_permits_before_a_database_pool() {
    let limiter = limiter(&Hand::default(), 1, 50);
    let heavy = || limiter.try_acquire_many(Priority::Normal, 10);
    let mut reports: Vec<_> = (0..4).map(|_| heavy().unwrap()).collect();
    let orders: Vec<_> = (0..60).map_while(|_| limiter.try_acquire(Priority::Normal).ok()).collect();
    assert_eq!((orders.len(), limiter.in_flight()), (10, 50));
    assert!(heavy().is_err() && limiter.try_acquire(Priority::Normal).is_err());
    reports.pop().unwrap().finish(Outcome::Success);
    assert_eq!((limiter.in_flight(), heavy().is_ok()), (40, true));
    // While the pool is smaller, in a second zone say, the same calls take the same share of it.
    push(limiter, 20.0);
    drop((reports, orders));
    let reports: Vec<_> = (0..5).map_while(|_| heavy().ok()).collect();
    assert_eq!((reports.len(), limiter.in_flight()), (2, 20));
}

#[test]
fn peak_and_limited_are_since_the_last_report() {
    let limiter = limiter(&Hand::default(), 1, 3);
    let read = || {
        let seen = totals(limiter, 0);
        (seen.in_flight_peak, seen.limited)
    };
    let mut held: Vec<_> = (0..2).map(|_| limiter.try_acquire(Priority::Normal).unwrap()).collect();
    assert_eq!(read(), (2, false));
    held.push(limiter.try_acquire(Priority::Normal).unwrap());
    held.truncate(1);
    assert_eq!(read(), (3, true), "the limit was reached, if only for a moment");
    assert_eq!(read(), (1, false), "a call that stays is in the next report as well");
    push(limiter, 1.0);
    assert!(limiter.try_acquire(Priority::Normal).is_err());
    assert_eq!(read(), (1, true));
}

#[test]
fn advice_to_rejected_callers_follows_the_throughput() {
    let hand = Hand::default();
    let limiter = limiter(&hand, 1, 1);
    let advice = || {
        let _held = limiter.try_acquire(Priority::Normal).unwrap();
        limiter.try_acquire(Priority::Normal).unwrap_err().retry_after
    };
    hand.advance(Duration::from_secs(2));
    limiter.try_acquire(Priority::Normal).unwrap().finish(Outcome::Success);
    limiter.close_slice(hand.clock().now());
    assert!((1000..3000).contains(&advice().as_millis()), "one place in two seconds");
    (0..50).for_each(|_| limiter.try_acquire(Priority::Normal).unwrap().finish(Outcome::Success));
    hand.advance(Duration::from_secs(2));
    limiter.close_slice(hand.clock().now());
    assert!((19..60).contains(&advice().as_millis()), "a place every 40 ms or so");
}

#[test]
fn late_successes_reach_the_report() {
    let hand = Hand::default();
    let inner = Inner::new("test".into(), hand.clock(), 7);
    let limiter = LimiterBuilder::new(&inner, "db").deadline(Duration::from_millis(10)).register();
    assert_eq!(limiter.knob().deadline, Some(Duration::from_millis(10)), "C7: the sidecar is told");
    for millis in [10, 11, 30] {
        let permit = limiter.try_acquire(Priority::Normal).unwrap();
        hand.advance(Duration::from_millis(millis));
        permit.finish(Outcome::Success);
    }
    let seen = totals(limiter, 51_000_000);
    assert_eq!((seen.completed, seen.late), (3, 2));
    let counted: Vec<_> = limiter.latency_counts().into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 3);
    assert!(
        counted[0].0 <= Duration::from_millis(10) && counted.last().unwrap().0 <= Duration::from_millis(30)
    );
}

#[test]
fn the_squares_of_short_latencies_add_up() {
    let hand = Hand::default();
    let limiter = limiter(&hand, 1, 1);
    for _ in 0..1000 {
        let permit = limiter.try_acquire(Priority::Normal).unwrap();
        hand.advance(Duration::from_micros(50));
        permit.finish(Outcome::Success);
    }
    assert_eq!(totals(limiter, 0).success_latency_sq_sum, 1000 * 50 * 50 / (64 * 64));
}

#[test]
fn switched_off_everything_is_admitted_and_still_counted() {
    let limiter = limiter(&Hand::default(), 1, 1);
    limiter.enforce(false);
    let held: Vec<_> = (0..100).map(|_| limiter.try_acquire(Priority::Background).unwrap()).collect();
    push(limiter, 5.0);
    assert_eq!((held.len(), limiter.in_flight(), totals(limiter, 0).admitted), (100, 100, 100));
    assert_eq!(limiter.in_force(), Value::Concurrency(1.0), "nothing that was pushed");
    limiter.enforce(true);
    assert!(limiter.try_acquire(Priority::Normal).is_err());
    assert_eq!(limiter.limit(), 5.0, "what was pushed meanwhile");
}

#[test]
fn a_pinned_limit_stands_until_it_is_let_go() {
    let limiter = limiter(&Hand::default(), 4, 50);
    assert_eq!(limiter.pin(f64::NAN), 50.0);
    assert_eq!(limiter.pin(1.0), 4.0, "within the bounds");
    assert_eq!(push(limiter, 80.0), Value::Concurrency(4.0), "the value read back");
    assert_eq!(limiter.pinned(), Some(Value::Concurrency(4.0)));
    limiter.unpin();
    assert_eq!((limiter.limit(), limiter.pinned()), (80.0, None));
}

#[test]
fn c1_l3_never_above_the_limit_under_load_and_hot_swaps() {
    const THREADS: u64 = 4;
    let limiter = limiter(&Hand::default(), 1, 8);
    let (inside, stop) = (&Count::new(0), &Flag::new(false));
    let call = |n: u64| {
        let Ok(permit) = limiter.try_acquire(Priority::Normal) else { return };
        let before = inside.fetch_add(1, SeqCst);
        assert!(before < 8, "{before} others inside");
        if n.is_multiple_of(3) {
            thread::yield_now();
        }
        inside.fetch_sub(1, SeqCst);
        match n % 5 {
            0 => drop(permit),
            1 => permit.finish(Outcome::Dropped),
            _ => permit.finish(Outcome::Success),
        }
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| (0..20_000).for_each(call))).collect();
        let reader = scope.spawn(|| {
            let mut limit = 1;
            while !stop.load(SeqCst) {
                push(limiter, f64::from(limit));
                limit = limit % 8 + 1;
                let seen = totals(limiter, 0);
                assert!(seen.admitted >= seen.released(), "{seen:?}");
                assert!(seen.in_flight_peak <= 8);
            }
        });
        let called: Vec<_> = callers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, SeqCst);
        reader.join().unwrap();
        assert!(called.iter().all(Result::is_ok));
    });
    let seen = totals(limiter, 0);
    assert_eq!((limiter.in_flight(), seen.in_flight()), (0, 0));
    assert_eq!(seen.arrived, THREADS * 20_000, "every call was either admitted or rejected");
}

/// What a naive observer would write down.
#[derive(Debug, Clone)]
struct Seen {
    admitted_at: u64,
    ended: Option<(u64, Outcome)>,
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Ask(Priority),
    /// Ends one of the calls in flight; `None` drops the permit.
    End(prop::sample::Index, Option<Outcome>),
    Report,
}

fn step() -> impl Strategy<Value = Step> {
    use Priority::{Background, Critical, High, Low, Normal};
    let outcome =
        prop::sample::select(vec![Outcome::Success, Outcome::Ignore, Outcome::Dropped, Outcome::Failure]);
    prop_oneof![
        3 => (0_u64..200_000_000).prop_map(Step::Wait),
        4 => prop::sample::select(vec![Critical, High, Normal, Low, Background]).prop_map(Step::Ask),
        3 => (any::<prop::sample::Index>(), prop::option::of(outcome)).prop_map(|(i, o)| Step::End(i, o)),
        1 => Just(Step::Report),
    ]
}

/// The integral of the calls in flight between two reports, as the sidecar works it out.
fn integral(from: &Totals, to: &Totals) -> u64 {
    let (t1, t2) = (from.at_nanos, to.at_nanos);
    let since = |f: fn(&Totals) -> u64| f(to).wrapping_sub(f(from));
    let entered = t2.wrapping_mul(since(|t| t.admitted)).wrapping_sub(since(|t| t.admit_time_sum));
    let left = t2.wrapping_mul(since(Totals::released)).wrapping_sub(since(|t| t.release_time_sum));
    from.in_flight().wrapping_mul(t2 - t1).wrapping_add(entered).wrapping_sub(left)
}

/// The same, by looking at each call.
fn integral_by_hand(calls: &[Seen], t1: u64, t2: u64) -> u64 {
    let overlap = |call: &Seen| {
        let end = call.ended.map_or(t2, |(at, _)| at).clamp(t1, t2);
        end - call.admitted_at.clamp(t1, end)
    };
    calls.iter().map(overlap).sum()
}

fn check(seen: &Totals, before: &Totals, calls: &[Seen], now: u64) -> Result<(), TestCaseError> {
    let ended = |outcome| calls.iter().filter(|c| c.ended.is_some_and(|(_, o)| o == outcome)).count() as u64;
    prop_assert_eq!(seen.completed, ended(Outcome::Success));
    prop_assert_eq!(seen.dropped, ended(Outcome::Dropped));
    prop_assert_eq!(seen.failed, ended(Outcome::Failure));
    prop_assert_eq!(seen.cancelled, ended(Outcome::Ignore));
    prop_assert_eq!(seen.admitted, calls.len() as u64);
    prop_assert_eq!(seen.arrived, seen.admitted + seen.rejected.iter().sum::<u64>());
    let latencies = |calls: &mut dyn Iterator<Item = &Seen>| -> Vec<u64> {
        calls.filter_map(|c| Some(c.ended?.0 - c.admitted_at)).collect()
    };
    let all = latencies(&mut calls.iter());
    let successes = latencies(&mut calls.iter().filter(|c| matches!(c.ended, Some((_, Outcome::Success)))));
    prop_assert_eq!(seen.latency_sum, all.iter().sum::<u64>());
    prop_assert_eq!(seen.success_latency_sum, successes.iter().sum::<u64>());
    let squares: u64 = successes.iter().map(|l| (l / 1000).pow(2)).sum();
    let squares = squares as f64 / 64.0_f64.powi(2);
    prop_assert!((seen.success_latency_sq_sum as f64 - squares).abs() <= most_shards() + 1.0, "carried");
    let open = calls.iter().filter(|c| c.ended.is_none());
    prop_assert_eq!(seen.in_flight(), open.clone().count() as u64);
    let age: u64 = open.map(|c| now - c.admitted_at).sum();
    prop_assert_eq!(seen.in_flight_age_sum(), Duration::from_nanos(age));
    prop_assert_eq!(integral(before, seen), integral_by_hand(calls, before.at_nanos, now), "exact");
    Ok(())
}

fn most_shards() -> f64 {
    available_parallelism().map_or(4.0, |cores| cores.get().max(4).next_power_of_two() as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn c1_the_counters_agree_with_a_naive_observer(
        steps in prop::collection::vec(step(), 1..120),
        start in prop::sample::select(vec![0, 1_000_000_000, u64::MAX / 5]),
        limit in 1_u32..20,
    ) {
        let hand = Hand::default();
        hand.set(start);
        let limiter = limiter(&hand, 1, limit);
        let (mut calls, mut held, mut rejected) = (Vec::<Seen>::new(), Vec::<(usize, Permit)>::new(), 0);
        let mut before = totals(limiter, start);
        let mut now = start;
        for step in steps.into_iter().chain([Step::Report]) {
            match step {
                Step::Wait(nanos) => {
                    hand.advance(Duration::from_nanos(nanos));
                    now += nanos;
                }
                Step::Ask(priority) => {
                    let cap = f64::from(limit) * Priority::DEFAULT_SHARES[priority.class().unwrap()];
                    match limiter.try_acquire(priority) {
                        Ok(permit) => {
                            held.push((calls.len(), permit));
                            calls.push(Seen { admitted_at: now, ended: None });
                            prop_assert!(held.len() as f64 <= cap.max(1.0));
                        }
                        Err(_) => {
                            rejected += 1;
                            prop_assert!(held.len() as f64 + 1.0 > cap);
                        }
                    }
                }
                Step::End(which, outcome) if !held.is_empty() => {
                    let (call, permit) = held.swap_remove(which.index(held.len()));
                    calls[call].ended = Some((now, outcome.unwrap_or(Outcome::Ignore)));
                    match outcome {
                        Some(outcome) => permit.finish(outcome),
                        None => drop(permit),
                    }
                }
                Step::End(..) => {}
                Step::Report => {
                    let seen = totals(limiter, now);
                    prop_assert_eq!(seen.rejected.iter().sum::<u64>(), rejected);
                    prop_assert_eq!(limiter.in_flight(), held.len() as u64);
                    check(&seen, &before, &calls, now)?;
                    before = seen;
                }
            }
        }
    }
}

/// The count of each watched latency, in milliseconds.
fn slow(limiter: Limiter) -> Vec<(u128, u64)> {
    totals(limiter, 0).slow.iter().map(|slow| (slow.after.as_millis(), slow.calls)).collect()
}

#[test]
fn b2_calls_slower_than_a_watched_latency_are_counted_exactly() {
    let hand = Hand::default();
    let limiter = limiter(&hand, 1, 100);
    let call = |millis, outcome| {
        let permit = limiter.try_acquire(Priority::Normal).unwrap();
        hand.advance(Duration::from_millis(millis));
        permit.finish(outcome);
    };
    call(900, Outcome::Success);
    assert_eq!(slow(limiter), [], "nothing is watched");
    let millis = Duration::from_millis;
    limiter.count_slower_than(&[millis(800), millis(100)]);
    for outcome in [Outcome::Success, Outcome::Dropped, Outcome::Failure] {
        for latency in [99, 100, 101, 800, 801] {
            call(latency, outcome);
        }
    }
    call(900, Outcome::Ignore);
    assert_eq!(slow(limiter), [(800, 3), (100, 9)], "later than that, and not if ignored");
    limiter.count_slower_than(&[millis(500), millis(800), millis(5), millis(6), millis(7)]);
    call(600, Outcome::Success);
    let mut counted = slow(limiter);
    counted.sort_unstable();
    assert_eq!(counted[2..], [(500, 10), (800, 3)], "800 kept its place, 500 took that of 100 and its count");
    assert_eq!(counted.len(), 4, "no more than that");
    assert_eq!(totals(limiter, 0).late, 0, "no deadline was declared");
    limiter.count_slower_than(&[]);
    assert_eq!(slow(limiter), []);
}

#[test]
fn what_is_late_and_what_is_slow_is_counted_apart() {
    let hand = Hand::default();
    let inner = Inner::new("test".into(), hand.clock(), 7);
    let limiter = LimiterBuilder::new(&inner, "db").deadline(Duration::from_millis(50)).register();
    limiter.count_slower_than(&[Duration::from_millis(20)]);
    for millis in [10, 30, 60] {
        let permit = limiter.try_acquire(Priority::Normal).unwrap();
        hand.advance(Duration::from_millis(millis));
        permit.finish(Outcome::Success);
    }
    assert_eq!((slow(limiter), totals(limiter, 0).late), (vec![(20, 2)], 1));
}

#[test]
fn b1_a_recovering_breaker_lets_traffic_back_through_the_limit() {
    let hand = Hand::default();
    let limiter = limiter(&hand, 1, 100);
    let breaker = limiter.breaker();
    let slice = |advance| {
        hand.advance(Duration::from_secs(advance));
        let at = limiter.0.clock.now();
        breaker.close_slice(at);
        limiter.close_slice(at);
        (limiter.limit().round(), totals(limiter, at).reflex)
    };
    assert_eq!(slice(1), (100.0, None));
    breaker.pin(setpoint_policies::value::Breaker::Recovering { ramp: Duration::from_secs(10) });
    let calls = (0..100).filter(|_| limiter.try_acquire(Priority::Critical).is_ok()).count();
    assert!((5..=15).contains(&calls), "{calls}: until the limiter has taken note, of the calls themselves");
    assert_eq!(slice(0), (10.0, Some(ReflexCause::Recovery)));
    let held: Vec<_> = (0..100).filter_map(|_| limiter.try_acquire(Priority::Critical).ok()).collect();
    assert_eq!(held.len(), 10, "a share of the limit, not of the calls");
    assert_eq!(limiter.reflex().holds, None, "the reflex itself has nothing to do with it");
    drop(held);
    assert_eq!(slice(5), (55.0, Some(ReflexCause::Recovery)));
    limiter.close();
    assert_eq!(limiter.limit(), 100.0, "the session's thread ends and leaves nothing behind");
    assert_eq!(slice(0).0, 55.0);
    assert_eq!(slice(5), (100.0, None));
    assert_eq!(breaker.state(), crate::BreakerState::Closed);
}

#[test]
fn what_a_callee_asks_for_is_reported_while_it_lasts() {
    let hand = Hand::default();
    let limiter = limiter(&hand, 1, 100);
    let seconds = Duration::from_secs;
    let asked = || totals(limiter, 0).retry_after;
    assert_eq!(asked(), None);
    let permit = limiter.try_acquire(Priority::Normal).unwrap();
    permit.retry_after(seconds(7));
    permit.finish(Outcome::Dropped);
    limiter.breaker().retry_after(seconds(3));
    assert_eq!(asked(), Some(seconds(7)), "the longer one");
    hand.advance(seconds(5));
    assert_eq!(asked(), Some(seconds(2)));
    hand.advance(seconds(2));
    assert_eq!(asked(), None);
}
