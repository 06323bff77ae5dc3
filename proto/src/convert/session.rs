//! The messages that make and keep a session: hello, welcome, beats and the two ways to end.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_policies::knob::KnobName;

use super::field::{self, At};
use super::{BadField, Problem, frame, knob};
use crate::bounds;
use crate::message::{Channel, Hello, SdkBeat, SidecarBeat, ToSdk, ToSidecar, Version, Welcome};
use crate::v1;

const BEAT_EVERY: Duration = Duration::from_secs(1);
const LOST_AFTER: Duration = Duration::from_secs(5);
const REPORT_EVERY: Duration = Duration::from_millis(100);
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) fn hello(wire: &v1::Hello) -> Result<Hello, BadField> {
    if wire.protocol_max == 0 {
        return Err(Problem::Missing).at("protocol_max");
    }
    if wire.protocol_min > wire.protocol_max {
        return Err(Problem::OutOfRange("at most protocol_max")).at("protocol_min");
    }
    let (knobs, unsupported) = knob::knobs("knobs", &wire.knobs)?;
    let label = |value: &String| field::text(value, bounds::STRING_BYTES);
    Ok(Hello {
        protocol_min: wire.protocol_min,
        protocol_max: wire.protocol_max,
        service: field::present(&wire.service).at("service")?,
        instance_id: field::present(&wire.instance_id).at("instance_id")?,
        incarnation: wire.incarnation,
        sdk: field::text(&wire.sdk, bounds::STRING_BYTES).at("sdk")?,
        runtime: field::text(&wire.runtime, bounds::STRING_BYTES).at("runtime")?,
        labels: field::map("labels", &wire.labels, bounds::LABELS, label)?,
        capabilities: capabilities(&wire.capabilities)?,
        knobs,
        unsupported,
        last_applied: wire.last_applied.map(frame::version),
        state: frame::results("state", &wire.state)?,
    })
}

fn capabilities(wire: &[v1::Capability]) -> Result<BTreeMap<String, u32>, BadField> {
    field::count(wire.len(), bounds::CAPABILITIES).at("capabilities")?;
    let mut capabilities = BTreeMap::new();
    for (i, capability) in wire.iter().enumerate() {
        let name = field::present(&capability.name).at("name").at_index("capabilities", i)?;
        if capabilities.insert(name, capability.version).is_some() {
            return Err(Problem::Duplicate).at_index("capabilities", i);
        }
    }
    Ok(capabilities)
}

pub(super) fn welcome(wire: &v1::Welcome) -> Result<Welcome, BadField> {
    if wire.protocol == 0 {
        return Err(Problem::Missing).at("protocol");
    }
    let beat_every = period(wire.beat_every.as_ref(), BEAT_EVERY).at("beat_every")?;
    let lost_after = field::duration_or(wire.lost_after.as_ref(), LOST_AFTER).at("lost_after")?;
    if lost_after < 3 * beat_every {
        return Err(Problem::OutOfRange("at least 3 beats")).at("lost_after");
    }
    Ok(Welcome {
        protocol: wire.protocol,
        epoch: wire.epoch,
        capabilities: capabilities(&wire.capabilities)?,
        beat_every,
        lost_after,
        report_every: period(wire.report_every.as_ref(), REPORT_EVERY).at("report_every")?,
        unbound: field::names(&wire.unbound, "unbound")?,
        missing: field::names(&wire.missing, "missing")?,
        config_revision: field::text(&wire.config_revision, bounds::STRING_BYTES).at("config_revision")?,
    })
}

fn period(wire: Option<&prost_types::Duration>, default: Duration) -> Result<Duration, Problem> {
    match field::duration_or(wire, default)? {
        period if period < bounds::PERIOD_MIN => Err(Problem::OutOfRange("at least 10 ms")),
        period => Ok(period),
    }
}

pub(super) fn sidecar_beat(wire: &v1::Beat) -> Result<SidecarBeat, BadField> {
    field::count(wire.renew.len(), bounds::RENEWALS).at("renew")?;
    let renewals = wire.renew.iter().enumerate().map(|(i, entry)| renewal(entry).at_index("renew", i));
    Ok(SidecarBeat {
        n: wire.n,
        loop_tick: wire.loop_tick,
        loop_age: field::duration_or(wire.loop_age.as_ref(), Duration::ZERO).at("loop_age")?,
        oldest_signal_age: field::duration(wire.oldest_signal_age.as_ref()).at("oldest_signal_age")?,
        renew: renewals.filter_map(Result::transpose).collect::<Result<_, _>>()?,
    })
}

/// A channel that this build does not know holds nothing that could be renewed (R6).
fn renewal(wire: &v1::ChannelVersion) -> Result<Option<(Channel, Version)>, BadField> {
    let version = wire.version.map(frame::version).ok_or(Problem::Missing).at("version")?;
    match frame::channel(wire.channel) {
        Ok(channel) => Ok(Some((channel, version))),
        Err(Problem::UnknownValue(_)) => Ok(None),
        Err(problem) => Err(problem).at("channel"),
    }
}

pub(super) fn sdk_beat(wire: &v1::Beat) -> Result<SdkBeat, BadField> {
    let app_stall = field::duration_or(wire.app_stall.as_ref(), Duration::ZERO).at("app_stall")?;
    Ok(SdkBeat { n: wire.n, app_stall })
}

pub(super) fn drain(wire: &v1::Drain) -> Result<ToSdk, BadField> {
    let retry_after = field::duration_or(wire.retry_after.as_ref(), RETRY_AFTER).at("retry_after")?;
    Ok(ToSdk::Drain { retry_after, why: field::text(&wire.why, bounds::TEXT_BYTES).at("why")? })
}

pub(super) fn goodbye(wire: &v1::Goodbye) -> Result<ToSidecar, BadField> {
    Ok(ToSidecar::Goodbye { why: field::text(&wire.why, bounds::TEXT_BYTES).at("why")? })
}

pub(super) fn encode_hello(hello: &Hello) -> v1::Hello {
    let labels = hello.labels.iter().filter(|(key, _)| !key.is_empty()).take(bounds::LABELS);
    v1::Hello {
        protocol_min: hello.protocol_min,
        protocol_max: hello.protocol_max,
        service: field::short(&hello.service),
        instance_id: field::short(&hello.instance_id),
        incarnation: hello.incarnation,
        sdk: field::short(&hello.sdk),
        runtime: field::short(&hello.runtime),
        labels: labels.map(|(key, value)| (field::short(key), field::short(value))).collect(),
        capabilities: encode_capabilities(&hello.capabilities),
        knobs: hello.knobs.iter().map(knob::encode).collect(),
        last_applied: hello.last_applied.map(frame::encode_version),
        state: frame::encode_results(&hello.state),
        token: Vec::new(),
    }
}

fn encode_capabilities(capabilities: &BTreeMap<String, u32>) -> Vec<v1::Capability> {
    let encode = |(name, &version): (&String, &u32)| v1::Capability { name: field::short(name), version };
    capabilities.iter().take(bounds::CAPABILITIES).map(encode).collect()
}

pub(super) fn encode_welcome(welcome: &Welcome) -> v1::Welcome {
    let names = |names: &[KnobName]| names.iter().map(|name| name.as_str().to_owned()).collect();
    v1::Welcome {
        protocol: welcome.protocol,
        epoch: welcome.epoch,
        capabilities: encode_capabilities(&welcome.capabilities),
        beat_every: field::encode_duration(welcome.beat_every),
        lost_after: field::encode_duration(welcome.lost_after),
        report_every: field::encode_duration(welcome.report_every),
        unbound: names(&welcome.unbound),
        missing: names(&welcome.missing),
        cohort: None,
        config_revision: field::short(&welcome.config_revision),
    }
}

pub(super) fn encode_sidecar_beat(beat: &SidecarBeat) -> v1::Beat {
    let renewal = |&(channel, version): &(Channel, Version)| v1::ChannelVersion {
        channel: frame::encode_channel(channel).into(),
        version: Some(frame::encode_version(version)),
    };
    v1::Beat {
        n: beat.n,
        loop_tick: beat.loop_tick,
        loop_age: field::encode_duration(beat.loop_age),
        oldest_signal_age: beat.oldest_signal_age.and_then(field::encode_duration),
        renew: beat.renew.iter().map(renewal).collect(),
        app_stall: None,
    }
}

pub(super) fn encode_sdk_beat(beat: &SdkBeat) -> v1::Beat {
    v1::Beat { n: beat.n, app_stall: field::encode_duration(beat.app_stall), ..Default::default() }
}

pub(super) fn encode_drain(retry_after: Duration, why: &str) -> v1::Drain {
    v1::Drain { retry_after: field::encode_duration(retry_after), why: field::clip(why, bounds::TEXT_BYTES) }
}

pub(super) fn encode_goodbye(why: &str) -> v1::Goodbye {
    v1::Goodbye { why: field::clip(why, bounds::TEXT_BYTES) }
}
