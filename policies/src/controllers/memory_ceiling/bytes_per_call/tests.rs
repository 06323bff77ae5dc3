use super::*;
use proptest::prelude::*;

const MIB: f64 = 1024.0 * 1024.0;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Repeatable noise between 0 and 1.
fn noise(seed: u64, at: u64) -> f64 {
    let x = seed.wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// Five windows a second for a minute: calls ramp up in two seconds, then come and go.
fn learnt(bytes: impl Fn(u64, f64, f64) -> f64, calls: impl Fn(u64) -> f64) -> BytesPerCall {
    let (mut estimator, mut peak) = (BytesPerCall::default(), 0.0_f64);
    for window in 0..300 {
        let calls = calls(window);
        peak = peak.max(calls);
        estimator.push(at(200 * window), calls, bytes(window, calls, peak));
    }
    estimator
}

fn ramp_and_wander(window: u64) -> f64 {
    let level = 100.0 * (window as f64 / 10.0).min(1.0);
    level * (0.7 + 0.6 * noise(3, window / 5))
}

#[test]
fn memory_that_is_given_back_and_memory_that_is_kept() {
    let given = learnt(|_, calls, _| 20.0 * MIB + calls * MIB, ramp_and_wander);
    assert!((given.bytes().expect("known") / MIB - 1.0).abs() < 0.05, "{:?}", given.bytes());
    assert!(given.given_back() > 0.95 && given.uncertainty(at(60_000)) < 0.2);
    let kept = learnt(|_, _, peak| 20.0 * MIB + peak * MIB, ramp_and_wander);
    assert!((kept.bytes().expect("known") / MIB - 1.0).abs() < 0.3, "{:?}", kept.bytes());
    assert!(kept.given_back() < 0.1, "{}", kept.given_back());
}

#[test]
fn what_calls_do_not_move_is_not_theirs() {
    let nothing = [
        learnt(|window, _, _| window as f64 * MIB, |window| 50.0 + 30.0 * noise(5, window)),
        learnt(|window, _, _| 100.0 * MIB * noise(1, window), |window| 50.0 + 30.0 * noise(5, window)),
        learnt(|_, _, _| 100.0 * MIB, ramp_and_wander),
        learnt(|_, calls, _| 1e9 - calls * MIB, ramp_and_wander),
        learnt(|window, _, _| (window % 25) as f64 * MIB, |_| 80.0),
    ];
    for (case, estimator) in nothing.iter().enumerate() {
        assert_eq!(estimator.bytes(), None, "case {case}");
        assert_eq!((estimator.cautious(at(60_000)), estimator.uncertainty(at(60_000))), (None, 1.0));
    }
}

#[test]
fn without_news_the_estimate_stands_and_its_confidence_decays() {
    let mut estimator = learnt(|_, calls, _| 20.0 * MIB + calls * MIB, ramp_and_wander);
    let (bytes, fresh) = (estimator.bytes(), estimator.uncertainty(at(60_000)));
    for window in 0..3000 {
        estimator.push(at(60_000 + 200 * window), 100.0, 120.0 * MIB);
    }
    assert_eq!(estimator.bytes(), bytes);
    let old = estimator.uncertainty(at(660_000));
    assert!(old > fresh + 0.5 && old <= 1.0, "{fresh} to {old}");
    assert!(estimator.cautious(at(660_000)) > estimator.cautious(at(60_000)));
}

#[test]
fn more_is_believed_at_once_and_less_slowly() {
    let mut estimator = learnt(|_, calls, _| calls * MIB, ramp_and_wander);
    let mut feed = |factor: f64, from: u64| {
        for window in from..from + 100 {
            let calls = ramp_and_wander(window % 300);
            estimator.push(at(200 * window), calls, calls * factor * MIB);
        }
        estimator.bytes().expect("known") / MIB
    };
    let less = feed(0.5, 1000);
    assert!((0.5..0.98).contains(&less), "{less}");
    let more = feed(3.0, 2000);
    assert!(more > 2.8, "{more}");
}

proptest! {
    /// Any history: finite, positive, bounded, and nonsense is left out.
    #[test]
    fn it_is_never_nonsense(windows in prop::collection::vec(
        (0u64..30_000, prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), 0.0f64..1e6], 0.0f64..1e12), 0..200)) {
        let (mut estimator, mut now) = (BytesPerCall::default(), 0);
        for (wait, calls, bytes) in windows {
            now += wait;
            estimator.push(at(now), calls, bytes);
            prop_assert!(estimator.windows.len() <= KEPT);
            prop_assert!(estimator.bytes().is_none_or(|bytes| bytes.is_finite() && bytes > 0.0));
            prop_assert!((0.0..=1.0).contains(&estimator.given_back()));
            prop_assert!((LEAST..=1.0).contains(&estimator.uncertainty(at(now))));
        }
    }

    /// Given back or kept, with a little noise and a saw-tooth: the estimate is right within a factor, and rather too high.
    #[test]
    fn it_finds_what_a_call_holds(
        per_call in 10_000.0f64..10e6, base in 0.0f64..1e9, kept in any::<bool>(), noisy in 0.0f64..0.02, seed in any::<u64>(),
    ) {
        let most = 130.0 * per_call;
        let estimator = learnt(|window, calls, peak| {
            let own = per_call * if kept { peak } else { calls };
            let tooth = (window % 25) as f64 / 25.0 * noisy * most;
            base + own + tooth + noisy * most * noise(seed, window)
        }, ramp_and_wander);
        let ratio = estimator.bytes().expect("known") / per_call;
        prop_assert!((0.6..1.7).contains(&ratio), "{} times", ratio);
    }
}
