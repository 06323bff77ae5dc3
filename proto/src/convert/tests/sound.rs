//! A sound message of each kind in its wire form, for tests to spoil.

use prost_types::Duration;

use crate::convert::{BadField, to_sdk, to_sidecar};
use crate::message::{ToSdk, ToSidecar};
use crate::v1::{self, client_message, server_message};

pub fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

pub fn knob(name: &str) -> v1::Knob {
    v1::Knob { name: name.to_owned(), kind: 1, max: 9.0, baseline: 5.0, ..Default::default() }
}

pub fn applied() -> v1::Applied {
    v1::Applied { knob: "k".to_owned(), status: 1, ..Default::default() }
}

pub fn hello() -> v1::Hello {
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

pub fn report() -> v1::Report {
    let slow = v1::SlowCalls { after: Some(Duration { seconds: 1, nanos: 0 }), calls: 1 };
    let stats = v1::ResourceStats { knob: "a".to_owned(), slow: vec![slow], ..Default::default() };
    v1::Report {
        resources: vec![stats],
        container: Some(v1::ContainerStats::default()),
        runtime: Some(v1::RuntimeStats::default()),
        ..Default::default()
    }
}

pub fn setpoint(name: &str, value: v1::setpoint::Value) -> v1::Setpoint {
    let evidence = v1::Evidence { signal: "s".to_owned(), ..Default::default() };
    v1::Setpoint {
        knob: name.to_owned(),
        value: Some(value),
        lease: Some(v1::Lease::default()),
        reason: Some(v1::Reason { evidence: vec![evidence], ..Default::default() }),
        decision_id: 1,
    }
}

pub fn limit(limit: v1::Limit) -> v1::setpoint::Value {
    v1::setpoint::Value::Limit(limit)
}

pub fn frame() -> v1::Frame {
    let value = limit(v1::Limit { concurrency: Some(10.0), ..Default::default() });
    v1::Frame {
        channel: 2,
        nonce: 1,
        version: Some(v1::Version { epoch: 1, seq: 1 }),
        set: vec![setpoint("a", value)],
        watch: vec![v1::Watch { resource: "db".to_owned(), after: seconds(1) }],
        ..Default::default()
    }
}

pub fn welcome() -> v1::Welcome {
    v1::Welcome { protocol: 1, ..Default::default() }
}

pub fn from_sdk(msg: client_message::Msg) -> Result<ToSidecar, BadField> {
    to_sidecar(v1::ClientMessage { msg: Some(msg) })
}

pub fn from_sidecar(msg: server_message::Msg) -> Result<ToSdk, BadField> {
    to_sdk(v1::ServerMessage { msg: Some(msg) })
}
