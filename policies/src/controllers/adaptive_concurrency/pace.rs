//! How a limit moves while there is no queue: up when it is in use, slowly down when it is not.

use super::law::{self, Zone};
use super::{AdaptiveConcurrencyPolicy, Sample};
use crate::decision::Action;
use crate::policy::{Proposal, Seen};
use crate::reason::Reason;
use crate::time::Timestamp;

/// What decides how fast the limit may grow.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pub(super) decreased_at: Option<Timestamp>,
    pub(super) streak: u32,
    pub(super) saturated_since: Option<Timestamp>,
    pub(super) verified_at: Option<Timestamp>,
}

impl AdaptiveConcurrencyPolicy {
    pub(super) fn relax(&mut self, seen: &Seen<'_>, in_force: f64, sample: &Sample) -> Proposal {
        let initial = self.spec.initial.unwrap_or(seen.knob.baseline);
        let room = self.bounded(initial.max(3.0 * sample.peak_recent as f64));
        self.limit = self.bounded(if in_force > room { room.max(0.98 * in_force) } else { in_force });
        self.want(Action::Hold, Reason::AppLimited { peak: sample.peak })
    }

    pub(super) fn grow(
        &mut self,
        now: Timestamp,
        in_force: f64,
        zone: Zone,
        sample: &Sample,
        gradient: f64,
    ) -> Proposal {
        let quiet_for = self.pace.decreased_at.map(|at| now.since(at));
        self.limit = match quiet_for {
            None if zone == Zone::Room && sample.stationary => self.bounded(1.5 * in_force),
            _ => {
                self.pace.streak = self.pace.streak.saturating_add(1);
                self.bounded(in_force + law::growth(in_force, zone, self.pace.streak, quiet_for))
            }
        };
        self.want(Action::Increase, Reason::Headroom { gradient })
    }

    pub(super) fn note_saturation(&mut self, now: Timestamp, saturated: bool) {
        if saturated {
            self.pace.saturated_since.get_or_insert(now);
        } else {
            self.pace.saturated_since = None;
        }
    }
}
