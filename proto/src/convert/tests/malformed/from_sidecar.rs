//! What the sidecar says.

use super::super::sound::{frame, from_sidecar, limit, seconds, setpoint, welcome};
use super::*;
use crate::message::ToSdk;
use crate::v1::{self, server_message};

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
            (|f| f.watch = vec![f.watch[0].clone(); 1025], "frame.watch", Problem::TooMany(1024)),
            (|f| f.watch[0].resource.clear(), "frame.watch[0].resource", Problem::Missing),
            (|f| f.watch[0].after = None, "frame.watch[0].after", Problem::Missing),
            (|f| f.watch[0].after = LONG, "frame.watch[0].after", DAY),
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
            (
                |b| b.probe_deadline = NEGATIVE,
                "frame.set[0].breaker.probe_deadline",
                Problem::NegativeDuration,
            ),
            (|b| b.ramp = LONG, "frame.set[0].breaker.ramp", DAY),
            (|b| b.retry_after = NEGATIVE, "frame.set[0].breaker.retry_after", Problem::NegativeDuration),
        ],
    );
    runtime_targets_are_refused_by_field(&convert);
    let bad = convert(v1::setpoint::Value::Number(NAN)).expect_err("not a number");
    assert_eq!(bad.to_string(), "frame.set[0].number is not a finite number");
}

fn runtime_targets_are_refused_by_field(convert: &impl Fn(v1::setpoint::Value) -> Result<ToSdk, BadField>) {
    let bytes = Problem::OutOfRange("1 byte to 8 PiB, or 0 for unset");
    let percent = Problem::OutOfRange("1 to 100000, or 0 for unset");
    let threads = Problem::OutOfRange("1 to 65536, or 0 for unset");
    table::<v1::GcTarget, _>(
        || v1::GcTarget { mode: 1, budget_bytes: 1 << 30, fixed_percent: 60, ..Default::default() },
        |target| convert(v1::setpoint::Value::Gc(target)),
        &[
            (|g| g.mode = 0, "frame.set[0].gc.mode", Problem::Missing),
            (|g| g.budget_bytes = 0, "frame.set[0].gc.budget_bytes", Problem::Missing),
            (|g| g.budget_bytes = -1, "frame.set[0].gc.budget_bytes", bytes),
            (|g| g.budget_bytes = i64::MAX, "frame.set[0].gc.budget_bytes", bytes),
            (|g| g.memory_limit_bytes = -1, "frame.set[0].gc.memory_limit_bytes", bytes),
            (|g| g.percent_min = -1, "frame.set[0].gc.percent_min", percent),
            (|g| g.percent_max = i32::MAX, "frame.set[0].gc.percent_max", percent),
            (|g| g.fixed_percent = -1, "frame.set[0].gc.fixed_percent", percent),
            (
                |g| g.percent_min = 900,
                "frame.set[0].gc.percent_min",
                Problem::OutOfRange("at most percent_max"),
            ),
            (|g| g.gc_cpu_target = NAN, "frame.set[0].gc.gc_cpu_target", Problem::NotFinite),
            (|g| g.gc_cpu_cap = 1.5, "frame.set[0].gc.gc_cpu_cap", TO_ONE),
            (|g| (g.mode, g.fixed_percent) = (3, 0), "frame.set[0].gc.fixed_percent", Problem::Missing),
        ],
    );
    table::<v1::Parallelism, _>(
        || v1::Parallelism { threads: 1, ..Default::default() },
        |parallelism| convert(v1::setpoint::Value::Parallelism(parallelism)),
        &[
            (|p| p.threads = 0, "frame.set[0].parallelism.threads", Problem::Missing),
            (|p| p.threads = -1, "frame.set[0].parallelism.threads", threads),
            (|p| p.threads = i32::MAX, "frame.set[0].parallelism.threads", threads),
            (|p| p.blocking_threads = -1, "frame.set[0].parallelism.blocking_threads", threads),
        ],
    );
}
