use super::*;
use crate::signal::Signals;
use crate::time::Timestamp;

fn knob(kind: Kind, unit: &str) -> Knob {
    let name = KnobName::try_new("k.x").expect("valid");
    Knob { unit: unit.to_owned(), ..Knob::try_new(name, kind, 0.0, 1e12, 0.0).expect("valid") }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn case(pairs: &[(&str, &str)], value: f64) -> Case {
    Case { when: labels(pairs), value: Setting::Number(value) }
}

fn spec(value: Option<Setting>, cases: Vec<Case>) -> Result<Fixed, InvalidConfig> {
    Fixed::try_new(knob(Kind::PoolSize, "1").name, value, cases)
}

fn step(policy: &mut FixedPolicy, knob: &Knob) -> Proposal {
    policy.step(&Seen {
        now: Timestamp::ZERO,
        since: Timestamp::ZERO,
        knob,
        in_force: knob.baseline_value(),
        held_up: false,
        capped: false,
        totals: None,
        incarnation: 1,
        signals: &Signals::default(),
        node: &Signals::default(),
    })
}

#[test]
fn c6_the_first_case_that_fits_the_labels_counts() {
    let cases = || vec![case(&[("zone", "b"), ("tier", "gold")], 300.0), case(&[("zone", "b")], 200.0)];
    let number = |value| Want::Set(Value::Number(value));
    for (with, without, pairs) in [
        (number(50.0), Want::Anything, &[][..]),
        (number(50.0), Want::Anything, &[("zone", "a")]),
        (number(50.0), Want::Anything, &[("zone", "B"), ("tier", "gold")]),
        (number(200.0), number(200.0), &[("zone", "b")]),
        (number(200.0), number(200.0), &[("tier", "iron"), ("zone", "b")]),
        (number(300.0), number(300.0), &[("tier", "gold"), ("version", "7"), ("zone", "b")]),
    ] {
        for (value, expected) in [(Some(Setting::Number(50.0)), with), (None, without)] {
            let spec = spec(value, cases()).expect("valid");
            let mut policy = FixedPolicy::new(&spec, Arc::new(labels(pairs)));
            let proposal = step(&mut policy, &knob(Kind::PoolSize, "1"));
            assert_eq!(proposal.want, expected, "{pairs:?} {value:?}");
            assert_eq!(proposal.reason.rule(), if expected == Want::Anything { "no_case" } else { "fixed" });
        }
    }
}

#[test]
fn c6_a_value_has_the_unit_of_the_knob_or_counts_for_nothing() {
    let time = Setting::Time(Duration::from_millis(1500));
    let (number, bytes) = (Setting::Number(7.0), Setting::Bytes(1 << 20));
    let (ratio, rate) = (Setting::Ratio(0.25), Setting::PerSecond(80.0));
    for (setting, kind, unit, expected) in [
        (number, Kind::PoolSize, "1", Some(Value::Number(7.0))),
        (number, Kind::ConcurrencyLimit, "1", Some(Value::Concurrency(7.0))),
        (number, Kind::Numeric, "widgets", Some(Value::Number(7.0))),
        (number, Kind::TimeoutMs, "ms", None),
        (number, Kind::Numeric, "ms", None),
        (number, Kind::RateLimit, "req", None),
        (number, Kind::MemoryLimit, "bytes", None),
        (number, Kind::Breaker, "1", None),
        (time, Kind::TimeoutMs, "ms", Some(Value::Number(1500.0))),
        (time, Kind::Numeric, "ms", Some(Value::Number(1500.0))),
        (time, Kind::Numeric, "s", Some(Value::Number(1.5))),
        (time, Kind::PoolSize, "1", None),
        (time, Kind::ConcurrencyLimit, "1", None),
        (bytes, Kind::MemoryLimit, "bytes", Some(Value::Number(1_048_576.0))),
        (bytes, Kind::Numeric, "1", None),
        (ratio, Kind::Sampling, "1", Some(Value::Number(0.25))),
        (ratio, Kind::Numeric, "percent", Some(Value::Number(25.0))),
        (ratio, Kind::PoolSize, "1", None),
        (rate, Kind::RateLimit, "req", Some(Value::Rate { per_second: 80.0, burst: None })),
        (rate, Kind::PoolSize, "1", None),
        (rate, Kind::Switch, "1", None),
    ] {
        let mut policy = FixedPolicy::new(&spec(Some(setting), vec![]).expect("valid"), Arc::default());
        let proposal = step(&mut policy, &knob(kind, unit));
        assert_eq!(proposal.want, expected.map_or(Want::Anything, Want::Set), "{setting:?} {kind:?} {unit}");
        assert_eq!(proposal.reason.rule(), if expected.is_some() { "fixed" } else { "other_unit" });
    }
}

#[test]
fn an_edit_counts_for_the_labels_that_were_given_at_the_start() {
    let one = spec(None, vec![case(&[("zone", "b")], 200.0)]).expect("valid");
    let other = spec(Some(Setting::Number(9.0)), vec![case(&[("zone", "b")], 250.0)]).expect("valid");
    let mut policy = FixedPolicy::new(&one, Arc::new(labels(&[("zone", "b")])));
    assert!(policy.respec(&Controller::Fixed(other)));
    assert_eq!(step(&mut policy, &knob(Kind::PoolSize, "1")).want, Want::Set(Value::Number(250.0)));
}

#[test]
fn wrong_parameters_are_named() {
    let field = |value, cases| spec(value, cases).expect_err("wrong").field();
    let many = |count: usize| vec![case(&[("zone", "b")], 1.0); count];
    let labelled = |count: usize| {
        let when = (0..count).map(|n| (format!("label-{n}"), String::new())).collect();
        vec![Case { when, value: Setting::Number(1.0) }]
    };
    assert_eq!(field(None, vec![]), Some("value"));
    assert_eq!(field(None, many(65)), Some("cases"));
    assert_eq!(field(None, labelled(0)), Some("when"));
    assert_eq!(field(None, labelled(17)), Some("when"));
    assert_eq!(field(Some(Setting::Number(f64::NAN)), vec![]), Some("value"));
    assert_eq!(field(Some(Setting::PerSecond(-1.0)), vec![]), Some("value"));
    assert_eq!(field(None, vec![case(&[("zone", "b")], f64::INFINITY)]), Some("cases"));
    assert!(spec(None, many(64)).is_ok() && spec(None, labelled(16)).is_ok());
}
