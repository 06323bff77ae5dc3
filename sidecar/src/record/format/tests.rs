use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use setpoint_policies::envelope::{GcMode, GcTarget};
use setpoint_policies::knob::{Kind, Knob, Restrictive};
use setpoint_policies::probes::Probed;
use setpoint_policies::reflex::Cause;
use setpoint_policies::signal::Signals;
use setpoint_policies::totals::{SlowCalls, Totals};
use setpoint_policies::value::{Breaker, Value};

use super::*;

mod schema;

const KINDS: [Kind; 12] = [
    Kind::ConcurrencyLimit,
    Kind::RateLimit,
    Kind::QueueLimit,
    Kind::Breaker,
    Kind::GcTarget,
    Kind::MemoryLimit,
    Kind::Parallelism,
    Kind::PoolSize,
    Kind::TimeoutMs,
    Kind::Sampling,
    Kind::Numeric,
    Kind::Switch,
];

/// As little as a line can say about a process with a limit.
const SHORT: &str = r#"{"v":1,"at_nanos":5,"node":{"cpu_some_ratio":0.25},"instances":[{"id":"a/1","service":"a","knobs":[{"name":"limit.x","kind":"concurrency_limit","min":1,"max":9,"baseline":4}],"totals":{"limit.x":{"at_nanos":1,"arrived":1,"admitted":1,"completed":1,"admit_time_sum":1,"release_time_sum":1,"latency_sum":1,"success_latency_sum":1,"success_latency_sq_sum":1,"in_flight_peak":1,"limit_in_force":4,"limited":false}}}]}"#;

fn at_nanos(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// A number whose digits do not end.
fn crooked(seed: u64) -> f64 {
    (seed as f64 + 0.1).sqrt() * 1e-3
}

/// A snapshot in which every field has a value of its own, made of `seed`.
fn snapshot(seed: u64, processes: u64) -> Snapshot {
    let mut node = Signals::default();
    for (place, signal) in (0..).zip(Signal::ALL) {
        if (seed >> place) & 1 == 1 {
            node.set(signal, crooked(seed + place), at_nanos(seed.wrapping_mul(place + 1)));
        }
    }
    let instances = (0..processes).map(|number| instance(seed ^ number, number)).collect();
    Snapshot { at: at_nanos(seed), node, instances }
}

fn instance(seed: u64, number: u64) -> Instance {
    let name = |text: &str| KnobName::try_new(text).unwrap();
    let knobs: Vec<_> = KINDS.iter().zip(0..).map(|(kind, place)| knob(*kind, seed, place)).collect();
    let retry_after = Duration::from_nanos(seed);
    let breakers = [
        Breaker::Local,
        Breaker::Closed,
        Breaker::HalfOpen {
            round: seed as u32,
            probe_max: (seed >> 7) as u32,
            probe_total: (seed >> 9) as u32,
            deadline: retry_after,
        },
        Breaker::Open { retry_after },
        Breaker::ForcedOpen { retry_after },
        Breaker::Recovering { ramp: retry_after },
        Breaker::Disabled,
        Breaker::Shadow { would_reject: seed.is_multiple_of(2) },
    ];
    let value = |knob: &Knob| match knob.baseline_value() {
        Value::Rate { .. } => Value::Rate {
            per_second: crooked(seed),
            burst: seed.is_multiple_of(2).then_some(crooked(seed + 1)),
        },
        Value::Breaker(_) => Value::Breaker(breakers[(seed % 8) as usize]),
        Value::Switch(_) => Value::Switch(seed.is_multiple_of(2)),
        Value::Gc(_) => Value::Gc(gc_target(seed)),
        Value::Parallelism { .. } => Value::Parallelism {
            threads: seed as u32,
            blocking_threads: seed.is_multiple_of(2).then_some(seed as u32 / 2),
        },
        other => other.with_scalar(crooked(seed)),
    };
    let in_force =
        knobs.iter().skip(seed as usize % 3).map(|knob| (knob.name.clone(), value(knob))).collect();
    let received = Received { at: at_nanos(seed ^ 7), totals: Arc::new(totals(seed)) };
    let mut signals = Signals::default();
    signals.set(Signal::RuntimeDelay, crooked(seed), at_nanos(seed ^ 9));
    Instance {
        id: InstanceId(format!("demo/{number}").into()),
        service: "demo".into(),
        incarnation: seed,
        labels: Arc::new((0..seed % 3).map(|n| (format!("label-{n}"), seed.to_string())).collect()),
        knobs: knobs.into_iter().map(Arc::new).collect(),
        in_force,
        totals: [(name("limit.inbound"), received)].into(),
        signals,
    }
}

fn gc_target(seed: u64) -> GcTarget {
    let modes = [GcMode::Throughput, GcMode::Frugal, GcMode::Fixed];
    GcTarget {
        mode: modes[(seed % 3) as usize],
        budget_bytes: seed.is_multiple_of(2).then_some(seed),
        memory_limit_bytes: seed.is_multiple_of(3).then_some(seed),
        percent: seed.is_multiple_of(5).then_some(seed as u32),
        percent_min: seed as u32,
        percent_max: seed as u32 / 3,
        gc_cpu_target: crooked(seed),
        gc_cpu_cap: crooked(seed + 1),
        collect: seed.is_multiple_of(2),
        return_memory: seed.is_multiple_of(3),
    }
}

fn knob(kind: Kind, seed: u64, place: u64) -> Knob {
    let name = KnobName::try_new(&format!("knob.{place}")).unwrap();
    let directions = [Restrictive::Neither, Restrictive::Lower, Restrictive::Higher];
    Knob {
        unit: "req".to_owned(),
        step: crooked(seed + place),
        restrictive: directions[((seed + place) % 3) as usize],
        max_change_ratio: crooked(seed),
        min_dwell: Duration::from_nanos(seed),
        deadline: (seed % 2 == 1).then(|| Duration::from_nanos(seed)),
        hot: (seed + place).is_multiple_of(2),
        ..Knob::try_new(name, kind, crooked(seed), 1e19, 1e18).unwrap()
    }
}

fn totals(seed: u64) -> Totals {
    let n = |place: u64| seed.wrapping_mul(2 * place + 1);
    Totals {
        at_nanos: n(0),
        stall_nanos: n(1),
        arrived: n(2),
        admitted: n(3),
        completed: n(4),
        dropped: n(5),
        failed: n(6),
        cancelled: n(7),
        rejected: [n(8), n(9), n(10), n(11), n(12)],
        late: n(13),
        admit_time_sum: n(14),
        release_time_sum: n(15),
        latency_sum: n(16),
        success_latency_sum: n(17),
        success_latency_sq_sum: n(18),
        in_flight_peak: n(19),
        consecutive_failures: n(20),
        limit_in_force: crooked(seed),
        limited: seed.is_multiple_of(2),
        reflexes: n(21),
        reflex: [None, Some(Cause::OldCalls), Some(Cause::Drops), Some(Cause::Recovery)][(seed % 4) as usize],
        queue_waits: n(22),
        queue_wait_sum: n(23),
        waiting: n(24),
        slow: (0..seed % 3)
            .map(|place| SlowCalls { after: Duration::from_nanos(n(place)), calls: seed })
            .collect(),
        probed: seed.is_multiple_of(2).then_some(Probed {
            round: seed as u32,
            let_out: (seed >> 1) as u32,
            succeeded: (seed >> 2) as u32,
            failed: (seed >> 3) as u32,
            ignored: (seed >> 4) as u32,
        }),
        retry_after: seed.is_multiple_of(3).then(|| Duration::from_nanos(seed)),
    }
}

const SCHEMA: &str = include_str!("../../../../docs/snapshot.schema.json");

fn schema_says(line: &str) -> Result<(), String> {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    schema::fits(&schema, &schema, &serde_json::from_str(line).unwrap(), "")
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_fits_the_schema_and_is_read_as_it_was(seed in 1..u64::MAX, processes in 0..3u64) {
        let seen = snapshot(seed, processes);
        let line = write(&seen, seed.is_multiple_of(2).then(|| at_nanos(seed / 2)));
        prop_assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
        prop_assert_eq!(schema_says(&line), Ok(()));
        let read = read(&line).unwrap();
        prop_assert_eq!(read.started, seed.is_multiple_of(2).then(|| at_nanos(seed / 2)));
        prop_assert_eq!(format!("{:?}", read.snapshot), format!("{seen:?}"));
    }

    #[test]
    fn any_edit_is_read_or_refused_with_a_place(at in 0..SHORT.len(), length in 0..9usize, patch in "[-{}\\[\\]\",:a-z0-9.]{0,4}") {
        let line = format!("{}{patch}{}", &SHORT[..at], &SHORT[(at + length).min(SHORT.len())..]);
        match read(&line) {
            Ok(read) => prop_assert_eq!(schema_says(&write(&read.snapshot, None)), Ok(())),
            Err(bad) => prop_assert!(bad.column() >= 1 && bad.column() <= line.len() + 1 && !bad.to_string().is_empty()),
        }
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(schema_says(SHORT), Ok(()));
    let Recorded { started, snapshot } = read(SHORT).unwrap();
    assert_eq!((started, snapshot.node.reading(Signal::CpuSome).unwrap().at), (None, at_nanos(5)));
    let instance = &snapshot.instances[0];
    let plain = Knob::try_new(instance.knobs[0].name.clone(), Kind::ConcurrencyLimit, 1.0, 9.0, 4.0).unwrap();
    assert_eq!(*instance.knobs[0], plain);
    let received = &instance.totals[&plain.name];
    assert_eq!(
        (received.at, received.totals.rejected, &received.totals.slow[..]),
        (at_nanos(5), [0; 5], &[][..])
    );
    assert!(instance.in_force.is_empty());
}

#[test]
fn mistakes_are_named() {
    let edit = |from: &str, to: &str| {
        assert!(SHORT.contains(from), "{from}");
        SHORT.replacen(from, to, 1)
    };
    let cases = [
        (edit("\"v\":1", "\"v\":2"), "{", "version 2 of the format, this setpoint reads 1"),
        (r#"{"v":3,"new":true}"#.to_owned(), "{", "version 3 of the format, this setpoint reads 1"),
        (edit("\"at_nanos\":5", "\"at_nanos\":-5"), "-5", "invalid value: integer `-5`, expected u64"),
        (edit("\"at_nanos\":5,", ""), "}]}", "missing field `at_nanos`"),
        (edit("\"id\"", "\"identity\""), "\"identity\"", "unknown field `identity`"),
        (edit("cpu_some_ratio", "cpu"), "\"cpu\"", "unknown signal `cpu`"),
        (
            edit("0.25", "\"high\""),
            "\"high\"}",
            "expected a number or {\"value\": number, \"at_nanos\": time}",
        ),
        (edit("0.25", "-0.25"), "{", "signal `cpu_some_ratio` must not be negative"),
        (edit("0.25", "{\"value\":-1,\"at_nanos\":5}"), "{", "signal `cpu_some_ratio` must not be negative"),
        (
            edit("\"totals\"", "\"signals\":{\"tasks\":-1},\"totals\""),
            "{",
            "signal `tasks` must not be negative",
        ),
        (edit("concurrency_limit", "limit"), "\"limit\"", "unknown kind `limit`"),
        (
            edit("\"baseline\":4", "\"baseline\":10"),
            "\"baseline\":10}]",
            "baseline must lie within the bounds",
        ),
        (edit("\"limit.x\":{", "\"limit x\":{"), "\"limit x\"", "name must be 1 to 128 bytes"),
        (edit("\"arrived\":1,", ""), "false}", "missing field `arrived`"),
        (edit("\"limit_in_force\":4", "\"limit_in_force\":-4"), "-4", "must not be negative"),
        (edit("\"limit_in_force\":4", "\"limit_in_force\":1e999"), "1e999", "number out of range"),
        (
            edit("\"totals\"", "\"in_force\":{\"limit.x\":{\"number\":4}},\"totals\""),
            "{",
            "not of the kind of the knob",
        ),
        (SHORT[..100].to_owned(), "[{", "EOF while parsing"),
        ("[]".to_owned(), "[]", "invalid length 0"),
        ("hello".to_owned(), "h", "expected value"),
    ];
    for (line, until, said) in cases {
        let bad = read(&line).expect_err(said);
        assert!(bad.to_string().contains(said), "{said}: {bad}\n{line}");
        assert!(line[..bad.column()].ends_with(until), "{bad}, column {}\n{line}", bad.column());
    }
    let instance = &SHORT[SHORT.find("{\"id\"").unwrap()..SHORT.len() - 2];
    let twice = SHORT.replace(instance, &format!("{instance},{instance}"));
    assert_eq!(read(&twice).expect_err("twice").to_string(), "a second `a/1`: names are unique");
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    for (from, to) in [
        ("\"v\":1", "\"v\":2"),
        ("\"at_nanos\":5,", ""),
        ("\"id\"", "\"identity\""),
        ("cpu_some_ratio", "cpu"),
        ("0.25", "\"high\""),
        ("0.25", "-0.25"),
        ("0.25", "{\"value\":-1,\"at_nanos\":5}"),
        ("concurrency_limit", "limit"),
        ("\"limit_in_force\":4", "\"limit_in_force\":-4"),
        ("\"arrived\":1", "\"arrived\":1.5"),
        ("\"arrived\":1", "\"arrived\":-1"),
    ] {
        let line = SHORT.replacen(from, to, 1);
        assert!(schema_says(&line).is_err() && read(&line).is_err(), "{line}");
    }
}

#[test]
fn the_reference_is_right() {
    let reference = include_str!("../../../../docs/snapshot-format.md");
    let (_, example) = reference.split_once("```json\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    assert_eq!(read(&example.replace('\n', " ")).expect("sound").snapshot.instances.len(), 1);
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let mut schemas = vec![&schema];
    while let Some(schema) = schemas.pop() {
        let properties = schema.get("properties").and_then(serde_json::Value::as_object);
        for name in properties.into_iter().flat_map(|known| known.keys()) {
            let written = [format!("`{name}`"), format!("\"{name}\"")];
            assert!(written.iter().any(|written| reference.contains(written)), "{name} is not described");
        }
        match schema {
            serde_json::Value::Object(inside) => schemas.extend(inside.values()),
            serde_json::Value::Array(inside) => schemas.extend(inside),
            _ => {}
        }
    }
}
