//! Every malformed field, and the path under which it is refused.

use prost_types::Duration;

use crate::bounds;
use crate::convert::{BadField, Problem, to_sdk, to_sidecar};
use crate::message::{Status, ToSdk, ToSidecar};
use crate::v1::{self, client_message, server_message};
use setpoint_policies::knob::InvalidKnob;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;
const NEGATIVE: Option<Duration> = Some(Duration { seconds: -1, nanos: 0 });
const NEGATIVE_NANOS: Option<Duration> = Some(Duration { seconds: 0, nanos: -1 });
const MANY_NANOS: Option<Duration> = Some(Duration { seconds: 0, nanos: 1_000_000_000 });
const LONG: Option<Duration> = Some(Duration { seconds: 86_400, nanos: 1 });
const DAY: Problem = Problem::OutOfRange("at most 1 day");
const FROM_ZERO: Problem = Problem::OutOfRange("at least 0");
const TO_ONE: Problem = Problem::OutOfRange("0 to 1");

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn string(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn knob(name: &str) -> v1::Knob {
    v1::Knob { name: name.to_owned(), kind: 1, max: 9.0, baseline: 5.0, ..Default::default() }
}

fn applied() -> v1::Applied {
    v1::Applied { knob: "k".to_owned(), status: 1, ..Default::default() }
}

fn hello() -> v1::Hello {
    v1::Hello {
        protocol_max: 1,
        service: "checkout".to_owned(),
        instance_id: "i".to_owned(),
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        capabilities: vec![v1::Capability { name: "knob.limit".to_owned(), version: 1 }],
        knobs: vec![knob("a"), knob("b")],
        state: vec![applied()],
        ..Default::default()
    }
}

fn report() -> v1::Report {
    let slow = v1::SlowCalls { after: Some(prost_types::Duration { seconds: 1, nanos: 0 }), calls: 1 };
    let stats = v1::ResourceStats { knob: "a".to_owned(), slow: vec![slow], ..Default::default() };
    v1::Report {
        resources: vec![stats],
        container: Some(v1::ContainerStats::default()),
        runtime: Some(v1::RuntimeStats::default()),
        ..Default::default()
    }
}

fn setpoint(name: &str, value: v1::setpoint::Value) -> v1::Setpoint {
    let evidence = v1::Evidence { signal: "s".to_owned(), ..Default::default() };
    v1::Setpoint {
        knob: name.to_owned(),
        value: Some(value),
        lease: Some(v1::Lease::default()),
        reason: Some(v1::Reason { evidence: vec![evidence], ..Default::default() }),
        decision_id: 1,
    }
}

fn limit(limit: v1::Limit) -> v1::setpoint::Value {
    v1::setpoint::Value::Limit(limit)
}

fn frame() -> v1::Frame {
    let value = limit(v1::Limit { concurrency: Some(10.0), ..Default::default() });
    v1::Frame {
        channel: 2,
        nonce: 1,
        version: Some(v1::Version { epoch: 1, seq: 1 }),
        set: vec![setpoint("a", value)],
        ..Default::default()
    }
}

fn welcome() -> v1::Welcome {
    v1::Welcome { protocol: 1, ..Default::default() }
}

fn from_sdk(msg: client_message::Msg) -> Result<ToSidecar, BadField> {
    to_sidecar(v1::ClientMessage { msg: Some(msg) })
}

fn from_sidecar(msg: server_message::Msg) -> Result<ToSdk, BadField> {
    to_sdk(v1::ServerMessage { msg: Some(msg) })
}

type Row<T> = (fn(&mut T), &'static str, Problem);

/// The sound message passes; each row spoils one field of it.
fn table<T, D: std::fmt::Debug>(
    sound: impl Fn() -> T,
    convert: impl Fn(T) -> Result<D, BadField>,
    rows: &[Row<T>],
) {
    convert(sound()).expect("the sound message passes");
    for (spoil, path, problem) in rows {
        let mut message = sound();
        spoil(&mut message);
        let bad = convert(message).expect_err(path);
        assert_eq!((bad.path.as_str(), bad.problem), (*path, *problem));
    }
}

#[test]
fn hello_is_refused_by_field() {
    table(
        hello,
        |hello| from_sdk(client_message::Msg::Hello(hello)),
        &[
            (|h| h.protocol_max = 0, "hello.protocol_max", Problem::Missing),
            (|h| h.protocol_min = 2, "hello.protocol_min", Problem::OutOfRange("at most protocol_max")),
            (|h| h.service.clear(), "hello.service", Problem::Missing),
            (|h| h.service = string(257), "hello.service", Problem::TooLong(256)),
            (|h| h.instance_id.clear(), "hello.instance_id", Problem::Missing),
            (|h| h.instance_id = string(257), "hello.instance_id", Problem::TooLong(256)),
            (|h| h.sdk = string(257), "hello.sdk", Problem::TooLong(256)),
            (|h| h.runtime = string(257), "hello.runtime", Problem::TooLong(256)),
            (
                |h| h.labels = (0..17).map(|i| (i.to_string(), String::new())).collect(),
                "hello.labels",
                Problem::TooMany(16),
            ),
            (|h| h.labels = [(String::new(), string(1))].into(), "hello.labels", Problem::Missing),
            (|h| h.labels = [(string(257), string(1))].into(), "hello.labels", Problem::TooLong(256)),
            (
                |h| h.labels = [("zone".to_owned(), string(257))].into(),
                "hello.labels[zone]",
                Problem::TooLong(256),
            ),
            (
                |h| h.capabilities = vec![v1::Capability::default(); 65],
                "hello.capabilities",
                Problem::TooMany(64),
            ),
            (|h| h.capabilities[0].name.clear(), "hello.capabilities[0].name", Problem::Missing),
            (|h| h.capabilities[0].name = string(257), "hello.capabilities[0].name", Problem::TooLong(256)),
            (|h| h.capabilities.push(h.capabilities[0].clone()), "hello.capabilities[1]", Problem::Duplicate),
            (|h| h.knobs = vec![knob("a"); 257], "hello.knobs", Problem::TooMany(256)),
            (|h| h.knobs[1].name = "a".to_owned(), "hello.knobs[1]", Problem::Duplicate),
            (|h| h.state = vec![applied(); 257], "hello.state", Problem::TooMany(256)),
            (|h| h.state[0].status = 0, "hello.state[0].status", Problem::Missing),
            (|h| h.state[0].lease_left = NEGATIVE, "hello.state[0].lease_left", Problem::NegativeDuration),
        ],
    );
}

#[test]
fn knobs_are_refused_by_field() {
    let update = || v1::KnobUpdate { add: vec![knob("a")], remove: vec!["b".to_owned()] };
    table(
        update,
        |update| from_sdk(client_message::Msg::Knobs(update)),
        &[
            (|u| u.add[0].name.clear(), "knobs.add[0].name", Problem::InvalidName),
            (|u| u.add[0].name = "a b".to_owned(), "knobs.add[0].name", Problem::InvalidName),
            (|u| u.add[0].name = string(129), "knobs.add[0].name", Problem::InvalidName),
            (|u| u.add[0].kind = 0, "knobs.add[0].kind", Problem::Missing),
            (|u| u.add[0].unit = string(257), "knobs.add[0].unit", Problem::TooLong(256)),
            (|u| u.add[0].min = NAN, "knobs.add[0].min", Problem::NotFinite),
            (|u| u.add[0].min = 10.0, "knobs.add[0].min", Problem::InvalidKnob(InvalidKnob::Bounds)),
            (|u| u.add[0].min = -1.0, "knobs.add[0].min", Problem::InvalidKnob(InvalidKnob::NegativeLimit)),
            (|u| u.add[0].max = INF, "knobs.add[0].max", Problem::NotFinite),
            (|u| u.add[0].step = NAN, "knobs.add[0].step", Problem::NotFinite),
            (|u| u.add[0].step = -1.0, "knobs.add[0].step", Problem::InvalidKnob(InvalidKnob::Step)),
            (|u| u.add[0].baseline = -INF, "knobs.add[0].baseline", Problem::NotFinite),
            (
                |u| u.add[0].baseline = 10.0,
                "knobs.add[0].baseline",
                Problem::InvalidKnob(InvalidKnob::Baseline),
            ),
            (|u| u.add[0].max_change_ratio = INF, "knobs.add[0].max_change_ratio", Problem::NotFinite),
            (
                |u| u.add[0].max_change_ratio = -0.5,
                "knobs.add[0].max_change_ratio",
                Problem::InvalidKnob(InvalidKnob::MaxChangeRatio),
            ),
            (|u| u.add[0].min_dwell = NEGATIVE, "knobs.add[0].min_dwell", Problem::NegativeDuration),
            (|u| u.add[0].min_dwell = NEGATIVE_NANOS, "knobs.add[0].min_dwell", Problem::NegativeDuration),
            (|u| u.add[0].min_dwell = MANY_NANOS, "knobs.add[0].min_dwell", DAY),
            (|u| u.add[0].min_dwell = LONG, "knobs.add[0].min_dwell", DAY),
            (|u| u.add[0].min_dwell = seconds(i64::MAX), "knobs.add[0].min_dwell", DAY),
            (|u| u.add[0].deadline = NEGATIVE, "knobs.add[0].deadline", Problem::NegativeDuration),
            (|u| u.add[0].deadline = LONG, "knobs.add[0].deadline", DAY),
            (
                |u| u.add[0].deadline = seconds(0),
                "knobs.add[0].deadline",
                Problem::InvalidKnob(InvalidKnob::Deadline),
            ),
            (|u| u.add = vec![knob("a"); 257], "knobs.add", Problem::TooMany(256)),
            (|u| u.remove = vec![string(1); 257], "knobs.remove", Problem::TooMany(256)),
            (|u| u.remove[0].clear(), "knobs.remove[0]", Problem::InvalidName),
        ],
    );
}

#[test]
fn acks_beats_and_goodbyes_are_refused_by_field() {
    let ack = || v1::Ack { channel: 1, nonce: 1, results: vec![applied()] };
    table(
        ack,
        |ack| from_sdk(client_message::Msg::Ack(ack)),
        &[
            (|a| a.channel = 0, "ack.channel", Problem::Missing),
            (|a| a.channel = 9, "ack.channel", Problem::UnknownValue(9)),
            (|a| a.results = vec![applied(); 257], "ack.results", Problem::TooMany(256)),
            (|a| a.results[0].knob = string(257), "ack.results[0].knob", Problem::TooLong(256)),
            (|a| a.results[0].status = 0, "ack.results[0].status", Problem::Missing),
            (|a| a.results[0].effective = NAN, "ack.results[0].effective", Problem::NotFinite),
            (|a| a.results[0].detail = string(1025), "ack.results[0].detail", Problem::TooLong(1024)),
            (|a| a.results[0].lease_left = LONG, "ack.results[0].lease_left", DAY),
            (
                |a| a.results[0].priority_share = vec![0.5; 5],
                "ack.results[0].priority_share[0]",
                Problem::OutOfRange("1 for the highest priority"),
            ),
        ],
    );
    table(
        v1::Beat::default,
        |beat| from_sdk(client_message::Msg::Beat(beat)),
        &[(|b| b.app_stall = NEGATIVE, "beat.app_stall", Problem::NegativeDuration)],
    );
    table(
        v1::Goodbye::default,
        |goodbye| from_sdk(client_message::Msg::Goodbye(goodbye)),
        &[(|g| g.why = string(1025), "goodbye.why", Problem::TooLong(1024))],
    );
}

#[test]
fn reports_are_refused_by_field() {
    table(
        report,
        |report| from_sdk(client_message::Msg::Report(report)),
        &[
            (|r| r.window = NEGATIVE, "report.window", Problem::NegativeDuration),
            (
                |r| r.resources = vec![v1::ResourceStats::default(); 257],
                "report.resources",
                Problem::TooMany(256),
            ),
            (|r| r.resources[0].knob.clear(), "report.resources[0].knob", Problem::InvalidName),
            (|r| r.resources.push(r.resources[0].clone()), "report.resources[1]", Problem::Duplicate),
            (|r| r.resources[0].rejected = vec![0; 6], "report.resources[0].rejected", Problem::TooMany(5)),
            (
                |r| r.resources[0].limit_in_force = NAN,
                "report.resources[0].limit_in_force",
                Problem::NotFinite,
            ),
            (|r| r.resources[0].limit_in_force = -1.0, "report.resources[0].limit_in_force", FROM_ZERO),
            (
                |r| r.resources[0].slow = vec![r.resources[0].slow[0]; 5],
                "report.resources[0].slow",
                Problem::TooMany(4),
            ),
            (|r| r.resources[0].slow[0].after = None, "report.resources[0].slow[0].after", Problem::Missing),
            (
                |r| r.custom = (0..65).map(|i| (i.to_string(), 1.0)).collect(),
                "report.custom",
                Problem::TooMany(64),
            ),
            (|r| r.custom = [(String::new(), 1.0)].into(), "report.custom", Problem::Missing),
            (|r| r.custom = [("depth".to_owned(), NAN)].into(), "report.custom[depth]", Problem::NotFinite),
        ],
    );
}

#[test]
fn signals_are_refused_by_field() {
    let container = || v1::ContainerStats { limit_bytes: Some(1), ..Default::default() };
    let convert =
        |stats| from_sdk(client_message::Msg::Report(v1::Report { container: Some(stats), ..report() }));
    table(
        container,
        convert,
        &[
            (|c| c.limit_bytes = Some(0), "report.container.limit_bytes", Problem::OutOfRange("above 0")),
            (|c| c.throttled_ratio = Some(NAN), "report.container.throttled_ratio", Problem::NotFinite),
            (|c| c.throttled_ratio = Some(1.1), "report.container.throttled_ratio", TO_ONE),
            (|c| c.psi_mem_some = Some(-0.1), "report.container.psi_mem_some", TO_ONE),
            (|c| c.psi_mem_full = Some(INF), "report.container.psi_mem_full", Problem::NotFinite),
            (|c| c.psi_cpu_some = Some(2.0), "report.container.psi_cpu_some", TO_ONE),
            (|c| c.psi_io_some = Some(2.0), "report.container.psi_io_some", TO_ONE),
            (|c| c.limit_hits_per_second = Some(-1.0), "report.container.limit_hits_per_second", FROM_ZERO),
            (
                |c| c.refaults_per_second = Some(NAN),
                "report.container.refaults_per_second",
                Problem::NotFinite,
            ),
        ],
    );
    let convert =
        |stats| from_sdk(client_message::Msg::Report(v1::Report { runtime: Some(stats), ..report() }));
    table(
        v1::RuntimeStats::default,
        convert,
        &[
            (|r| r.delay_p99_seconds = Some(NAN), "report.runtime.delay_p99_seconds", Problem::NotFinite),
            (
                |r| r.run_delay_per_slice_seconds = Some(-1.0),
                "report.runtime.run_delay_per_slice_seconds",
                FROM_ZERO,
            ),
        ],
    );
}

#[test]
fn welcomes_beats_and_drains_are_refused_by_field() {
    table(
        welcome,
        |welcome| from_sidecar(server_message::Msg::Welcome(welcome)),
        &[
            (|w| w.protocol = 0, "welcome.protocol", Problem::Missing),
            (
                |w| w.capabilities = vec![v1::Capability::default(); 65],
                "welcome.capabilities",
                Problem::TooMany(64),
            ),
            (|w| w.beat_every = seconds(0), "welcome.beat_every", Problem::OutOfRange("at least 10 ms")),
            (|w| w.beat_every = NEGATIVE, "welcome.beat_every", Problem::NegativeDuration),
            (|w| w.beat_every = seconds(2), "welcome.lost_after", Problem::OutOfRange("at least 3 beats")),
            (|w| w.lost_after = LONG, "welcome.lost_after", DAY),
            (|w| w.report_every = seconds(0), "welcome.report_every", Problem::OutOfRange("at least 10 ms")),
            (|w| w.unbound = vec![string(1); 257], "welcome.unbound", Problem::TooMany(256)),
            (|w| w.missing = vec![String::new()], "welcome.missing[0]", Problem::InvalidName),
            (|w| w.config_revision = string(257), "welcome.config_revision", Problem::TooLong(256)),
        ],
    );
    let version = Some(v1::Version::default());
    let beat = || v1::Beat { renew: vec![v1::ChannelVersion { channel: 1, version }], ..Default::default() };
    table(
        beat,
        |beat| from_sidecar(server_message::Msg::Beat(beat)),
        &[
            (|b| b.loop_age = LONG, "beat.loop_age", DAY),
            (|b| b.oldest_signal_age = NEGATIVE, "beat.oldest_signal_age", Problem::NegativeDuration),
            (|b| b.renew = vec![v1::ChannelVersion::default(); 17], "beat.renew", Problem::TooMany(16)),
            (|b| b.renew[0].version = None, "beat.renew[0].version", Problem::Missing),
            (|b| b.renew[0].channel = 0, "beat.renew[0].channel", Problem::Missing),
        ],
    );
    table(
        v1::Drain::default,
        |drain| from_sidecar(server_message::Msg::Drain(drain)),
        &[
            (|d| d.retry_after = NEGATIVE, "drain.retry_after", Problem::NegativeDuration),
            (|d| d.why = string(1025), "drain.why", Problem::TooLong(1024)),
        ],
    );
}

fn lease_of(frame: &mut v1::Frame) -> &mut v1::Lease {
    frame.set[0].lease.get_or_insert_default()
}

fn reason_of(frame: &mut v1::Frame) -> &mut v1::Reason {
    frame.set[0].reason.get_or_insert_default()
}

#[test]
fn frames_are_refused_by_field() {
    table(
        frame,
        |frame| from_sidecar(server_message::Msg::Frame(frame)),
        &[
            (|f| f.channel = 0, "frame.channel", Problem::Missing),
            (|f| f.channel = 9, "frame.channel", Problem::UnknownValue(9)),
            (|f| f.mode = 9, "frame.mode", Problem::UnknownValue(9)),
            (|f| f.version = None, "frame.version", Problem::Missing),
            (|f| f.config_revision = string(257), "frame.config_revision", Problem::TooLong(256)),
            (|f| f.set = vec![f.set[0].clone(); 257], "frame.set", Problem::TooMany(256)),
            (|f| f.set.push(f.set[0].clone()), "frame.set[1]", Problem::Duplicate),
            (|f| f.set[0].knob.clear(), "frame.set[0].knob", Problem::InvalidName),
            (|f| lease_of(f).ttl = seconds(0), "frame.set[0].lease.ttl", Problem::OutOfRange("above 0")),
            (|f| lease_of(f).ttl = NEGATIVE, "frame.set[0].lease.ttl", Problem::NegativeDuration),
            (|f| lease_of(f).hold = NEGATIVE, "frame.set[0].lease.hold", Problem::NegativeDuration),
            (|f| lease_of(f).decay = LONG, "frame.set[0].lease.decay", DAY),
            (|f| lease_of(f).safe_value = NAN, "frame.set[0].lease.safe_value", Problem::NotFinite),
            (|f| reason_of(f).policy = string(257), "frame.set[0].reason.policy", Problem::TooLong(256)),
            (|f| reason_of(f).rule = string(257), "frame.set[0].reason.rule", Problem::TooLong(256)),
            (|f| reason_of(f).text = string(1025), "frame.set[0].reason.text", Problem::TooLong(1024)),
            (|f| reason_of(f).action = string(257), "frame.set[0].reason.action", Problem::TooLong(256)),
            (
                |f| reason_of(f).evidence = vec![v1::Evidence::default(); 65],
                "frame.set[0].reason.evidence",
                Problem::TooMany(64),
            ),
            (
                |f| reason_of(f).evidence[0].signal = string(257),
                "frame.set[0].reason.evidence[0].signal",
                Problem::TooLong(256),
            ),
            (
                |f| reason_of(f).evidence[0].observed = NAN,
                "frame.set[0].reason.evidence[0].observed",
                Problem::NotFinite,
            ),
            (
                |f| reason_of(f).evidence[0].threshold = INF,
                "frame.set[0].reason.evidence[0].threshold",
                Problem::NotFinite,
            ),
            (
                |f| reason_of(f).evidence[0].unit = string(257),
                "frame.set[0].reason.evidence[0].unit",
                Problem::TooLong(256),
            ),
        ],
    );
}

#[test]
fn values_are_refused_by_field() {
    let convert = |value| {
        let set = vec![setpoint("a", value)];
        from_sidecar(server_message::Msg::Frame(v1::Frame { set, ..frame() }))
    };
    let none = v1::Limit::default;
    table(
        none,
        |wire| convert(limit(wire)),
        &[
            (|l| l.concurrency = Some(NAN), "frame.set[0].limit.concurrency", Problem::NotFinite),
            (|l| l.concurrency = Some(-1.0), "frame.set[0].limit.concurrency", FROM_ZERO),
            (|l| l.rate_per_s = Some(INF), "frame.set[0].limit.rate_per_s", Problem::NotFinite),
            (|l| l.burst = Some(-1.0), "frame.set[0].limit.burst", FROM_ZERO),
            (|l| l.floor = Some(NAN), "frame.set[0].limit.floor", Problem::NotFinite),
            (|l| l.queue_timeout = NEGATIVE, "frame.set[0].limit.queue_timeout", Problem::NegativeDuration),
        ],
    );
    const SHARE: Problem = Problem::OutOfRange("above 0, at most 1");
    table(
        || v1::Limit {
            concurrency: Some(9.0),
            priority_share: vec![1.0, 0.9, 0.8, 0.6, 0.3],
            ..Default::default()
        },
        |wire| convert(limit(wire)),
        &[
            (
                |l: &mut v1::Limit| l.priority_share.push(0.1),
                "frame.set[0].limit.priority_share",
                Problem::OutOfRange("one share for each of 5 priorities"),
            ),
            (|l| l.priority_share[4] = 0.0, "frame.set[0].limit.priority_share[4]", SHARE),
            (|l| l.priority_share[1] = NAN, "frame.set[0].limit.priority_share[1]", SHARE),
            (
                |l| l.priority_share[2] = 0.95,
                "frame.set[0].limit.priority_share[2]",
                Problem::OutOfRange("at most the share before"),
            ),
            (
                |l| l.priority_share[0] = 0.95,
                "frame.set[0].limit.priority_share[0]",
                Problem::OutOfRange("1 for the highest priority"),
            ),
            (
                |l| l.baseline_latency = NEGATIVE,
                "frame.set[0].limit.baseline_latency",
                Problem::NegativeDuration,
            ),
            (|l| l.baseline_latency = LONG, "frame.set[0].limit.baseline_latency", DAY),
            (
                |l| l.baseline_latency = seconds(0),
                "frame.set[0].limit.baseline_latency",
                Problem::OutOfRange("above 0"),
            ),
        ],
    );
    table(
        v1::Breaker::default,
        |breaker| convert(v1::setpoint::Value::Breaker(breaker)),
        &[
            (|b| b.probe_ratio = NAN, "frame.set[0].breaker.probe_ratio", Problem::NotFinite),
            (|b| b.probe_ratio = 1.5, "frame.set[0].breaker.probe_ratio", TO_ONE),
            (|b| b.retry_after = NEGATIVE, "frame.set[0].breaker.retry_after", Problem::NegativeDuration),
        ],
    );
    let bad = convert(v1::setpoint::Value::Number(NAN)).expect_err("not a number");
    assert_eq!(bad.to_string(), "frame.set[0].number is not a finite number");
}

#[test]
fn what_this_build_does_not_know_is_listed_and_the_rest_passes() {
    use v1::setpoint::Value;
    let limits = [
        v1::Limit::default(),
        v1::Limit { concurrency: Some(1.0), rate_per_s: Some(1.0), ..Default::default() },
        v1::Limit { concurrency: Some(1.0), queue: Some(0), ..Default::default() },
        v1::Limit { concurrency: Some(1.0), floor: Some(1.0), ..Default::default() },
        v1::Limit { concurrency: Some(1.0), local_adapt: true, ..Default::default() },
        v1::Limit { rate_per_s: Some(1.0), priority_share: vec![1.0; 5], ..Default::default() },
        v1::Limit { rate_per_s: Some(1.0), baseline_latency: seconds(1), ..Default::default() },
    ];
    let mut values: Vec<Option<Value>> = limits.into_iter().map(|wire| Some(limit(wire))).collect();
    values.push(None);
    values.push(Some(Value::Gc(v1::GcTarget::default())));
    values.push(Some(Value::Parallelism(v1::Parallelism::default())));
    values.push(Some(Value::Breaker(v1::Breaker { state: 77, ..Default::default() })));
    let mut unknown: Vec<_> =
        (0..values.len()).map(|i| setpoint(&format!("k{i}"), Value::On(true))).collect();
    for (setpoint, value) in unknown.iter_mut().zip(values) {
        setpoint.value = value;
    }
    let mut odd_lease = setpoint("odd-lease", Value::On(true));
    odd_lease.lease = Some(v1::Lease { on_expiry: 9, ..Default::default() });
    unknown.push(odd_lease);
    let names: Vec<String> = unknown.iter().map(|setpoint| setpoint.knob.clone()).collect();

    let set = [vec![setpoint("known", Value::Number(1.0))], unknown].concat();
    let heard = from_sidecar(server_message::Msg::Frame(v1::Frame { set, ..frame() }));
    let Ok(ToSdk::Frame(heard)) = heard else { panic!("{heard:?}") };
    assert_eq!(heard.set.len(), 1);
    assert_eq!(heard.unsupported.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
    assert!(heard.unsupported.iter().all(|(_, why)| why.contains("build")), "{:?}", heard.unsupported);

    let (odd_kind, odd_restrictive) =
        (v1::Knob { kind: 99, ..knob("c") }, v1::Knob { restrictive: 9, ..knob("d") });
    let hello = v1::Hello { knobs: vec![knob("a"), odd_kind, odd_restrictive], ..hello() };
    let heard = from_sdk(client_message::Msg::Hello(hello));
    let Ok(ToSidecar::Hello(heard)) = heard else { panic!("{heard:?}") };
    assert_eq!((heard.knobs.len(), heard.unsupported.len()), (1, 2));
}

#[test]
fn unknown_enums_outside_a_setpoint_do_no_harm() {
    let result = v1::Applied { status: 42, detail: "news".to_owned(), ..applied() };
    let ack = v1::Ack { channel: 1, nonce: 1, results: vec![result] };
    let Ok(ToSidecar::Ack(ack)) = from_sdk(client_message::Msg::Ack(ack)) else { panic!("refused") };
    assert_eq!(ack.results[0].status, Status::Unsupported);
    assert_eq!(ack.results[0].detail, "status 42 is not known to this build");

    let renewal = |channel| v1::ChannelVersion { channel, version: Some(v1::Version { epoch: 1, seq: 2 }) };
    let beat = v1::Beat { renew: vec![renewal(1), renewal(42)], ..Default::default() };
    let Ok(ToSdk::Beat(beat)) = from_sidecar(server_message::Msg::Beat(beat)) else { panic!("refused") };
    assert_eq!(beat.renew.len(), 1);
}

#[test]
fn a_message_of_an_unknown_kind_can_be_told_from_a_bad_one() {
    let unknown = to_sdk(v1::ServerMessage { msg: None }).expect_err("no kind");
    assert!(unknown.is_unknown_message());
    assert_eq!(unknown.to_string(), "message is of an unknown kind");
    assert!(to_sidecar(v1::ClientMessage { msg: None }).expect_err("no kind").is_unknown_message());
    let bad = from_sidecar(server_message::Msg::Welcome(v1::Welcome::default())).expect_err("no protocol");
    assert!(!bad.is_unknown_message());
}

#[test]
fn absent_fields_have_their_documented_defaults() {
    let Ok(ToSdk::Welcome(welcome)) = from_sidecar(server_message::Msg::Welcome(welcome())) else {
        panic!("refused")
    };
    let millis = [welcome.beat_every, welcome.lost_after, welcome.report_every].map(|d| d.as_millis());
    assert_eq!(millis, [1000, 5000, 100]);
    let open = v1::setpoint::Value::Breaker(v1::Breaker { state: 3, ..Default::default() });
    let bare = v1::Setpoint { knob: "a".to_owned(), value: Some(open), ..Default::default() };
    let wire = v1::Frame { set: vec![bare], ..frame() };
    let Ok(ToSdk::Frame(heard)) = from_sidecar(server_message::Msg::Frame(wire)) else { panic!("refused") };
    assert_eq!(heard.set[0].lease, setpoint_policies::lease::Lease::default());
    assert_eq!(format!("{:?}", heard.set[0].value), "Breaker(Open { retry_after: 1s })");
    let drain = from_sidecar(server_message::Msg::Drain(v1::Drain::default()));
    assert_eq!(
        drain,
        Ok(ToSdk::Drain { retry_after: std::time::Duration::from_secs(1), why: String::new() })
    );
}

#[test]
fn a_frame_that_cannot_be_read_can_be_answered() {
    let mut wire = frame();
    wire.set.push(setpoint("b", v1::setpoint::Value::Number(NAN)));
    let message = v1::ServerMessage { msg: Some(server_message::Msg::Frame(wire)) };
    let ack = crate::convert::refusal(&message).expect("a frame with a channel");
    to_sdk(message).expect_err("not a number");
    let results: Vec<_> = ack.results.iter().map(|result| (result.knob.as_str(), result.status)).collect();
    assert_eq!(results, [("a", Status::Rejected), ("b", Status::Rejected)]);
    assert_eq!(ack.nonce, 1);
    assert!(bounds::KNOBS >= ack.results.len());
}
