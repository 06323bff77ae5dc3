//! Breakers as services have them: on their own, and asked by the limiter of the same name.

use super::*;

#[test]
fn b6_a_breaker_on_its_own_counts_panics_as_failures_and_ignores_dropped_permits() {
    let inner = inner(&Hand::default());
    let breaker = BreakerBuilder::new(&inner, "mail").failures(2).register();
    let panicking = || {
        std::thread::spawn(move || {
            let _permit = breaker.try_acquire().unwrap();
            panic!("in the call");
        })
    };
    panicking().join().unwrap_err();
    drop(breaker.try_acquire().unwrap());
    assert_eq!(breaker.state(), BreakerState::Closed);
    panicking().join().unwrap_err();
    assert_eq!(breaker.state(), BreakerState::Open);
    let rejected = breaker.try_acquire().unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("breaker.mail", RejectReason::BreakerOpen));
}

#[test]
fn l3_a_pushed_state_is_in_force_for_the_next_call_and_read_back() {
    let inner = inner(&Hand::default());
    let breaker = BreakerBuilder::new(&inner, "db").register();
    let open = Value::Breaker(Open { retry_after: Duration::from_secs(3) });
    assert_eq!(breaker.apply(&open, &Why::default()), Ok(open));
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Duration::from_secs(3));
    assert!(breaker.apply(&Value::Number(1.0), &Why::default()).is_err());
    breaker.pin(Closed);
    assert!(breaker.try_acquire().is_ok());
    assert_eq!(breaker.apply(&open, &Why::default()), Ok(Value::Breaker(Closed)), "pinned");
    assert_eq!(breaker.pinned(), Some(Value::Breaker(Closed)));
    breaker.unpin();
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.enforce(false);
    assert!(breaker.try_acquire().is_ok(), "the kill switch");
    assert_eq!(breaker.in_force(), Value::Breaker(Local), "nothing that was pushed");
    breaker.enforce(true);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.apply(&Value::Breaker(Local), &Why::default()), Ok(Value::Breaker(Local)));
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "its own rules find out");
}

#[test]
fn a_limiter_asks_the_breaker_of_its_name_whichever_came_first() {
    let hand = Hand::default();
    let inner = inner(&hand);
    let limiter = crate::limiter::LimiterBuilder::new(&inner, "db").baseline(10).register();
    let fail = || {
        let calls = (0..7).filter_map(|_| limiter.try_acquire(crate::Priority::Normal).ok());
        calls.map(|permit| permit.finish(Outcome::Failure)).count()
    };
    assert_eq!([fail(), fail()], [7, 7], "its breaker does not act by itself");
    let breaker = BreakerBuilder::new(&inner, "db").failures(3).register();
    assert_eq!(fail(), 3);
    assert_eq!((breaker.state(), limiter.breaker().state()), (BreakerState::Open, BreakerState::Open));
    let rejected = limiter.try_acquire(crate::Priority::Normal).unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("breaker.db", RejectReason::BreakerOpen));
    assert_eq!(limiter.in_flight(), 0);
}

#[test]
fn a_call_that_the_limit_rejects_leaves_the_probe_to_another() {
    let hand = Hand::default();
    let inner = inner(&hand);
    let limiter = crate::limiter::LimiterBuilder::new(&inner, "db").bounds(1, 1).register();
    let breaker = BreakerBuilder::new(&inner, "db").failures(1).register();
    limiter.try_acquire(crate::Priority::Normal).unwrap().finish(Outcome::Failure);
    hand.advance(Duration::from_secs(2));
    let probe = limiter.try_acquire(crate::Priority::Normal).unwrap();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    for _ in 0..5 {
        let rejected = limiter.try_acquire(crate::Priority::Normal).unwrap_err();
        assert_eq!(rejected.reason, RejectReason::ConcurrencyLimit);
    }
    probe.finish(Outcome::Success);
    (0..7).for_each(|_| limiter.try_acquire(crate::Priority::Normal).unwrap().finish(Outcome::Success));
    assert_eq!(breaker.state(), BreakerState::Recovering);
}
