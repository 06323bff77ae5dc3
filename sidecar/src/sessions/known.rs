//! What is known of one process: what it declared, what is in force there, what it measured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use setpoint_policies::admission::Shares;
use setpoint_policies::knob::{Knob, KnobName};
use setpoint_policies::signal::Signals;
use setpoint_policies::snapshot::Received;
use setpoint_policies::value::Value;
use setpoint_proto::message::{Applied, BreakerState, Channel, Status};

use super::outbox::Delivery;
use super::read_back;

/// What a session has been told.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) knobs: BTreeMap<KnobName, Arc<Knob>>,
    pub(super) in_force: BTreeMap<KnobName, Value>,
    pub(super) shares: BTreeMap<KnobName, Shares>,
    /// Held by the service's owner.
    pub(super) owned: BTreeSet<KnobName>,
    pub(super) totals: BTreeMap<KnobName, Received>,
    /// What breakers do with calls now.
    pub(super) breakers: BTreeMap<KnobName, BreakerState>,
    pub(super) signals: Signals,
    pub(super) delivery: Delivery,
}

impl Known {
    /// Takes what became of one setpoint; `asked`: the value of the frame.
    pub(super) fn read_back(&mut self, applied: &Applied, asked: Option<Value>) {
        let Ok(name) = KnobName::try_new(&applied.knob) else { return };
        let Some(knob) = self.knobs.get(&name) else { return };
        match applied.shares {
            Some(shares) => _ = self.shares.insert(name.clone(), shares),
            None => _ = self.shares.remove(&name),
        }
        match applied.status {
            Status::LocalOverride => _ = self.owned.insert(name.clone()),
            _ => _ = self.owned.remove(&name),
        }
        // Refused: what was in force still is. An SDK that could not even read the frame has no number to give.
        if matches!(applied.status, Status::Rejected | Status::Unsupported) {
            return;
        }
        if let Some(value) = read_back::value(knob, asked, applied.effective) {
            self.in_force.insert(name, value);
        }
    }

    /// What a frame of a channel names no more goes back to its baseline, and no line of the ack says so.
    pub(super) fn give_back(&mut self, channel: Channel, named: impl Fn(&KnobName) -> bool) {
        for (name, value) in &mut self.in_force {
            let released = Channel::of(value) == channel && !named(name) && !self.owned.contains(name);
            if let Some(knob) = self.knobs.get(name).filter(|_| released) {
                *value = knob.baseline_value();
                self.shares.remove(name);
            }
        }
    }
}
