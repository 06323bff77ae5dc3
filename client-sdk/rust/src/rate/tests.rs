use proptest::prelude::*;

use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;

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
    assert!((50..150).contains(&rejected.retry_after.as_millis()), "{rejected}");
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
    hand.advance(Duration::from_millis(250));
    push(rate, 1000.0, Some(5.0));
    assert_eq!(taken(rate), 2, "two and a half had dripped in");
    hand.advance(Duration::from_micros(500));
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
    assert!(rate.try_acquire().unwrap_err().retry_after > Duration::from_secs(2));
    push(rate, 10.0, None);
    assert_eq!(taken(rate), 0);
    hand.advance(Duration::from_millis(300));
    assert_eq!(taken(rate), 3);
}

#[test]
fn odd_rates_are_bounded_and_refused_where_they_mean_nothing() {
    let hand = Hand::default();
    let inner = Inner::new("test".into(), hand.clock(), 5);
    let rate = RateBuilder::new(&inner, "egress").bounds(0.0, f64::MAX).baseline(1.0).register();
    for (per_second, burst) in [(1e-300, None), (1e300, None), (1e-9, Some(1e18)), (1e9, Some(1e18))] {
        push(rate, per_second, burst);
        hand.advance(Duration::from_secs(1_000_000));
        assert!(rate.try_acquire().is_ok() || per_second < 1e-8, "{per_second}");
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
            .map(|_| scope.spawn(|| (0..2000).filter(|_| rate.try_acquire().is_ok()).count()))
            .collect();
        (0..200).for_each(|n| _ = push(rate, 1000.0 + f64::from(n % 2), Some(1000.0)));
        takers.into_iter().map(|taker| taker.join().unwrap()).sum::<usize>()
    });
    // The clock stands still: the tokens of the start are all there are, but for one call of each thread and swap.
    assert!((1000..=1000 + 3 * 200).contains(&taken), "{taken}");
}

proptest! {
    #[test]
    fn c4_the_level_follows_a_naive_bucket_through_any_swaps(
        steps in prop::collection::vec((0_u64..3_000_000_000, 1.0..500.0_f64, 1_u32..300, 0_usize..40), 1..40),
    ) {
        let hand = Hand::default();
        let clock = hand.clock();
        let (mut per_second, mut burst) = (10.0, 10.0_f64);
        let mut bucket = Bucket::holding(f64::INFINITY, per_second, Some(burst), &clock).unwrap();
        let mut level = burst;
        for (wait, next_rate, next_burst, takes) in steps {
            hand.advance(Duration::from_nanos(wait));
            level = (level + wait as f64 / 1e9 * per_second).min(burst);
            for _ in 0..takes {
                // On the very edge, either answer is right.
                let before = level;
                if bucket.take().is_ok() {
                    prop_assert!(before > 1.0 - 1e-3, "{before}");
                    level -= 1.0;
                } else {
                    prop_assert!(before < 1.0 + 1e-3, "{before}");
                }
            }
            prop_assert!((bucket.tokens() - level).abs() < 1e-3, "{} {level}", bucket.tokens());
            (per_second, burst) = (next_rate, f64::from(next_burst));
            bucket = Bucket::holding(bucket.tokens(), per_second, Some(burst), &clock).unwrap();
            level = level.min(burst);
            prop_assert!((bucket.tokens() - level).abs() < 1e-3, "after a swap: {} {level}", bucket.tokens());
        }
    }
}
