use super::*;
use crate::knob::Kind;
use crate::totals::SlowCalls;

fn name() -> KnobName {
    KnobName::try_new("limit.x").expect("valid")
}

fn slo() -> Slo {
    Slo::try_new(name(), Duration::from_millis(200), 0.995).expect("valid")
}

#[test]
fn wrong_parameters_are_named() {
    let second = Duration::from_secs(1);
    let field = |within, objective| Slo::try_new(name(), within, objective).expect_err("wrong").field();
    assert_eq!(field(Duration::ZERO, 0.99), Some("within"));
    assert_eq!(field(second, 1.0), Some("objective"));
    assert_eq!(field(second, f64::NAN), Some("objective"));
    let field = |fast, slow, calls| slo().tolerates(fast, slow, calls).expect_err("wrong").field();
    assert_eq!(field(0.5, 6.0, 1), Some("fast_burn"));
    assert_eq!(field(14.4, f64::NAN, 1), Some("slow_burn"));
    assert_eq!(field(14.4, 6.0, 0), Some("minimum_calls"));
}

#[test]
fn what_is_counted_and_what_is_missed() {
    let knob = |deadline| {
        let knob = Knob::try_new(name(), Kind::ConcurrencyLimit, 1.0, 10.0, 5.0).expect("valid");
        Knob { deadline, ..knob }
    };
    let ours = Some(Duration::from_millis(200));
    let counted = |after, calls| vec![SlowCalls { after: Duration::from_millis(after), calls }];
    let earlier = Totals { completed: u64::MAX - 4, ..Totals::default() };
    let later = Totals {
        completed: 90,
        dropped: 5,
        failed: 3,
        cancelled: 50,
        late: 7,
        rejected: [0, 0, 2, 0, 0],
        ..Totals::default()
    };
    for (slow, deadline, expected) in [
        (counted(200, 11), None, Some(Sum { calls: 105, missed: 13 })),
        (counted(200, 11), ours, Some(Sum { calls: 105, missed: 13 })),
        (counted(200, 5000), ours, Some(Sum { calls: 105, missed: 105 })),
        (counted(500, 11), ours, Some(Sum { calls: 102, missed: 14 })),
        (Vec::new(), None, None),
        (counted(500, 11), Some(Duration::from_millis(500)), None),
    ] {
        let later = Totals { slow: slow.clone(), ..later.clone() };
        assert_eq!(slo().between(&knob(deadline), &earlier, &later), expected, "{slow:?} {deadline:?}");
    }
}

#[test]
fn another_time_is_another_objective() {
    let mut policy = SloPolicy::new(slo());
    assert_eq!(policy.watches(), Some(Duration::from_millis(200)));
    let other =
        |within| Controller::Slo(Slo::try_new(name(), Duration::from_millis(within), 0.9).expect("valid"));
    assert!(policy.respec(&other(200)) && !policy.respec(&other(300)));
}
