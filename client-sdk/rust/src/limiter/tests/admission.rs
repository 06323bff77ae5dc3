//! Who gets in, and for how many places: one call or a heavy one, by priority, until the permit ends; and what rejected callers
//! are told.

use std::thread;

use super::*;

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
