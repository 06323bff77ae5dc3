//! `adaptive_rate` and `fixed`: what they read, and the words for every mistake.

use std::time::Duration;

use setpoint_policies::controllers::adaptive_rate::AdaptiveRate;
use setpoint_policies::controllers::fixed::{Case, Fixed, Setting};
use setpoint_policies::knob::KnobName;
use setpoint_policies::spec::Controller;

use super::{compare, parse, with};

fn controller(section: &str) -> (Controller, String) {
    let loaded = parse(with(section).as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, []);
    (loaded.set.policies[0].controller.clone(), loaded.parameters[0].clone())
}

fn knob(name: &str) -> KnobName {
    KnobName::try_new(name).unwrap()
}

#[test]
fn c4_a_rate_is_read_with_its_defaults() {
    let (read, shown) = controller("adaptive_rate: {knob: rate.api, min: 90/m, max: 500/s}");
    let expected = AdaptiveRate::try_new(knob("rate.api"), 1.5, 500.0).unwrap();
    assert_eq!(read, Controller::AdaptiveRate(expected.clone()));
    let defaults = "cut_to 70%, recovery 5s, tolerate 1%, cool_down 1s, burst 1s";
    assert_eq!(shown, format!("min 1.5/s, max 500/s, {defaults}"));
    let all = "adaptive_rate: {knob: rate.api, min: 1.5/s, max: \"500/s\", cut_to: 50%, recovery: 1m, tolerate: 0%, cool_down: 250ms, burst: 20ms}";
    let expected = expected
        .with_curve(0.5, Duration::from_secs(60))
        .and_then(|spec| spec.with_patience(0.0, Duration::from_millis(250)))
        .and_then(|spec| spec.with_burst(Duration::from_millis(20)));
    assert_eq!(controller(all).0, Controller::AdaptiveRate(expected.unwrap()));
}

#[test]
fn c6_a_fixed_value_is_read_with_its_cases() {
    let section = "fixed: {knob: timeout.http.idle, value: 30s, cases: [{when: {zone: b, tier: 1}, value: 90s}, {when: {zone: \"null\"}, value: 1m}]}";
    let (read, shown) = controller(section);
    let case = |pairs: &[(&str, &str)], seconds| Case {
        when: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        value: Setting::Time(Duration::from_secs(seconds)),
    };
    let cases = vec![case(&[("zone", "b"), ("tier", "1")], 90), case(&[("zone", "null")], 60)];
    let value = Some(Setting::Time(Duration::from_secs(30)));
    assert_eq!(read, Controller::Fixed(Fixed::try_new(knob("timeout.http.idle"), value, cases).unwrap()));
    assert_eq!(shown, "value 30s, 90s when tier 1 and zone b, 60s when zone null");
    for (value, setting) in [
        ("200", Setting::Number(200.0)),
        ("2.5", Setting::Number(2.5)),
        ("20%", Setting::Ratio(0.2)),
        ("512Mi", Setting::Bytes(512 << 20)),
        ("6000/m", Setting::PerSecond(100.0)),
        ("250ms", Setting::Time(Duration::from_millis(250))),
    ] {
        let (read, _) = controller(&format!("fixed: {{knob: anything, value: {value}}}"));
        assert_eq!(read, Controller::Fixed(Fixed::try_new(knob("anything"), Some(setting), vec![]).unwrap()));
    }
}

const POOLS: &str = include_str!("../../../../policies/presets/field-report-pools.yaml");

#[test]
fn c6_the_preset_says_what_the_report_says() {
    let loaded = parse(POOLS.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, []);
    let policies = loaded.set.policies.iter().zip(&loaded.parameters);
    let said: Vec<_> =
        policies.map(|(policy, shown)| format!("{} {shown}", policy.controller.knob())).collect();
    assert_eq!(
        said,
        [
            "pool.http.idle_per_host value 50, 200 when zone far",
            "timeout.http.idle value 30s, 90s when zone far",
            "timeout.http.tls_handshake value 5s, 15s when zone far",
            "timeout.http.read_header value 5s",
            "pool.db.open value 20",
            "pool.db.idle value 10",
        ]
    );
}

#[test]
fn c4_l4_every_mistake_in_a_rate_is_named_with_its_place() {
    compare(&[
        ("no unit", with("adaptive_rate: {knob: rate.a, min: 5}"), "5:40: `min`: unit missing: write 5/s"),
        (
            "another unit",
            with("adaptive_rate: {knob: rate.a, max: 5/d}"),
            "5:40: `max`: unknown unit `/d`, expected one of /s, /m, /h",
        ),
        (
            "no rate",
            with("adaptive_rate: {knob: rate.a, max: fast}"),
            "5:40: `max`: expected a rate, such as 100/s",
        ),
        (
            "out of range",
            with(
                "adaptive_rate: {knob: rate.a, min: 0/s, cut_to: 99%, recovery: 10ms, tolerate: 51%, cool_down: 2m, burst: 0s}",
            ),
            "5:40: `min`: must be between 0.001/s and 100000000/s\n\
             5:53: `cut_to`: must be between 20% and 95%\n\
             5:68: `recovery`: must be between 1s and 10m\n\
             5:84: `tolerate`: must be between 0% and 50%\n\
             5:100: `cool_down`: must be between 100ms and 1m\n\
             5:111: `burst`: must be between 1ms and 1m",
        ),
        (
            "upside down",
            with("adaptive_rate: {knob: rate.a, min: 500/s, max: 5/s}"),
            "5:52: `max`: must be at most 100000000/s and at least min",
        ),
        (
            "another knob",
            with("adaptive_rate: {knob: limit.a}"),
            "5:27: `knob`: `adaptive_rate` moves a knob named `rate.NAME`, found `limit.a`",
        ),
        (
            "a field of another",
            with("adaptive_rate: {knob: rate.a, initial: 5/s}"),
            "5:35: unknown field `initial`, expected one of knob, min, max, cut_to, recovery, tolerate, cool_down, burst",
        ),
    ]);
}

#[test]
fn c6_l4_every_mistake_in_a_fixed_value_is_named_with_its_place() {
    compare(&[
        ("nothing", with("fixed: {knob: pool.a}"), "5:5: `value`: must be given, unless `cases` are"),
        (
            "a time-out without a unit",
            with("fixed: {knob: timeout.a, value: 30}"),
            "5:37: `value`: a knob named `timeout.NAME` takes a time such as 30s, found 30",
        ),
        (
            "a pool of seconds",
            with("fixed: {knob: pool.a, value: 5, cases: [{when: {zone: b}, value: 30s}]}"),
            "5:70: `value`: a knob named `pool.NAME` takes a number such as 50, found 30s",
        ),
        (
            "a rate without a unit",
            with("fixed: {knob: rate.a, value: 5}"),
            "5:34: `value`: a knob named `rate.NAME` takes a rate such as 100/s, found 5",
        ),
        (
            "a breaker",
            with("fixed: {knob: breaker.a, value: 5}"),
            "5:37: `value`: a knob named `breaker.NAME` takes no fixed value, found 5",
        ),
        (
            "no value at all",
            with("fixed: {knob: pool.a, value: many}"),
            "5:34: `value`: expected a number such as 50, or a quantity such as 30s, 20%, 512Mi, 100/s, found `many`",
        ),
        (
            "out of range",
            with("fixed: {knob: timeout.a, value: 25h}"),
            "5:37: `value`: must be between 0 and 24h",
        ),
        (
            "cases as a map",
            with("fixed: {knob: pool.a, cases: {zone: b}}"),
            "5:27: `cases`: expected a list, found a map",
        ),
        (
            "cases without what they need",
            with(
                "fixed: {knob: pool.a, cases: [{value: 5}, {when: {zone: b}}, {when: [b], value: 5}, {when: {}, value: 5}]}",
            ),
            "5:35: the case needs the field `when`\n\
             5:47: the case needs the field `value`\n\
             5:73: `when`: expected a map of labels, found a list\n\
             5:90: `when`: must be 1 to 16 labels",
        ),
        (
            "labels that are none",
            with(
                "fixed: {knob: pool.a, cases: [{when: {zone: [b]}, value: 5}, {when: {zone: }, value: 5, then: 6}]}",
            ),
            "5:49: label `zone`: expected a text, found a list\n\
             5:78: label `zone`: expected a text, found nothing\n\
             5:93: unknown field `then`, did you mean `when`?",
        ),
    ]);
}
