//! Frames in, acks out: which knobs the sidecar wants where.
//!
//! A frame is the complete state of one channel, so there is nothing to merge: what it names is wanted, what it names no
//! more goes back to its baseline, and everything older is void. Only a newer `seq` counts within a stream. A new stream
//! starts afresh, but what is in force stays until a frame or the end of its lease says otherwise, which is why a restarted
//! sidecar causes no jump.

mod answer;
mod atomic;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use setpoint_policies::knob::{Knob, KnobName};
use setpoint_policies::lease::Phase;
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::Watch;
use setpoint_proto::bounds;
use setpoint_proto::message::{Ack, Applied, Channel, Frame, KnobUpdate, Mode, Setpoint, Version};

use super::goal::Push;
use super::lease::LeaseClock;
use super::tuned::Tuned;
use super::verdict::Verdict;
use crate::actuator::Actuator;
use answer::{Line, lines};

/// Every knob of the process, and the newest frame of each channel.
#[derive(Default)]
pub(super) struct Applier {
    tuned: BTreeMap<KnobName, Tuned>,
    epoch: Option<u64>,
    newest: BTreeMap<Channel, Newest>,
    /// The latencies that the sidecar's policies watch.
    watched: Vec<Watch>,
    disabled: bool,
}

/// The newest frame of a channel, as far as its ack needs it.
struct Newest {
    version: Version,
    nonce: u64,
    lines: Vec<Line>,
    /// An atomic frame that waits until none of its knobs has to.
    waiting: Option<Frame>,
}

impl Applier {
    /// Takes the knobs that exist now, [`bounds::KNOBS`] at most. Returns what came and went.
    pub(super) fn sync(&mut self, actuators: Vec<Arc<dyn Actuator>>) -> KnobUpdate {
        let present: BTreeMap<KnobName, _> =
            actuators.into_iter().map(|actuator| (actuator.knob().name.clone(), actuator)).collect();
        let gone = |name: &&KnobName| !present.contains_key(*name);
        let remove: Vec<KnobName> = self.tuned.keys().filter(gone).cloned().collect();
        self.tuned.retain(|name, _| present.contains_key(name));
        let mut add = Vec::new();
        for (name, actuator) in present {
            if self.tuned.contains_key(&name) {
                continue;
            }
            if self.tuned.len() >= bounds::KNOBS {
                tracing::warn!(knob = %name, limit = bounds::KNOBS, "too many knobs: this one is not announced");
                continue;
            }
            add.push(Knob::clone(&actuator.knob()));
            self.count_slow(&*actuator);
            self.tuned.insert(name, Tuned::new(actuator));
        }
        KnobUpdate { add, unsupported: Vec::new(), remove }
    }

    /// Every knob.
    pub(super) fn tuned(&self) -> impl Iterator<Item = &Tuned> {
        self.tuned.values()
    }

    /// A new stream: what was pushed on the last one stays in force, but orders nothing. What another sidecar watched is
    /// of no use to this one.
    pub(super) fn start_stream(&mut self, epoch: u64) {
        if self.epoch.replace(epoch) != Some(epoch) {
            self.watch(&[]);
        }
        self.newest.clear();
    }

    /// The epoch of the stream.
    pub(super) const fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// Turns the kill switch. The knobs themselves are switched by their actuators, and have been.
    pub(super) fn set_disabled(&mut self, disabled: bool) {
        self.disabled = disabled;
        self.tuned.values_mut().for_each(Tuned::read_again);
    }

    /// Puts a frame in force and answers it.
    pub(super) fn frame(&mut self, frame: &Frame, now: Timestamp) -> Ack {
        if let Some(why) = self.void(frame) {
            let lines = lines(frame, |_| Some(Verdict::Rejected(why.to_owned())));
            return self.answer(frame.channel, frame.nonce, &lines);
        }
        if frame.channel == Channel::Safety {
            self.watch(&frame.watched);
        }
        let (lines, waiting) = match frame.mode {
            Mode::Shadow => (self.shadow(frame), None),
            Mode::Apply if frame.atomic => self.put_together(frame, now),
            Mode::Apply => (self.put_each(frame, now), None),
        };
        let ack = self.answer(frame.channel, frame.nonce, &lines);
        let newest = Newest { version: frame.version, nonce: frame.nonce, lines, waiting };
        self.newest.insert(frame.channel, newest);
        ack
    }

    /// Why a frame does not count.
    fn void(&self, frame: &Frame) -> Option<&'static str> {
        if self.epoch != Some(frame.version.epoch) {
            return Some("of another epoch than the stream");
        }
        let newest = self.newest.get(&frame.channel)?;
        (frame.version.seq <= newest.version.seq).then_some("not newer than the frame before")
    }

    /// The sidecar's policies watch these latencies and no others.
    fn watch(&mut self, watched: &[Watch]) {
        if self.watched != watched {
            self.watched = watched.to_vec();
            self.tuned.values().for_each(|tuned| self.count_slow(tuned.actuator()));
        }
    }

    fn count_slow(&self, actuator: &dyn Actuator) {
        let knob = actuator.knob();
        let own = self.watched.iter().filter(|watch| knob.name.resource() == Some(&watch.resource));
        actuator.count_slower_than(&own.map(|watch| watch.after).collect::<Vec<_>>());
    }

    fn shadow(&self, frame: &Frame) -> Vec<Line> {
        lines(frame, |setpoint| Some(self.check(setpoint).err().unwrap_or(Verdict::Shadowed)))
    }

    fn check(&self, setpoint: &Setpoint) -> Result<(), Verdict> {
        match self.tuned.get(&setpoint.knob) {
            Some(tuned) => tuned.check(&setpoint.value),
            None => Err(Verdict::Unsupported("no knob of this name".to_owned())),
        }
    }

    fn put_each(&mut self, frame: &Frame, now: Timestamp) -> Vec<Line> {
        self.release_absent(frame, now);
        lines(frame, |setpoint| {
            let checked = self.check(setpoint);
            let tuned = self.tuned.get_mut(&setpoint.knob);
            match (checked, tuned) {
                (Ok(()), Some(tuned)) => {
                    tuned.want(push(frame, setpoint, now));
                    tuned.settle(now, now, true);
                    None
                }
                (Err(refused), Some(tuned)) => {
                    tuned.adopt(frame.channel, frame.version, now);
                    Some(refused)
                }
                (checked, None) => checked.err(),
            }
        })
    }

    /// Knobs that this channel held and names no more. One that it names unreadably is left to the end of its lease.
    fn release_absent(&mut self, frame: &Frame, now: Timestamp) {
        let readable = frame.set.iter().map(|setpoint| setpoint.knob.as_str());
        let unreadable = frame.unsupported.iter().map(|(name, _)| name.as_str());
        let named: BTreeSet<&str> = readable.chain(unreadable).collect();
        for (name, tuned) in &mut self.tuned {
            let held = tuned.push().is_some_and(|push| push.channel == frame.channel);
            if held && !named.contains(name.as_str()) {
                tuned.release();
                tuned.settle(now, now, true);
            }
        }
    }

    /// Every knob to its baseline at once: the session is over.
    pub(super) fn release_all(&mut self, now: Timestamp) {
        for tuned in self.tuned.values_mut() {
            tuned.abandon(now);
        }
    }

    /// The leases of these versions start again.
    pub(super) fn renew(&mut self, versions: &[(Channel, Version)], now: Timestamp) {
        for &(channel, version) in versions {
            for tuned in self.tuned.values_mut() {
                tuned.renew(channel, version, now);
            }
        }
    }

    /// Whether the value of one of these versions was let go because its lease had run out.
    pub(super) fn lapsed(&self, versions: &[(Channel, Version)]) -> bool {
        let lapsed =
            |tuned: &Tuned| versions.iter().any(|&(channel, version)| tuned.lapsed(channel, version));
        self.tuned.values().any(lapsed)
    }

    /// Moves every knob to where it should be now. Returns the acks that have changed, such as that of a value that had to
    /// wait.
    pub(super) fn tick(&mut self, now: Timestamp, judge_at: Timestamp) -> Vec<Ack> {
        let mut changed = BTreeSet::new();
        for tuned in self.tuned.values_mut() {
            if tuned.settle(now, judge_at, false) {
                changed.extend(tuned.push().map(|push| push.channel));
            }
        }
        for channel in Channel::ALL {
            if self.retry_waiting(channel, now) {
                changed.insert(channel);
            }
        }
        changed.into_iter().filter_map(|channel| self.ack(channel)).collect()
    }

    /// The answers to every channel's newest frame, as things stand now.
    pub(super) fn acks(&self) -> Vec<Ack> {
        self.newest.keys().filter_map(|channel| self.ack(*channel)).collect()
    }

    fn ack(&self, channel: Channel) -> Option<Ack> {
        let newest = self.newest.get(&channel)?;
        Some(self.answer(channel, newest.nonce, &newest.lines))
    }

    fn answer(&self, channel: Channel, nonce: u64, lines: &[Line]) -> Ack {
        answer::ack(channel, nonce, lines, &self.tuned, self.disabled)
    }

    /// The answer to a frame that could not be read, with what is in force all the same.
    pub(super) fn refuse(&self, mut ack: Ack, why: &str) -> Ack {
        for result in &mut ack.results {
            let tuned = KnobName::try_new(&result.knob).ok().and_then(|name| self.tuned.get(&name));
            result.effective = tuned.map_or(0.0, Tuned::effective);
            why.clone_into(&mut result.detail);
        }
        ack
    }

    /// What is in force now, for a hello.
    pub(super) fn state(&self, at: Timestamp) -> Vec<Applied> {
        answer::state(&self.tuned, self.disabled, at)
    }

    /// The newest version that a knob holds, for a hello.
    pub(super) fn last_applied(&self) -> Option<Version> {
        answer::newest(&self.tuned)
    }

    /// The phase of every lease.
    pub(super) fn phases(&self, at: Timestamp) -> impl Iterator<Item = Phase> {
        self.tuned().filter_map(move |tuned| Some(tuned.push()?.lease.phase(at)))
    }
}

fn push(frame: &Frame, setpoint: &Setpoint, now: Timestamp) -> Push {
    Push {
        channel: frame.channel,
        version: frame.version,
        wanted: setpoint.value,
        admission: setpoint.admission,
        lease: LeaseClock::start(setpoint.lease, now),
        why: setpoint.why.clone(),
    }
}
