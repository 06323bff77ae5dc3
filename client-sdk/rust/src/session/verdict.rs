//! What became of a setpoint, as it is told to the sidecar.

use setpoint_proto::message::{Applied, Status};

/// What became of a setpoint.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// In force as asked.
    Applied,
    /// In force, but cut; by what.
    Clamped(&'static str),
    /// Waits for the knob's dwell.
    Deferred,
    /// Waits for the service: its callback has not come back.
    Behind,
    /// Refused; the previous value stands.
    Rejected(String),
    /// Not for this knob or this build.
    Unsupported(String),
    /// Checked only.
    Shadowed,
    /// The service's owner holds the knob.
    LocalOverride,
}

impl Verdict {
    pub(super) const fn status(&self) -> Status {
        match self {
            Self::Applied => Status::Applied,
            Self::Clamped(_) => Status::Clamped,
            Self::Deferred | Self::Behind => Status::Deferred,
            Self::Rejected(_) => Status::Rejected,
            Self::Unsupported(_) => Status::Unsupported,
            Self::Shadowed => Status::Shadowed,
            Self::LocalOverride => Status::LocalOverride,
        }
    }

    pub(super) fn detail(&self) -> &str {
        match self {
            Self::Applied | Self::Shadowed => "",
            Self::Clamped(by) => by,
            Self::Deferred => "the knob's dwell is not over",
            Self::Behind => "the callback has not come back",
            Self::Rejected(why) | Self::Unsupported(why) => why,
            Self::LocalOverride => "the service's owner holds the knob",
        }
    }

    /// The line of an ack.
    pub(super) fn result(&self, knob: &str, effective: f64) -> Applied {
        Applied {
            knob: knob.to_owned(),
            status: self.status(),
            effective,
            detail: self.detail().to_owned(),
            version: None,
            lease_left: None,
            shares: None,
        }
    }
}
