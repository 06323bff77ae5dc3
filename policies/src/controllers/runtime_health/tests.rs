use super::*;

#[test]
fn wrong_parameters_are_named() {
    let knob = || KnobName::try_new("health.ready").expect("valid");
    let (milli, second) = (Duration::from_millis(1), Duration::from_secs(1));
    let field = |signal, above| RuntimeHealth::try_new(knob(), signal, above).expect_err("wrong").field();
    assert_eq!(field(Signal::CpuSome, milli), Some("signal"));
    assert_eq!(field(Signal::GcPause, milli / 2), Some("above"));
    let guard = || RuntimeHealth::try_new(knob(), Signal::GcPause, milli).expect("valid");
    let field = |window, hits, of| guard().judged_over(window, hits, of).expect_err("wrong").field();
    assert_eq!(field(milli, 3, 5), Some("window"));
    assert_eq!(field(second, 3, 21), Some("of"));
    assert_eq!(field(second, 6, 5), Some("hits"));
    let field = |apart, longest| guard().paced(apart, longest).expect_err("wrong").field();
    assert_eq!(field(2 * 3600 * second, 2 * 3600 * second), Some("apart"));
    assert_eq!(field(2 * second, second), Some("longest"));
    assert_eq!(field(Duration::ZERO, Duration::ZERO), Some("longest"));
}

#[test]
fn a_window_is_the_median_of_its_readings_and_bounded() {
    let mut windows = Windows::new(10 * Duration::from_secs(1));
    let mut closed = Vec::new();
    for tenth in 0..=200u64 {
        let reading = if tenth % 100 < 40 { 90.0 } else { 1.0 };
        closed.extend(windows.push(Timestamp::from_millis(100 * tenth), reading));
    }
    assert_eq!(closed, [1.0, 1.0], "four seconds of ten");
    assert_eq!(
        windows.push(Timestamp::from_millis(3_600_000), 7.0),
        Some(90.0),
        "after a gap: what there was"
    );
}
