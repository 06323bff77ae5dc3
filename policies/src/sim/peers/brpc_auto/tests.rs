use super::*;
use crate::sim::peers::trace::{arrival, ended};

/// Feeds ends of calls one per millisecond, and says the limit, min (us), max_qps and explore after them.
fn feed(law: &mut BrpcAuto, from_ms: u64, count: u64, latency_ms: u64, end: End) -> (f64, f64, f64, f64) {
    (0..count).for_each(|n| law.ended(&ended(from_ms + n, latency_ms, 1, end)));
    (law.limit, law.min_us.unwrap_or(-1.0), law.max_qps.round(), (law.explore * 100.0).round())
}

#[test]
fn follows_a_trace_computed_by_hand() {
    let mut law = BrpcAuto::default();
    assert!(law.admit(&arrival(0, 39)) && !law.admit(&arrival(0, 40)));
    // 200 samples in 199 ms: qps = 200 / 0.199 = 1005.03; min = 20 ms; calm: explore stays 0.3
    // limit = floor(0.02 x 1005.03 x 1.3) = floor(26.13)
    assert_eq!(feed(&mut law, 1000, 200, 20, End::InTime), (26.0, 20_000.0, 1005.0, 30.0));
    // the next window begins at 1199: its 200 samples end at 1399, qps = 1000; max_qps = 1005.03 x 0.99 + 10 = 1004.98
    // 40 > 1.06 x 20 and 1000 > 1004.98 / 1.06: explore 0.28; limit = floor(20.0995 x 1.28) = floor(25.73)
    // late answers are successes
    assert_eq!(feed(&mut law, 1200, 200, 40, End::Late), (25.0, 20_000.0, 1005.0, 28.0));
    // 10 ms: min = 0.1 x 10 + 0.9 x 20 = 19 ms, still above: calm, explore 0.3; max_qps = 1004.93
    // limit = floor(19.0937 x 1.3) = floor(24.82)
    assert_eq!(feed(&mut law, 1400, 200, 10, End::InTime), (24.0, 19_000.0, 1005.0, 30.0));
    // half of them fail: avg = (100 x 20 + 100 x 20) / 100 = 40 ms; successes / 0.2 s = 500 <= max_qps / 1.06: calm
    // max_qps = 1004.93 x 0.99 + 5 = 999.88; limit = floor(18.9977 x 1.3) = floor(24.70)
    feed(&mut law, 1600, 100, 20, End::InTime);
    assert_eq!(feed(&mut law, 1700, 100, 20, End::Dropped), (24.0, 19_000.0, 1000.0, 30.0));
    // all fail: half, never below the threads
    assert_eq!(feed(&mut law, 1800, 200, 20, End::Failed).0, 12.0);
    assert_eq!(feed(&mut law, 2000, 200, 20, End::Failed).0, 9.0);
}

#[test]
fn a_thin_window_is_thrown_away() {
    let mut law = BrpcAuto::default();
    (0..300).for_each(|n| law.ended(&ended(1000 + 11 * n, 20, 1, End::InTime)));
    assert_eq!((law.limit, law.min_us), (40.0, None), "91 a second");
    // 120 a second, at 8 ms: 0.99 s have 125 samples, the first at or after 1 s closes
    (0..126).for_each(|n| law.ended(&ended(10_000 + 8 * n, 20, 1, End::InTime)));
    assert!(law.min_us.is_some());
}

/// Samples closer than 0.1 ms to the last are not taken, but count as throughput.
#[test]
fn crowded_calls_count_without_being_sampled() {
    let mut law = BrpcAuto::default();
    for n in 0..200 {
        (0..3).for_each(|_| law.ended(&ended(1000 + n, 20, 1, End::InTime)));
    }
    // closed by the 200th sample, which is the 598th success, after 199 ms: 3005 a second; 0.02 x 3005.03 x 1.3 = 78.1
    assert_eq!(law.limit, 78.0);
}

/// With a draw of 0.5 the first new measurement is due at 25 x 1.5 = 37.5 s.
#[test]
fn measures_the_latency_without_load_anew() {
    let mut law = BrpcAuto::default();
    law.admit(&arrival(0, 0));
    feed(&mut law, 37_000, 200, 20, End::InTime);
    // a window from 37.199 to 37.5 s would be too long for 200: it ends at 37.399, the next at 37.599: due
    feed(&mut law, 37_200, 200, 30, End::InTime);
    // max_qps = 1005.03 -> 1004.98 -> 1004.93; limit = ceil(0.02 x 1004.93 x 0.9) = ceil(18.09) = 19
    assert_eq!(feed(&mut law, 37_400, 200, 30, End::InTime).0, 19.0);
    // no samples for 2 x 30 ms after 37.599, then min is forgotten and measured from the next window
    assert_eq!(feed(&mut law, 37_600, 59, 5, End::InTime).1, 20_000.0);
    assert_eq!(feed(&mut law, 37_659, 199, 30, End::InTime).1, -1.0);
    assert_eq!(feed(&mut law, 37_858, 1, 30, End::InTime).1, 30_000.0);
    assert!(law.remeasure_at.is_some_and(|at| at > Timestamp::from_millis(75_000)));
}
