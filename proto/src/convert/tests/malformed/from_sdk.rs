//! What an SDK says.

use setpoint_policies::knob::InvalidKnob;

use super::super::sound::{applied, from_sdk, hello, knob, report, seconds};
use super::*;
use crate::v1::{self, client_message};

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
            (
                |r| r.breakers = (0..257).map(|i| (format!("breaker.n{i}"), 1)).collect(),
                "report.breakers",
                Problem::TooMany(256),
            ),
            (|r| r.breakers = [(String::new(), 1)].into(), "report.breakers", Problem::InvalidName),
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
            (|c| c.throttled_time_ratio = Some(1.1), "report.container.throttled_time_ratio", TO_ONE),
            (|c| c.cpu_used_cores = Some(-1.0), "report.container.cpu_used_cores", FROM_ZERO),
            (
                |c| c.cpu_quota_cores = Some(0.0),
                "report.container.cpu_quota_cores",
                Problem::OutOfRange("above 0"),
            ),
            (|c| c.cpu_affinity_cores = Some(NAN), "report.container.cpu_affinity_cores", Problem::NotFinite),
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
            (|r| r.gc_pause_p99_seconds = Some(-1.0), "report.runtime.gc_pause_p99_seconds", FROM_ZERO),
            (|r| r.run_delay_share = Some(-1.0), "report.runtime.run_delay_share", FROM_ZERO),
            (|r| r.gc_cpu_seconds = Some(NAN), "report.runtime.gc_cpu_seconds", Problem::NotFinite),
            (|r| r.gc_cpu_share = Some(1.1), "report.runtime.gc_cpu_share", TO_ONE),
            (
                |r| r.sched_latency_p99_seconds = Some(INF),
                "report.runtime.sched_latency_p99_seconds",
                Problem::NotFinite,
            ),
            (|r| r.parallelism = Some(0), "report.runtime.parallelism", Problem::OutOfRange("above 0")),
        ],
    );
}
