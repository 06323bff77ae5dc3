use super::*;
use crate::sim::peers::trace::{arrival, ended};

/// Feeds a window of 50 calls of one latency that closes at `at`, and says the limit after it.
fn window(law: &mut FailsafeGo, at: u64, latency: u64, in_flight: u32) -> f64 {
    (0..49).for_each(|_| law.ended(&ended(at - 1, latency, in_flight, End::InTime)));
    law.ended(&ended(at, latency, in_flight, End::InTime));
    law.limit
}

#[test]
fn follows_a_trace_computed_by_hand() {
    let mut law = FailsafeGo::default();
    assert!(law.admit(&arrival(0, 19)) && !law.admit(&arrival(0, 20)));
    // recent = baseline = 10: queue 0 < 3: + 1. Calls in flight stay below full, so correlations say nothing.
    assert_eq!(window(&mut law, 10, 10, 10), 21.0);
    // 50 samples before 1.01 s close nothing
    assert_eq!(window(&mut law, 900, 99, 10), 21.0);
    law.latencies.clear();
    assert_eq!(window(&mut law, 1100, 10, 10), 22.0);
    // p90 40: recent = (10 + 10 + 40) / 3 = 20, baseline = (10 + 10 + 20) / 3 = 13.33; queue = ceil(22 / 3) = 8 > 6: - 1
    assert_eq!(window(&mut law, 2200, 40, 10), 21.0);
    // recent = (60 + 12) / 4 = 18, baseline = (40 + 18) / 4 = 14.5; queue = ceil(21 x 0.1944) = ceil(4.08) = 5: held
    assert_eq!(window(&mut law, 3300, 12, 10), 21.0);
    // the fifth: median of 10 10 40 12 80 = 12; recent = 84 / 5 = 16.8, baseline = 74.8 / 5 = 14.96
    // queue = ceil(21 x 0.1095) = ceil(2.3) = 3: held
    assert_eq!(window(&mut law, 4400, 80, 10), 21.0);
    // median of 10 40 12 80 10 = 12; recent = 96 / 6 = 16, baseline = 90.8 / 6 = 15.13; queue = ceil(1.14) = 2 < 3: + 1
    assert_eq!(window(&mut law, 5500, 10, 10), 22.0);
}

#[test]
fn time_outs_leave_no_sample() {
    let mut law = FailsafeGo::default();
    for n in 0..100 {
        (0..100).for_each(|_| law.ended(&ended(100 * n, 900, 20, End::Late)));
    }
    assert_eq!((law.limit, law.latencies.len()), (20.0, 0), "nothing moves when everything is late");
}

#[test]
fn decides_by_the_first_rule_that_holds() {
    let calm = Evidence { queue: 0.0, full: true, throughput: 0.9, throughput_variation: 0.5, latency: 0.0 };
    for (evidence, direction) in [
        (calm, 1.0),
        (Evidence { queue: 3.0, ..calm }, 0.0),
        (Evidence { queue: 6.0, ..calm }, 0.0),
        (Evidence { queue: 7.0, ..calm }, -1.0),
        (Evidence { throughput: -0.1, ..calm }, -1.0),
        (Evidence { throughput: -0.1, full: false, ..calm }, 1.0),
        (Evidence { throughput: 0.2, ..calm }, 1.0),
        (Evidence { throughput: 0.2, latency: 0.6, ..calm }, -1.0),
        (Evidence { throughput_variation: 0.1, ..calm }, 1.0),
        (Evidence { throughput_variation: 0.1, latency: 0.6, ..calm }, -1.0),
    ] {
        assert_eq!(evidence.direction(1.0), direction, "{evidence:?}");
    }
}

#[test]
fn stays_within_five_times_the_calls_in_flight() {
    let up = Evidence { queue: 0.0, full: false, throughput: 0.0, throughput_variation: 0.0, latency: 0.0 };
    for (limit, most, next) in [
        (20.0, 100.0, 21.0),
        (20.0, 10.0, 19.0),
        (20.0, 20.0, 20.0),
        (20.0, 20.5, 20.5),
        (150.0, 500.0, 152.0),
        (999.0, 5000.0, 1000.0),
        (2.0, 0.0, 1.0),
        (1.0, 0.0, 1.0),
    ] {
        assert_eq!(next_limit(limit, &up, most), next, "{limit} {most}");
    }
}
