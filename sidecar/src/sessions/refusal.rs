//! Why a client was turned away or its session ended by us: one closed enum for the status code, the metric and the log.

use std::fmt;

/// What a client did, or what we are out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Its user and group are not allowed to connect.
    Peer,
    /// No hello in time.
    HelloMissing,
    /// Something else before the hello, or a second one.
    HelloOrder,
    /// No common protocol version.
    Protocol,
    /// An older life of a process that is connected.
    Incarnation,
    /// A newer connection of the same process took over.
    Replaced,
    /// As many sessions as there may be.
    Sessions,
    /// As many connections as there may be.
    Connections,
    /// A field breaks a rule of the contract, or the bytes are no message.
    Malformed,
    /// A message above the size limit.
    TooLarge,
    /// More knobs than a process may have.
    Knobs,
    /// More messages per second than a session may send.
    Flood,
    /// It does not read what we send.
    SlowReader,
    /// We are going away.
    Draining,
}

impl Cause {
    /// Whether this happens in the best of worlds, so that it is no news.
    pub const fn is_orderly(self) -> bool {
        matches!(self, Self::Replaced | Self::Draining)
    }

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::HelloMissing => "hello_missing",
            Self::HelloOrder => "hello_order",
            Self::Protocol => "protocol",
            Self::Incarnation => "incarnation",
            Self::Replaced => "replaced",
            Self::Sessions => "sessions",
            Self::Connections => "connections",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Knobs => "knobs",
            Self::Flood => "flood",
            Self::SlowReader => "slow_reader",
            Self::Draining => "draining",
        }
    }
}

/// The end of a session that the client did not ask for. The text is for people and names the field that is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub cause: Cause,
    /// One sentence.
    pub text: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}
