//! What is believed after reports that are known.

use proptest::prelude::*;

use super::*;

/// A tenth of a second with so many calls in flight, of which so many end per second; the limit is full.
fn report(calls: f64, per_second: f64) -> Sample {
    Sample {
        seconds: 0.1,
        arrived: 200.0,
        rejected: 100.0,
        ended: 0.1 * per_second,
        answered: 0.1 * per_second,
        area: 0.1 * calls,
        limit: Some(calls),
        ..Sample::default()
    }
}

/// A service of which 25 ms are known as latency floor.
fn believing(reports: impl IntoIterator<Item = (f64, f64, usize)>) -> Belief {
    let mut belief = Belief::default();
    for (calls, per_second, times) in reports {
        (0..times).for_each(|_| belief.see(&report(calls, per_second), Some(0.025), true));
    }
    belief
}

fn likely(belief: &Belief) -> Likely {
    belief.likely(|_| InTime { all: 1.0, none: 2.0, worth: 1.0 })
}

/// Expected calls per second with so many in flight.
fn expected(belief: &Belief, calls: f64) -> f32 {
    likely(belief).throughput(calls)
}

#[test]
fn nothing_is_believed_without_a_floor() {
    let mut belief = Belief::default();
    belief.see(&report(10.0, 400.0), None, false);
    assert_eq!(belief.capacity(), None);
}

#[test]
fn throughput_that_stays_with_fewer_calls_was_a_queue() {
    let belief = believing([(4.0, 160.0, 50), (40.0, 400.0, 20), (16.0, 395.0, 20)]);
    let capacity = belief.capacity().expect("known");
    assert!((340.0..480.0).contains(&capacity), "{capacity}");
    assert!(expected(&belief, 80.0) < 500.0, "more would not help: {}", expected(&belief, 80.0));
}

#[test]
fn throughput_that_follows_the_calls_means_that_calls_take_longer() {
    let belief = believing([(4.0, 160.0, 50), (20.0, 100.0, 20), (40.0, 200.0, 20)]);
    let more = expected(&belief, 80.0);
    assert!(more > 220.0, "still more calls get more done: {more}");
    let floors = likely(&belief).floor();
    assert!((0.08..0.30).contains(&floors), "200 ms rather than 25: {floors}");
}

#[test]
fn a_lost_capacity_is_noticed_within_a_second_and_a_single_odd_report_is_not_believed() {
    let steady = [(4.0, 160.0, 50), (20.0, 400.0, 50)];
    let odd = believing(steady.into_iter().chain([(20.0, 0.0, 1), (20.0, 400.0, 2)]));
    assert!(odd.capacity().expect("known") > 320.0, "{:?}", odd.capacity());
    let lost = believing(steady.into_iter().chain([(20.0, 100.0, 8)]));
    assert!(lost.capacity().expect("known") < 260.0, "{:?}", lost.capacity());
}

#[test]
fn a_limit_that_is_full_at_times_only_is_known_as_such() {
    let mut bursts = Belief::default();
    let half = Sample { limit: Some(20.0), ..report(10.0, 300.0) };
    (0..100).for_each(|_| bursts.see(&half, Some(0.025), true));
    assert!((0.49..0.52).contains(&bursts.fullness()), "{}", bursts.fullness());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_row_of_the_grid_is_what_each_of_its_hypotheses_says(
        floor in -30..10_i32, capacity in -10..40_i32, row in 0..FLOORS, calls in -3.0..9.0_f32,
    ) {
        let mut grid = Grid::default();
        grid.place(Origin { floor, capacity });
        for (shape, expected) in grid.expected(row, calls).iter().enumerate() {
            for (at, expected) in expected.iter().enumerate() {
                let one = grid.hypothesis(shape, row, at).throughput(calls);
                prop_assert!((expected - one).abs() < 2e-3, "{shape} {at}: {expected} for {one}");
            }
        }
    }


    #[test]
    fn whatever_is_reported_probabilities_stay_probabilities(
        reports in prop::collection::vec((0.0..1e5_f64, 0.0..1e6_f64, 0.001..30.0_f64, 1e-5..100.0_f64), 1..60),
    ) {
        let mut belief = Belief::default();
        for (calls, per_second, seconds, floor) in reports {
            let sample = Sample { seconds, ended: per_second * seconds, area: calls * seconds, ..report(0.0, 0.0) };
            belief.see(&sample, Some(floor), calls > 10.0);
            let weights = belief.grid.weights.as_flattened().as_flattened();
            let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-3, "{sum}");
            prop_assert!(weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0));
            prop_assert!(likely(&belief).goodput(calls, per_second).is_finite());
            prop_assert!((0.0..=1.0001).contains(&likely(&belief).in_time(calls)));
        }
    }
}
