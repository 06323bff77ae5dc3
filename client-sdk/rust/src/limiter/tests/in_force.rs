//! Which limit is in force: pushed, rounded, bounded, pinned, switched off, or a share of it while the breaker recovers.

use std::sync::atomic::{AtomicBool as Flag, AtomicU64 as Count, Ordering::SeqCst};
use std::thread;

use super::*;

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
