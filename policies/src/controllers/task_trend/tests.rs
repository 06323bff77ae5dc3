use super::*;

#[test]
fn wrong_parameters_are_named() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let field = |limit, before, window| TaskTrend::try_new(limit, before, window).expect_err("wrong").field();
    assert_eq!(field(Some(0.0), minutes(30), minutes(30)), Some("limit"));
    assert_eq!(field(Some(f64::NAN), minutes(30), minutes(30)), Some("limit"));
    assert_eq!(field(None, minutes(1), minutes(30)), Some("warn_before"));
    assert_eq!(field(None, minutes(30), minutes(1)), Some("window"));
}
