use super::*;
use crate::sim::law::End;
use crate::sim::peers::trace::{arrival, ended};

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} {b}");
}

#[test]
fn the_rejector_follows_a_trace_computed_by_hand() {
    let mut rejector = Rejector::default();
    let mut period = |asked, passed, started, free| {
        (rejector.asked, rejector.passed, rejector.started) = (asked, passed, started);
        rejector.control(free)
    };
    // p = (200 - 100 - 0) / 200 = 0.5; integral = 0.25: 0.05 + 0.35
    near(period(200, 200, 100, 0.0), 0.4);
    // p = (120 - 100) / 200 = 0.1; integral = 0.3: 0.01 + 0.42
    near(period(200, 120, 100, 0.0), 0.43);
    // p = (114 - 104 - 10) / 200 = 0: the integral alone
    near(period(200, 114, 104, 10.0), 0.42);
    // p = (116 - 111 - 25) / 200 = -0.1; integral = 0.25: -0.01 + 0.35
    near(period(200, 116, 111, 25.0), 0.34);
    // every one that passed started: the overload is over
    near(period(200, 130, 130, 0.0), 0.0);
    // p = 1: integral 0.5: 0.1 + 0.7; then it stops at 1 / 1.4
    near(period(100, 100, 0, 0.0), 0.8);
    near(period(100, 100, 0, 0.0), 1.0);
    near(period(100, 100, 50, 100.0), 0.1 * -0.5 + 1.4 * (1.0 / 1.4 - 0.25));
}

/// Feeds an interval of 50 calls and says the limit after it.
fn interval(tuner: &mut Tuner, at: u64, latency: u64, in_flight: u32) -> f64 {
    (0..50).for_each(|n| tuner.add(&ended(at - u64::from(n < 49), latency, in_flight, End::InTime)));
    tuner.limit
}

#[test]
fn the_tuner_follows_a_trace_computed_by_hand() {
    let mut tuner = Tuner { intervals: TARGET_WARM_UP, target: 0.010, ..Tuner::new(4.0) };
    // target = 10 ms: queue 0 < 3: + 1, within 10 x 10 in flight
    assert_eq!(interval(&mut tuner, 1, 10, 10), 21.0);
    // average (10 + 12) / 2 = 11: queue = 21 / 11 = 1.9: + 1
    assert_eq!(interval(&mut tuner, 1002, 12, 10), 22.0);
    // average (22 + 17) / 3 = 13: queue = 22 x 3 / 13 = 5.1: held
    assert_eq!(interval(&mut tuner, 2003, 17, 10), 22.0);
    // average (39 + 33) / 4 = 18: queue = 22 x 8 / 18 = 9.8 > 6: - 1
    assert_eq!(interval(&mut tuner, 3004, 33, 10), 21.0);
    assert_eq!(interval(&mut tuner, 3500, 10, 10), 21.0, "the interval is not over");
}

#[test]
fn the_target_follows_ten_intervals_and_then_stands_for_forty() {
    let mut tuner = Tuner::new(4.0);
    let mut targets = Vec::new();
    for n in 0..51 {
        // 10 ms, from the eleventh interval on 11 ms: the average is 11 ms at the end
        interval(&mut tuner, 1001 * (n + 1), if n < 10 { 10 } else { 11 }, 10);
        targets.push((tuner.target * 1e5).round());
    }
    assert!(targets[..50].iter().all(|target| *target == 1000.0));
    assert_eq!(targets[50], 1100.0);
}

#[test]
fn the_tuner_keeps_its_bounds() {
    let tuner = |limit, lowest| Tuner { limit, target: 10.0, ..Tuner::new(lowest) };
    // latency 10: no queue; latency 100: a long one
    assert_eq!(tuner(20.0, 4.0).next_limit(10.0, 0.5, 2.0), 20.0, "ten times the 2 in flight is enough");
    assert_eq!(tuner(20.0, 4.0).next_limit(10.0, 0.5, 3.0), 21.0);
    assert_eq!(tuner(20.0, 4.0).next_limit(10.0, -0.5, 20.0), 19.0, "more in flight, less throughput");
    assert_eq!(tuner(150.0, 4.0).next_limit(100.0, 0.5, 99.0), 148.0);
    assert_eq!(tuner(4.0, 4.0).next_limit(10.0, -0.5, 4.0), 4.0, "the cores");
    assert_eq!(tuner(1000.0, 4.0).next_limit(10.0, 0.5, 999.0), HIGHEST);
}

/// 100 critical and 300 background calls, one slot: p = (400 - 1 - 0) / 400; the integral asks for 0.1 p + 0.7 p = 0.8.
#[test]
fn sheds_background_calls_and_keeps_critical_ones() {
    let mut law = Cinnamon::new(1);
    law.tuner.limit = 1.0;
    let call = |n: u32, in_flight| Arrival {
        priority: if n.is_multiple_of(4) { 0 } else { 4 },
        ..arrival(0, in_flight)
    };
    (0..400).for_each(|n| assert_eq!(law.admit(&call(n, n.min(1))), n == 0));
    law.wake(Timestamp::from_millis(500), &Host { busy: 1.0 });
    assert!(law.admit(&call(0, 0)), "critical");
    assert!(!law.admit(&call(1, 0)), "background");
    // a period in which every call that passed could start ends it
    law.wake(Timestamp::from_millis(1000), &Host { busy: 1.0 });
    assert!(law.admit(&call(1, 0)));
}
