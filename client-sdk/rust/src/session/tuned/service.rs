//! What the service does to a knob by itself: its owner holds it, or its callback takes its time.

use super::Tuned;

impl Tuned {
    /// Something else than a push has changed what is in force.
    pub(in crate::session) fn read_again(&mut self) {
        self.read_back = self.actuator.in_force();
    }

    /// Whether the owner has taken the knob, moved it or given it back since this was asked last.
    pub(super) fn owners_move(&mut self) -> bool {
        let pinned = self.actuator.pinned();
        let moved = self.pinned != pinned;
        if moved {
            self.pinned = pinned;
            self.read_again();
        }
        moved
    }

    /// When the service's callback is back, what it made of the newest value is known.
    pub(super) fn catch_up(&mut self) {
        if !self.behind || self.actuator.behind() {
            return;
        }
        self.read_again();
        if let Some(why) = self.actuator.take_refusal() {
            tracing::warn!(knob = %self.knob.name, value = self.asked.scalar(), why, "a value was refused");
            self.refused = Some((self.asked, why));
            self.asked = self.read_back;
        }
    }
}
