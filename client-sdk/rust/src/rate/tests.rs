use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;
use crate::rejected::RejectReason;

mod swaps;

const MS: Duration = Duration::from_millis(1);

fn rate(hand: &Hand, lowest: f64, per_second: f64) -> Rate {
    let inner = Inner::new("test".into(), hand.clock(), 5);
    RateBuilder::new(&inner, "egress").bounds(lowest, 1e6).baseline(per_second).register()
}

fn push(rate: Rate, per_second: f64, burst: Option<f64>) -> Value {
    rate.apply(&Value::Rate { per_second, burst }, &Why::default()).unwrap()
}

fn taken(rate: Rate) -> usize {
    std::iter::from_fn(|| rate.try_acquire().ok()).count()
}

#[test]
fn c4_a_burst_of_one_second_then_one_call_for_each_token() {
    let hand = Hand::default();
    let rate = rate(&hand, 1.0, 10.0);
    assert_eq!(taken(rate), 10);
    let rejected = rate.try_acquire().unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("rate.egress", RejectReason::RateLimit));
    assert_eq!(rejected.retry_after, 100 * MS, "exact");
    for _ in 0..25 {
        hand.advance(Duration::from_millis(100));
        assert_eq!(taken(rate), 1);
    }
    hand.advance(Duration::from_secs(3600));
    assert_eq!(taken(rate), 10, "never more than the burst");
}

#[test]
fn c4_a_swap_gives_nothing_away_and_takes_away_only_what_does_not_fit() {
    let hand = Hand::default();
    let rate = rate(&hand, 1.0, 100.0);
    (0..60).for_each(|_| rate.try_acquire().unwrap());
    assert_eq!(push(rate, 50.0, Some(200.0)), Value::Rate { per_second: 50.0, burst: Some(200.0) });
    assert_eq!(taken(rate), 40, "40 of 100 were left, a larger burst fills at the new rate");
    hand.advance(Duration::from_secs(1));
    assert_eq!(taken(rate), 50);
    hand.advance(Duration::from_secs(4));
    push(rate, 10.0, None);
    assert_eq!(taken(rate), 10, "200 were left, 10 fit");
    hand.advance(250 * MS);
    push(rate, 1000.0, Some(5.0));
    assert_eq!(taken(rate), 2, "two and a half had dripped in");
    hand.advance(Duration::from_micros(600));
    assert_eq!(taken(rate), 1, "the half was kept");
}

#[test]
fn c4_a_slow_rate_that_is_pushed_often_is_neither_starved_nor_refilled() {
    let hand = Hand::default();
    let rate = rate(&hand, 1.0, 5.0);
    let mut admitted = taken(rate);
    for n in 0..1000 {
        push(rate, if n % 2 == 0 { 5.001 } else { 5.0 }, Some(5.0));
        hand.advance(Duration::from_millis(100));
        admitted += taken(rate);
    }
    assert!((504..=506).contains(&admitted), "5 at once and 5 a second for 100 s: {admitted}");
}

#[test]
fn c4_a_rate_of_zero_rejects_and_a_new_one_starts_empty() {
    let hand = Hand::default();
    let rate = rate(&hand, 0.0, 10.0);
    push(rate, 0.0, None);
    assert_eq!(rate.try_acquire().unwrap_err().retry_after, Duration::from_secs(5));
    hand.advance(Duration::from_secs(60));
    assert_eq!(taken(rate), 0, "a zero is a zero");
    push(rate, 10.0, None);
    assert_eq!(taken(rate), 0);
    hand.advance(301 * MS);
    assert_eq!(taken(rate), 3);
}

#[test]
fn c4_a_larger_burst_does_not_give_back_what_ran_over() {
    let hand = Hand::default();
    let rate = rate(&hand, 1.0, 10.0);
    hand.advance(Duration::from_secs(3600));
    push(rate, 10.0, Some(100.0));
    assert_eq!(taken(rate), 10, "full was 10");
    hand.advance(Duration::from_secs(5));
    push(rate, 10.0, Some(20.0));
    hand.advance(Duration::from_secs(3600));
    push(rate, 10.0, Some(1000.0));
    assert_eq!(taken(rate), 20, "and then 20");
    hand.advance(Duration::from_secs(60));
    assert_eq!(taken(rate), 600);
}

#[test]
fn c4_a_rate_that_is_nearly_zero_is_not_a_latch() {
    let hand = Hand::default();
    let rate = rate(&hand, 0.0, 1000.0);
    push(rate, 1e-9, None);
    assert_eq!(taken(rate), 1, "the burst of a second is less than a call, so it is one");
    assert_eq!(rate.try_acquire().unwrap_err().retry_after, Duration::from_secs(5), "ask again");
    hand.advance(MS);
    push(rate, 1000.0, None);
    hand.advance(10 * MS + MS / 2);
    assert_eq!(taken(rate), 10);
}

#[test]
fn c4_c5_a_heavy_call_takes_its_tokens_and_one_heavier_than_the_burst_all_of_them() {
    let hand = Hand::default();
    let rate = rate(&hand, 1.0, 10.0);
    let take = |tokens| rate.try_acquire_many(tokens);
    take(4).unwrap();
    assert_eq!(take(7).unwrap_err().retry_after, 100 * MS, "one is missing");
    take(6).unwrap();
    assert_eq!(take(25).unwrap_err().retry_after, Duration::from_secs(1), "it waits for all that fit");
    hand.advance(Duration::from_secs(1));
    take(25).unwrap();
    assert!(take(0).is_err(), "none is one");
    hand.advance(100 * MS);
    take(0).unwrap();
}

#[test]
fn c4_a_declared_burst_holds_for_pushes_that_say_none() {
    let hand = Hand::default();
    let inner = Inner::new("test".into(), hand.clock(), 5);
    let rate = RateBuilder::new(&inner, "egress").baseline(100.0).burst(5).register();
    assert_eq!(taken(rate), 5);
    push(rate, 1000.0, None);
    hand.advance(Duration::from_secs(1));
    assert_eq!(taken(rate), 5);
    push(rate, 1000.0, Some(50.0));
    hand.advance(Duration::from_secs(1));
    assert_eq!(taken(rate), 50);
}

#[test]
fn c8_exempt_calls_pass_at_a_rate_of_zero_and_take_nothing() {
    let hand = Hand::default();
    let rate = rate(&hand, 0.0, 10.0);
    push(rate, 0.0, None);
    assert!((0..1000).all(|_| rate.try_acquire_as(Priority::Exempt, 1).is_ok()));
    assert!(rate.try_acquire_as(Priority::Critical, 1).is_err());
    push(rate, 10.0, None);
    hand.advance(1001 * MS);
    assert!((0..1000).all(|_| rate.try_acquire_as(Priority::Exempt, 1).is_ok()));
    assert_eq!(taken(rate), 10);
}

#[test]
fn counters_are_reported_as_soon_as_the_service_tells_how_calls_end() {
    let hand = Hand::default();
    let rate = rate(&hand, 1.0, 3.0);
    hand.advance(Duration::from_secs(9));
    assert_eq!((taken(rate), rate.totals(1, 2)), (3, None));
    rate.record(Outcome::Success, None);
    rate.record(Outcome::Dropped, Some(Duration::from_secs(2)));
    rate.record(Outcome::Dropped, Some(Duration::from_secs(1)));
    let seen = rate.totals(1, 2).unwrap();
    assert_eq!((seen.at_nanos, seen.stall_nanos, seen.limit_in_force), (1, 2, 3.0));
    let ended = (seen.arrived, seen.admitted, seen.in_flight());
    assert_eq!((ended, seen.rejected, seen.limited), ((4, 3, 0), [0, 0, 1, 0, 0], true));
    assert_eq!((seen.completed, seen.dropped, seen.failed, seen.cancelled), (1, 2, 0, 0));
    assert_eq!(seen.retry_after, Some(Duration::from_nanos(10_999_999_999)), "the latest that was asked for");
    rate.record(Outcome::Ignore, Some(Duration::MAX));
    let seen = rate.totals(0, 2).unwrap();
    assert_eq!((seen.cancelled, seen.limited), (1, false));
    assert_eq!(seen.retry_after, Some(Duration::from_secs(9 + 3600)), "an hour at most");
    assert_eq!(rate.totals(9_000_000_000_000, 2).unwrap().retry_after, None, "it is over");
}

#[test]
fn odd_rates_are_bounded_and_refused_where_they_mean_nothing() {
    let hand = Hand::default();
    let inner = Inner::new("test".into(), hand.clock(), 5);
    let rate = RateBuilder::new(&inner, "egress").bounds(0.0, f64::MAX).baseline(1.0).register();
    for (per_second, burst) in [(1e-300, None), (1e300, None), (1e-9, Some(1e18)), (1e9, Some(1e18))] {
        push(rate, per_second, burst);
        hand.advance(Duration::from_secs(1_000_000));
        assert!(rate.try_acquire_many(u32::MAX).is_ok() || per_second < 1e-8, "{per_second}");
    }
    for value in [
        Value::Rate { per_second: f64::NAN, burst: None },
        Value::Rate { per_second: 1.0, burst: Some(-1.0) },
        Value::Concurrency(1.0),
    ] {
        assert!(rate.apply(&value, &Why::default()).is_err(), "{value:?}");
    }
    assert_eq!(
        rate.in_force(),
        Value::Rate { per_second: 1e9, burst: Some(1e18) },
        "the previous one stands"
    );
}

#[test]
fn pins_and_the_kill_switch_come_before_pushes() {
    let rate = rate(&Hand::default(), 1.0, 10.0);
    assert_eq!((rate.pin(f64::NAN), rate.pin(3.0)), (10.0, 3.0));
    assert_eq!(push(rate, 500.0, None).scalar(), 3.0);
    assert_eq!((rate.pinned().unwrap().scalar(), taken(rate)), (3.0, 3));
    rate.enforce(false);
    (0..1000).for_each(|_| rate.try_acquire().unwrap());
    assert_eq!(rate.in_force().scalar(), 10.0, "the baseline");
    rate.enforce(true);
    assert!(rate.try_acquire().is_err());
    rate.unpin();
    assert_eq!((rate.per_second(), rate.pinned()), (500.0, None));
}

#[test]
fn l2_threads_that_take_during_swaps_get_no_more_than_there_is() {
    let rate = rate(&Hand::default(), 1.0, 1000.0);
    let taken = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| (0..20_000).filter(|_| rate.try_acquire().is_ok()).count()))
            .collect();
        (0..2000).for_each(|n| _ = push(rate, 1000.0 + f64::from(n % 2), Some(1000.0)));
        takers.into_iter().map(|taker| taker.join().unwrap()).sum::<usize>()
    });
    // The clock stands still: the tokens of the start are all there are, but for one call of each thread and swap.
    assert_eq!(taken, 1000);
}
