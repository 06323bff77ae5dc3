//! Frames that are all or nothing.
//!
//! A knob that cannot take its value is found before anything is touched, wherever that can be known: an unknown name, a
//! value of another kind, a value that was refused before. Only a refusal by the service itself comes late, and then
//! everything is taken back. While one knob has to wait for its dwell, all wait.

use setpoint_policies::knob::KnobName;
use setpoint_policies::time::Timestamp;
use setpoint_proto::message::{Channel, Frame, Setpoint};

use super::Applier;
use super::answer::{Line, all_or_nothing, lines};
use crate::session::tuned::Tuned;
use crate::session::verdict::Verdict;

impl Applier {
    /// All or nothing: nothing when one knob cannot take its value, nothing yet while one has to wait.
    pub(super) fn put_together(&mut self, frame: &Frame, now: Timestamp) -> (Vec<Line>, Option<Frame>) {
        let mut refusals: Vec<_> = frame.set.iter().map(|setpoint| self.check(setpoint).err()).collect();
        if frame.unsupported.is_empty() && refusals.iter().all(Option::is_none) {
            let must_wait = |setpoint: &Setpoint| {
                self.tuned.get(&setpoint.knob).is_some_and(|tuned| tuned.would_wait(&setpoint.value, now))
            };
            if frame.set.iter().any(must_wait) {
                self.adopt(frame, now);
                return (lines(frame, |_| Some(Verdict::Deferred)), Some(frame.clone()));
            }
            let before = self.tuned.clone();
            let lines = self.put_each(frame, now);
            refusals = frame.set.iter().map(|setpoint| self.refusal(&setpoint.knob)).collect();
            if refusals.iter().all(Option::is_none) {
                return (lines, None);
            }
            for (tuned, before) in self.tuned.values_mut().zip(before.into_values()) {
                tuned.roll_back(before);
            }
        }
        self.adopt(frame, now);
        (all_or_nothing(frame, &refusals), None)
    }

    /// The frame changed nothing: what stands in its channel lives on under its version.
    fn adopt(&mut self, frame: &Frame, now: Timestamp) {
        for tuned in self.tuned.values_mut() {
            tuned.adopt(frame.channel, frame.version, now);
        }
    }

    fn refusal(&self, name: &KnobName) -> Option<Verdict> {
        self.tuned
            .get(name)
            .map(Tuned::verdict)
            .filter(|verdict| matches!(verdict, Verdict::Rejected(_)))
            .cloned()
    }

    /// True when an atomic frame waits no longer.
    pub(super) fn retry_waiting(&mut self, channel: Channel, now: Timestamp) -> bool {
        let Some(frame) = self.newest.get_mut(&channel).and_then(|newest| newest.waiting.take()) else {
            return false;
        };
        let (lines, waiting) = self.put_together(&frame, now);
        let done = waiting.is_none();
        if let Some(newest) = self.newest.get_mut(&channel) {
            (newest.lines, newest.waiting) = (lines, waiting);
        }
        done
    }
}
