//! Frames and their acks.

use setpoint_policies::totals::Watch;

use super::field::{self, At};
use super::{BadField, Problem, admission, setpoint};
use crate::bounds;
use crate::message::{Ack, Applied, Channel, Frame, Mode, Status, Version};
use crate::v1;

pub(super) fn frame(wire: &v1::Frame) -> Result<Frame, BadField> {
    let (set, unsupported) = field::known("set", &wire.set, |setpoint| &setpoint.knob, setpoint::setpoint)?;
    Ok(Frame {
        channel: channel(wire.channel).at("channel")?,
        nonce: wire.nonce,
        version: wire.version.map(version).ok_or(Problem::Missing).at("version")?,
        config_revision: field::text(&wire.config_revision, bounds::STRING_BYTES).at("config_revision")?,
        set,
        unsupported,
        atomic: wire.atomic,
        mode: mode(wire.mode).at("mode")?,
        watched: watched(&wire.watch)?,
    })
}

/// The answer to a frame that cannot be converted: every knob that it names keeps its value. `None` when the message is
/// no frame, or names no known channel and so cannot be answered.
///
/// It has to be taken before [`super::to_sdk`] consumes the message; without an answer the sender would wait for it.
pub fn refusal(message: &v1::ServerMessage) -> Option<Ack> {
    let Some(v1::server_message::Msg::Frame(wire)) = &message.msg else { return None };
    let rejected = |setpoint: &v1::Setpoint| Applied {
        knob: field::short(&setpoint.knob),
        status: Status::Rejected,
        effective: 0.0,
        detail: String::new(),
        version: None,
        lease_left: None,
        shares: None,
    };
    Some(Ack {
        channel: channel(wire.channel).ok()?,
        nonce: wire.nonce,
        results: wire.set.iter().take(bounds::KNOBS).map(rejected).collect(),
    })
}

pub(super) fn channel(wire: i32) -> Result<Channel, Problem> {
    use v1::frame::Channel as Wire;
    match Wire::try_from(wire) {
        Ok(Wire::Unspecified) => Err(Problem::Missing),
        Ok(Wire::Safety) => Ok(Channel::Safety),
        Ok(Wire::Limits) => Ok(Channel::Limits),
        Ok(Wire::Runtime) => Ok(Channel::Runtime),
        Ok(Wire::Custom) => Ok(Channel::Custom),
        Err(_) => Err(Problem::UnknownValue(wire)),
    }
}

fn watched(wire: &[v1::Watch]) -> Result<Vec<Watch>, BadField> {
    field::count(wire.len(), bounds::WATCHED).at("watch")?;
    let watch = |wire: &v1::Watch| {
        let resource = field::present(&wire.resource).at("resource")?.into();
        let after = field::duration(wire.after.as_ref()).and_then(|after| after.ok_or(Problem::Missing));
        Ok::<_, BadField>(Watch { resource, after: after.at("after")? })
    };
    wire.iter().enumerate().map(|(i, entry)| watch(entry).at_index("watch", i)).collect()
}

fn mode(wire: i32) -> Result<Mode, Problem> {
    match v1::frame::Mode::try_from(wire) {
        Ok(v1::frame::Mode::Apply) => Ok(Mode::Apply),
        Ok(v1::frame::Mode::Shadow) => Ok(Mode::Shadow),
        Err(_) => Err(Problem::UnknownValue(wire)),
    }
}

pub(super) fn version(wire: v1::Version) -> Version {
    Version { epoch: wire.epoch, seq: wire.seq }
}

pub(super) fn ack(wire: &v1::Ack) -> Result<Ack, BadField> {
    let channel = channel(wire.channel).at("channel")?;
    Ok(Ack { channel, nonce: wire.nonce, results: results("results", &wire.results)? })
}

pub(super) fn results(list: &str, wire: &[v1::Applied]) -> Result<Vec<Applied>, BadField> {
    field::count(wire.len(), bounds::KNOBS).at(list)?;
    wire.iter().enumerate().map(|(i, entry)| applied(entry).at_index(list, i)).collect()
}

fn applied(wire: &v1::Applied) -> Result<Applied, BadField> {
    let (status, unknown) = status(wire.status).at("status")?;
    let detail = field::text(&wire.detail, bounds::TEXT_BYTES).at("detail")?;
    Ok(Applied {
        knob: field::text(&wire.knob, bounds::STRING_BYTES).at("knob")?,
        status,
        effective: field::finite(wire.effective).at("effective")?,
        detail: unknown.unwrap_or(detail),
        version: wire.version.map(version),
        lease_left: field::duration(wire.lease_left.as_ref()).at("lease_left")?,
        shares: admission::shares(&wire.priority_share)?,
    })
}

/// The status, and a text when it is none that this build knows. An ack has to be understood, so that is unsupported
/// (R6): the value is not in force as far as this build can tell.
fn status(wire: i32) -> Result<(Status, Option<String>), Problem> {
    use v1::applied::Status as Wire;
    let status = match Wire::try_from(wire) {
        Ok(Wire::Unspecified) => return Err(Problem::Missing),
        Ok(Wire::Applied) => Status::Applied,
        Ok(Wire::Clamped) => Status::Clamped,
        Ok(Wire::Deferred) => Status::Deferred,
        Ok(Wire::Rejected) => Status::Rejected,
        Ok(Wire::Unsupported) => Status::Unsupported,
        Ok(Wire::Shadowed) => Status::Shadowed,
        Ok(Wire::LocalOverride) => Status::LocalOverride,
        Err(_) => {
            return Ok((Status::Unsupported, Some(format!("status {wire} is not known to this build"))));
        }
    };
    Ok((status, None))
}

/// The wire form of a frame.
pub fn encode(frame: &Frame) -> v1::Frame {
    let mode = match frame.mode {
        Mode::Apply => v1::frame::Mode::Apply,
        Mode::Shadow => v1::frame::Mode::Shadow,
    };
    v1::Frame {
        channel: encode_channel(frame.channel).into(),
        nonce: frame.nonce,
        version: Some(encode_version(frame.version)),
        config_revision: field::short(&frame.config_revision),
        set: frame.set.iter().map(setpoint::encode).collect(),
        atomic: frame.atomic,
        mode: mode.into(),
        watch: frame.watched.iter().take(bounds::WATCHED).map(encode_watch).collect(),
    }
}

fn encode_watch(watch: &Watch) -> v1::Watch {
    v1::Watch { resource: field::short(&watch.resource), after: field::encode_duration(watch.after) }
}

pub(super) fn encode_channel(channel: Channel) -> v1::frame::Channel {
    match channel {
        Channel::Safety => v1::frame::Channel::Safety,
        Channel::Limits => v1::frame::Channel::Limits,
        Channel::Runtime => v1::frame::Channel::Runtime,
        Channel::Custom => v1::frame::Channel::Custom,
    }
}

pub(super) fn encode_version(version: Version) -> v1::Version {
    v1::Version { epoch: version.epoch, seq: version.seq }
}

pub(super) fn encode_ack(ack: &Ack) -> v1::Ack {
    v1::Ack {
        channel: encode_channel(ack.channel).into(),
        nonce: ack.nonce,
        results: encode_results(&ack.results),
    }
}

/// The wire form of what is in force.
pub fn encode_results(results: &[Applied]) -> Vec<v1::Applied> {
    let encode = |applied: &Applied| v1::Applied {
        knob: field::short(&applied.knob),
        status: encode_status(applied.status).into(),
        effective: if applied.effective.is_finite() { applied.effective } else { 0.0 },
        detail: field::clip(&applied.detail, bounds::TEXT_BYTES),
        version: applied.version.map(encode_version),
        lease_left: applied.lease_left.and_then(field::encode_duration),
        priority_share: admission::encode_shares(applied.shares),
    };
    results.iter().map(encode).collect()
}

fn encode_status(status: Status) -> v1::applied::Status {
    use v1::applied::Status as Wire;
    match status {
        Status::Applied => Wire::Applied,
        Status::Clamped => Wire::Clamped,
        Status::Deferred => Wire::Deferred,
        Status::Rejected => Wire::Rejected,
        Status::Unsupported => Wire::Unsupported,
        Status::Shadowed => Wire::Shadowed,
        Status::LocalOverride => Wire::LocalOverride,
    }
}
