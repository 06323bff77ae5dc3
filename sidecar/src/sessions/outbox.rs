//! What to send next on one stream, and what the answers mean. Pure: no clock, no channel, no task.
//!
//! | rule | how |
//! |---|---|
//! | at most one unacknowledged frame per channel (R3) | a lane is closed from a frame to its ack |
//! | newest wins, nothing queues | a frame is built from the newest desired state at the moment of sending |
//! | SAFETY overtakes | lanes are tried in the order of [`Channel::ALL`] |
//! | only what changed is sent | the desired state is compared with what was last sent, by value |
//! | a refused value is not asked for again | until the wanted value changes, a frame carries what stands instead |

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_policies::knob::KnobName;
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;
use setpoint_proto::message::{Ack, Channel, Frame, Setpoint, Status, Version};

use super::desired::{Desired, Wanted};
use super::refusal::{Cause, Refusal};

/// The sending side of one stream.
#[derive(Debug, Default)]
pub struct Outbox {
    nonce: u64,
    lanes: [Lane; Channel::ALL.len()],
}

#[derive(Debug, Default)]
struct Lane {
    last: Option<Sent>,
    /// Since when `last` waits for its ack.
    waiting_since: Option<Timestamp>,
    acknowledged: Option<Version>,
    refused: BTreeMap<KnobName, Refused>,
}

#[derive(Debug)]
struct Sent {
    nonce: u64,
    version: Version,
    wanted: Arc<Wanted>,
}

/// A value that the SDK did not take.
#[derive(Debug)]
struct Refused {
    wanted: Value,
    status: Status,
}

/// How well the SDK follows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Delivery {
    /// Since when the oldest unacknowledged frame waits.
    pub waiting_since: Option<Timestamp>,
    /// Whether some wanted value stands refused.
    pub refused: bool,
}

impl Outbox {
    /// The most urgent channel whose desired state has not been sent and may be sent now.
    pub fn due(&self, desired: &Desired) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| {
            desired.channel(*channel).is_some_and(|wanted| self.lanes[*channel as usize].is_due(wanted))
        })
    }

    /// The next frame, if one is due. `in_force` tells what stands where a value was refused.
    pub fn frame(
        &mut self,
        desired: &Desired,
        now: Timestamp,
        version: impl FnOnce() -> Version,
        in_force: impl Fn(&KnobName) -> Option<Value>,
    ) -> Option<Frame> {
        let channel = self.due(desired)?;
        let wanted = Arc::clone(desired.channel(channel)?);
        let lane = &mut self.lanes[channel as usize];
        self.nonce += 1;
        let sent = Sent { nonce: self.nonce, version: version(), wanted };
        let frame = Frame {
            channel,
            nonce: sent.nonce,
            version: sent.version,
            config_revision: sent.wanted.revision.clone(),
            set: lane.setpoints(&sent.wanted, in_force),
            unsupported: Vec::new(),
            atomic: false,
            mode: sent.wanted.mode,
            watched: sent.wanted.watched.clone(),
        };
        lane.last = Some(sent);
        lane.waiting_since = Some(now);
        Some(frame)
    }

    /// Takes an ack. Gives what the acknowledged frame asked for; `None` when the ack is about an older frame.
    ///
    /// An ack may come again for the newest frame: a deferred value has been applied since.
    ///
    /// # Errors
    /// When no such frame was sent.
    pub fn acknowledge(&mut self, ack: &Ack) -> Result<Option<Arc<Wanted>>, Refusal> {
        let lane = &mut self.lanes[ack.channel as usize];
        match &lane.last {
            Some(sent) if sent.nonce == ack.nonce => {
                let wanted = Arc::clone(&sent.wanted);
                lane.acknowledged = Some(sent.version);
                lane.waiting_since = None;
                lane.note_refused(ack, &wanted);
                Ok(Some(wanted))
            }
            Some(sent) if ack.nonce < sent.nonce => Ok(None),
            _ => {
                let text =
                    format!("ack.nonce {} was never sent on channel {}", ack.nonce, ack.channel.name());
                Err(Refusal::new(Cause::Malformed, text))
            }
        }
    }

    /// The versions whose leases a beat renews: the newest acknowledged one of each channel.
    pub fn renewals(&self) -> Vec<(Channel, Version)> {
        let acknowledged = |channel: Channel| self.lanes[channel as usize].acknowledged;
        Channel::ALL.into_iter().filter_map(|channel| Some((channel, acknowledged(channel)?))).collect()
    }

    /// Whether the newest frame of some channel names a knob.
    pub fn names(&self, knob: &KnobName) -> bool {
        let newest = self.lanes.iter().filter_map(|lane| lane.last.as_ref());
        newest.flat_map(|sent| &sent.wanted.set).any(|setpoint| setpoint.knob == *knob)
    }

    /// How well the SDK follows.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            waiting_since: self.lanes.iter().filter_map(|lane| lane.waiting_since).min(),
            refused: self.lanes.iter().any(|lane| !lane.refused.is_empty()),
        }
    }
}

impl Lane {
    fn is_due(&self, wanted: &Wanted) -> bool {
        self.waiting_since.is_none() && !self.last.as_ref().is_some_and(|sent| sent.wanted.same_as(wanted))
    }

    /// The setpoints of a frame: complete, but without asking again for what was refused.
    fn setpoints(&mut self, wanted: &Wanted, in_force: impl Fn(&KnobName) -> Option<Value>) -> Vec<Setpoint> {
        self.refused.retain(|knob, refused| wanted.value(knob.as_str()) == Some(refused.wanted));
        let as_sent = |setpoint: &Setpoint| match self.refused.get(&setpoint.knob) {
            None => Some(setpoint.clone()),
            Some(Refused { status: Status::Unsupported, .. }) => None,
            // Absent would mean "back to baseline", so what stands is sent in its place.
            Some(_) => Some(Setpoint { value: in_force(&setpoint.knob)?, ..setpoint.clone() }),
        };
        wanted.set.iter().filter_map(as_sent).collect()
    }

    fn note_refused(&mut self, ack: &Ack, wanted: &Wanted) {
        for result in &ack.results {
            let (Some(value), Ok(knob)) = (wanted.value(&result.knob), KnobName::try_new(&result.knob))
            else {
                continue;
            };
            match result.status {
                Status::Rejected | Status::Unsupported => {
                    self.refused.insert(knob, Refused { wanted: value, status: result.status });
                }
                // What a substitute was answered says nothing about the value that it stands for.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
