use super::*;
use crate::knob::KnobName;

#[test]
fn wrong_parameters_are_named() {
    let guard = || TaskLeak::new(KnobName::try_new("breaker.x").expect("valid"));
    let second = Duration::from_secs(1);
    let trips = |every, factor, in_a_row| guard().trips(every, factor, in_a_row).expect_err("wrong").field();
    assert_eq!(trips(second / 2, 1.5, 3), Some("every"));
    assert_eq!(trips(second, f64::NAN, 3), Some("factor"));
    assert_eq!(trips(second, 1.0, 3), Some("factor"));
    assert_eq!(trips(second, 1.5, 0), Some("in_a_row"));
    let holds = |hold, floor, per_call| guard().holds(hold, floor, per_call).expect_err("wrong").field();
    assert_eq!(holds(Duration::ZERO, 0.0, 0.0), Some("hold"));
    assert_eq!(holds(second, -1.0, 0.0), Some("floor"));
    assert_eq!(holds(second, 0.0, f64::INFINITY), Some("per_call"));
}

#[test]
fn the_threshold_is_the_higher_of_the_two() {
    let guard = TaskLeak::new(KnobName::try_new("breaker.x").expect("valid"));
    for (usual, threshold) in [(0.0, 100.0), (3.0, 103.0), (200.0, 300.0), (1000.0, 1500.0)] {
        assert_eq!(guard.threshold(usual), threshold);
    }
}
