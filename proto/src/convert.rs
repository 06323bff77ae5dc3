//! Conversion between the wire and the domain: the only place that knows both.
//!
//! Rules, the same for every field: absent means the documented default; present but wrong is an error that names the
//! field; zero never means unlimited; a number that is not finite is refused; every count, text and duration is bounded
//! by [`crate::bounds`]. A single knob or setpoint of a kind, value or enum that this build does not know is no error: it
//! is listed in `unsupported` of its message and answered so (R6). A message of an unknown kind is a [`BadField`] for
//! which [`BadField::is_unknown_message`] holds; its receiver counts and ignores it.
//!
//! Encoding cannot fail, and what it makes is never refused by the other end for its texts, numbers or durations: texts
//! are clipped, durations capped, and evidence or signals that are no finite numbers left out, because the explanation
//! of a setpoint must not be able to stop it. Counts of knobs and setpoints are the sender's to keep.

mod admission;
mod bad_field;
mod field;
mod frame;
mod knob;
mod report;
mod runtime;
mod session;
mod setpoint;
mod signals;
#[cfg(test)]
mod tests;
mod value;

pub use bad_field::{BadField, Problem};
pub use frame::{encode as encode_frame, encode_results, refusal};
pub use knob::encode as encode_knob;
pub use setpoint::encode_why;

use crate::message::{ToSdk, ToSidecar};
use crate::v1;
use field::At;

/// What an SDK sent.
///
/// # Errors
/// The first field that breaks a rule.
pub fn to_sidecar(message: v1::ClientMessage) -> Result<ToSidecar, BadField> {
    use v1::client_message::Msg;
    match message.msg.ok_or(Problem::UnknownMessage)? {
        Msg::Hello(hello) => session::hello(&hello).at("hello").map(Box::new).map(ToSidecar::Hello),
        Msg::Ack(ack) => frame::ack(&ack).at("ack").map(ToSidecar::Ack),
        Msg::Report(report) => report::report(&report).at("report").map(Box::new).map(ToSidecar::Report),
        Msg::Beat(beat) => session::sdk_beat(&beat).at("beat").map(ToSidecar::Beat),
        Msg::Knobs(update) => knob::update(&update).at("knobs").map(ToSidecar::Knobs),
        Msg::Goodbye(goodbye) => session::goodbye(&goodbye).at("goodbye"),
    }
}

/// What the sidecar sent.
///
/// # Errors
/// The first field that breaks a rule.
pub fn to_sdk(message: v1::ServerMessage) -> Result<ToSdk, BadField> {
    use v1::server_message::Msg;
    match message.msg.ok_or(Problem::UnknownMessage)? {
        Msg::Welcome(welcome) => session::welcome(&welcome).at("welcome").map(Box::new).map(ToSdk::Welcome),
        Msg::Frame(frame) => frame::frame(&frame).at("frame").map(Box::new).map(ToSdk::Frame),
        Msg::Beat(beat) => session::sidecar_beat(&beat).at("beat").map(ToSdk::Beat),
        Msg::Drain(drain) => session::drain(&drain).at("drain"),
    }
}

/// The wire form of what an SDK says.
pub fn encode_to_sidecar(message: &ToSidecar) -> v1::ClientMessage {
    use v1::client_message::Msg;
    let msg = match message {
        ToSidecar::Hello(hello) => Msg::Hello(session::encode_hello(hello)),
        ToSidecar::Ack(ack) => Msg::Ack(frame::encode_ack(ack)),
        ToSidecar::Report(report) => Msg::Report(report::encode(report)),
        ToSidecar::Beat(beat) => Msg::Beat(session::encode_sdk_beat(beat)),
        ToSidecar::Knobs(update) => Msg::Knobs(knob::encode_update(update)),
        ToSidecar::Goodbye { why } => Msg::Goodbye(session::encode_goodbye(why)),
    };
    v1::ClientMessage { msg: Some(msg) }
}

/// The wire form of what the sidecar says.
pub fn encode_to_sdk(message: &ToSdk) -> v1::ServerMessage {
    use v1::server_message::Msg;
    let msg = match message {
        ToSdk::Welcome(welcome) => Msg::Welcome(session::encode_welcome(welcome)),
        ToSdk::Frame(frame) => Msg::Frame(frame::encode(frame)),
        ToSdk::Beat(beat) => Msg::Beat(session::encode_sidecar_beat(beat)),
        ToSdk::Drain { retry_after, why } => Msg::Drain(session::encode_drain(*retry_after, why)),
    };
    v1::ServerMessage { msg: Some(msg) }
}
