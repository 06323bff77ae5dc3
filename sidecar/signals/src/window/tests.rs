use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn fed(readings: &[(u32, u64)]) -> Window<1> {
    let mut window = Window::new();
    for (at, total) in readings {
        window.push(MS * *at, Some([*total]));
    }
    window
}

#[test]
fn growth_is_taken_over_the_time_that_really_passed() {
    type Case = (&'static str, &'static [(u32, u64)], Option<(u32, u64)>);
    let table: [Case; 9] = [
        ("nothing", &[], None),
        ("one reading", &[(0, 7)], None),
        ("too young", &[(0, 7), (299, 9)], None),
        ("young", &[(0, 7), (300, 9)], Some((300, 2))),
        ("exactly the span", &[(0, 0), (500, 5), (1000, 10)], Some((1000, 10))),
        ("no more than the span", &[(0, 0), (100, 5), (1100, 10)], Some((1000, 5))),
        ("a late tick", &[(0, 0), (1300, 13)], Some((1300, 13))),
        ("a pause", &[(0, 0), (60_000, 6), (60_100, 8)], Some((60_100, 8))),
        ("counters that stand still", &[(0, 4), (1000, 4)], Some((1000, 0))),
    ];
    for (name, readings, expected) in table {
        let expected = expected.map(|(over, by)| Growth { over: MS * over, by: [by] });
        assert_eq!(fed(readings).growth(SECOND), expected, "{name}");
    }
}

#[test]
fn a_counter_or_a_clock_that_goes_backwards_restarts_the_history() {
    let mut window = fed(&[(0, 100), (1000, 200)]);
    window.push(2 * SECOND, Some([5]));
    assert_eq!(window.growth(SECOND), None, "the new counter has only been seen once");
    window.push(3 * SECOND, Some([6]));
    assert_eq!(window.growth(10 * SECOND), Some(Growth { over: SECOND, by: [1] }));
    window.push(SECOND, Some([7]));
    assert_eq!(window.growth(SECOND), None);
}

#[test]
fn one_counter_of_several_that_goes_backwards_restarts_all() {
    let mut window = Window::new();
    window.push(Duration::ZERO, Some([1, 10]));
    window.push(SECOND, Some([2, 9]));
    assert_eq!(window.growth(SECOND), None);
}

#[test]
fn a_failed_reading_restarts_the_history() {
    let mut window = fed(&[(0, 1), (1000, 2)]);
    window.push(2 * SECOND, None);
    assert_eq!(window.growth(SECOND), None);
    window.push(3 * SECOND, Some([900]));
    assert_eq!(window.growth(10 * SECOND), None, "what grew while nobody looked is not a rate");
}

#[test]
fn the_ring_reaches_ten_seconds_back_at_any_tick() {
    for tick in [1, 10, 50, 79, 80, 100, 250, 1000] {
        let readings: Vec<_> =
            (0..=20_000 / tick).map(|index| (index * tick, u64::from(index * tick))).collect();
        let window = fed(&readings);
        for span in [SECOND, 10 * SECOND] {
            let growth = window.growth(span).expect("history");
            assert!(
                growth.over <= span && growth.over + MS * tick.max(80) * 2 > span,
                "{tick} {span:?} {growth:?}"
            );
            assert!((growth.per_second(0) - 1000.0).abs() < 1e-6);
        }
        assert!(window.kept.len() <= READINGS && window.kept.capacity() < 2 * READINGS);
    }
}

proptest! {
    #[test]
    fn a_steady_rate_is_found_at_any_pattern_of_ticks(steps in prop::collection::vec(1_u32..3000, 2..300), rate in 0_u64..1_000_000) {
        let mut window = Window::new();
        let mut at = 0;
        for step in steps {
            at += step;
            window.push(MS * at, Some([rate * u64::from(at)]));
            for span in [SECOND, 10 * SECOND] {
                if let Some(growth) = window.growth(span) {
                    prop_assert!(growth.over >= LEAST_SPAN);
                    let expected = rate as f64 * 1000.0;
                    prop_assert!((growth.per_second(0) - expected).abs() <= expected * 1e-9);
                }
            }
        }
    }

    #[test]
    fn any_readings_give_finite_rates(readings in prop::collection::vec((0_u32..100_000, prop::option::of(any::<u64>())), 0..200)) {
        let mut window = Window::new();
        for (at, total) in readings {
            window.push(MS * at, total.map(|total| [total]));
            if let Some(growth) = window.growth(SECOND) {
                prop_assert!(growth.per_second(0).is_finite() && growth.per_second(0) >= 0.0);
            }
        }
    }
}
