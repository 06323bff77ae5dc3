use super::*;
use proptest::prelude::*;

/// A call in whole microseconds: admitted, released.
type Call = (u64, u64);

fn totals_at(calls: &[Call], at_micros: u64, offset: u64) -> Totals {
    let mut totals = Totals { at_nanos: at_micros * 1000, ..Totals::default() };
    for field in [
        &mut totals.admitted,
        &mut totals.completed,
        &mut totals.admit_time_sum,
        &mut totals.release_time_sum,
    ] {
        *field = offset;
    }
    for &(admitted, released) in calls {
        if admitted <= at_micros {
            totals.admitted = totals.admitted.wrapping_add(1);
            totals.admit_time_sum = totals.admit_time_sum.wrapping_add(admitted * 1000);
        }
        if released <= at_micros {
            let latency = (released - admitted) * 1000;
            totals.completed = totals.completed.wrapping_add(1);
            totals.release_time_sum = totals.release_time_sum.wrapping_add(released * 1000);
            totals.latency_sum = totals.latency_sum.wrapping_add(latency);
            totals.success_latency_sum = totals.success_latency_sum.wrapping_add(latency);
            let units = latency as f64 / SQUARE_UNIT_NANOS as f64;
            totals.success_latency_sq_sum =
                totals.success_latency_sq_sum.wrapping_add((units * units) as u64);
        }
    }
    totals
}

proptest! {
    /// The integral equals brute force, also when every counter is about to wrap.
    #[test]
    fn mean_in_flight_is_exact(
        calls in prop::collection::vec((0u64..50_000, 1u64..20_000), 0..40),
        t1 in 0u64..30_000, length in 1u64..30_000, wrap in any::<bool>(),
    ) {
        let calls: Vec<Call> = calls.into_iter().map(|(at, latency)| (at, at + latency)).collect();
        let t2 = t1 + length;
        let offset = if wrap { u64::MAX - 3 } else { 0 };
        let window = Window::between(&totals_at(&calls, t1, offset), &totals_at(&calls, t2, offset)).expect("time passed");
        let brute: u64 = calls.iter().map(|&(a, r)| r.clamp(t1, t2) - a.clamp(t1, t2)).sum();
        prop_assert!((window.mean_in_flight - brute as f64 / length as f64).abs() < 1e-6);
    }

    /// Splitting a window changes no count.
    #[test]
    fn splitting_a_window_changes_nothing(
        calls in prop::collection::vec((0u64..50_000, 1u64..20_000), 0..40), middle in 1u64..59_999,
    ) {
        let calls: Vec<Call> = calls.into_iter().map(|(at, latency)| (at, at + latency)).collect();
        let at = |t| totals_at(&calls, t, 0);
        let whole = Window::between(&at(0), &at(60_000)).expect("time passed");
        let first = Window::between(&at(0), &at(middle)).expect("time passed");
        let second = Window::between(&at(middle), &at(60_000)).expect("time passed");
        prop_assert_eq!(whole.completed, first.completed + second.completed);
        let area = first.mean_in_flight * first.seconds + second.mean_in_flight * second.seconds;
        prop_assert!((whole.mean_in_flight * whole.seconds - area).abs() < 1e-6);
    }

    #[test]
    fn ages_of_calls_in_flight_are_exact(
        calls in prop::collection::vec((0u64..50_000, 1u64..20_000), 0..40), at in 0u64..60_000,
    ) {
        let calls: Vec<Call> = calls.into_iter().map(|(from, latency)| (from, from + latency)).collect();
        let brute: u64 = calls.iter().filter(|&&(a, r)| a <= at && r > at).map(|&(a, _)| (at - a) * 1000).sum();
        prop_assert_eq!(totals_at(&calls, at, 0).in_flight_age_sum().as_nanos(), u128::from(brute));
    }
}

#[test]
fn a_window_needs_time() {
    let totals = totals_at(&[], 5, 0);
    assert_eq!(Window::between(&totals, &totals), None);
}

#[test]
fn variation_and_balance_of_a_steady_service() {
    // One call at a time, 10 ms each, back to back.
    let calls: Vec<Call> = (0..100).map(|i| (i * 10_000, (i + 1) * 10_000)).collect();
    let window =
        Window::between(&totals_at(&calls, 0, 0), &totals_at(&calls, 1_000_000, 0)).expect("time passed");
    assert_eq!(window.completed, 100);
    assert!((window.mean_latency.expect("completions") - 0.010).abs() < 1e-9);
    assert!(window.cv2 < 0.01, "no variation: {}", window.cv2);
    assert!(window.imbalance().expect("balanced") < 0.02);
}
