//! What a report says beyond the number of calls: the peak, latencies, what was late or slow, what a callee asks for.

use super::*;

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
