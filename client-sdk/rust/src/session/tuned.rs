//! One knob under the sidecar's hand: from what was pushed, and how old that is, to what is in force.
//!
//! Where it should go now is in [`super::goal`]; [`Tuned::settle`] moves the actuator towards it and may be called at any time
//! and any number of times. So a new frame, a renewed lease, a lease that runs out and a dwell that ends are one and the
//! same thing. How fast a move may go is in [`super::pace`]; what the service does meanwhile in `service`.

mod service;
mod told;

use std::sync::Arc;

use setpoint_policies::admission::Admission;
use setpoint_policies::knob::Knob;
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;
use setpoint_proto::message::{Channel, Version, Why};

use super::actuate::{LEASE_OVER, RELEASED, ROLLED_BACK, apply, said};
use super::goal::{Goal, Push, fitted};
use super::pace::{self, Pace};
use super::verdict::Verdict;
use crate::actuator::Actuator;
use told::Told;

/// A knob, what was pushed to it and what was put in force.
#[derive(Clone)]
pub(super) struct Tuned {
    actuator: Arc<dyn Actuator>,
    knob: Arc<Knob>,
    push: Option<Push>,
    /// What the actuator took last; the baseline before that.
    asked: Value,
    /// What it read back then, or when its owner took or gave back the knob since.
    read_back: Value,
    /// What its owner held it at when it was last looked at.
    pinned: Option<Value>,
    /// The sidecar's word that the actuator was told of last, while it counts.
    word: Option<(Value, Admission)>,
    /// The service had not taken the newest value when it was last looked at.
    behind: bool,
    /// What it took last under a lease: a decay starts here.
    leased: Value,
    /// What it refused last, and why; not tried again.
    refused: Option<(Value, String)>,
    moved: Option<Timestamp>,
    told: Told,
    /// `max_change_ratio` cut the last move; the rest follows.
    walking: bool,
    verdict: Verdict,
}

impl Tuned {
    pub(super) fn new(actuator: Arc<dyn Actuator>) -> Self {
        let knob = actuator.knob();
        let baseline = knob.baseline_value();
        let read_back = actuator.in_force();
        Self {
            actuator,
            knob,
            push: None,
            asked: baseline,
            read_back,
            pinned: None,
            behind: false,
            word: None,
            leased: baseline,
            refused: None,
            moved: None,
            told: Told::default(),
            walking: false,
            verdict: Verdict::Applied,
        }
    }

    pub(super) fn knob(&self) -> &Arc<Knob> {
        &self.knob
    }

    pub(super) fn actuator(&self) -> &dyn Actuator {
        &*self.actuator
    }

    pub(super) const fn push(&self) -> Option<&Push> {
        self.push.as_ref()
    }

    /// What became of the newest push.
    pub(super) const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The value read back, as one number.
    pub(super) fn effective(&self) -> f64 {
        self.actuator.in_force().scalar()
    }

    /// Whether this knob can be set to `wanted` at all.
    ///
    /// # Errors
    /// The verdict that says why not.
    pub(super) fn check(&self, wanted: &Value) -> Result<(), Verdict> {
        let same_kind = std::mem::discriminant(wanted) == std::mem::discriminant(&self.knob.baseline_value());
        if !self.knob.hot {
            return Err(Verdict::Unsupported("takes effect only after a restart".to_owned()));
        }
        if !same_kind {
            return Err(Verdict::Unsupported("takes no value of this kind".to_owned()));
        }
        if wanted.scalar().is_nan() {
            return Err(Verdict::Rejected("not a number".to_owned()));
        }
        match &self.refused {
            Some((value, why)) if *value == self.fitted(wanted) => Err(Verdict::Rejected(why.clone())),
            _ => Ok(()),
        }
    }

    /// Takes what the sidecar wants now; [`Tuned::settle`] puts it in force.
    pub(super) fn want(&mut self, push: Push) {
        self.push = Some(push);
    }

    /// The sidecar wants nothing of this knob any more.
    pub(super) fn release(&mut self) {
        self.push = None;
    }

    /// A newer frame of the channel did not change this knob: what stands is what the sidecar has of it, and lives on.
    pub(super) fn adopt(&mut self, channel: Channel, version: Version, now: Timestamp) {
        if let Some(push) = self.push.as_mut().filter(|push| push.channel == channel) {
            push.version = version;
            push.lease.renew(now);
        }
    }

    /// To the baseline at once: nobody will look after this knob any more.
    pub(super) fn abandon(&mut self, now: Timestamp) {
        self.push = None;
        self.tell(None);
        self.actuator.close();
        if let Err(why) = self.put(self.knob.baseline_value(), &RELEASED, false, now) {
            tracing::error!(knob = %self.knob.name, why, "the baseline was refused");
        }
    }

    /// The lease of this version starts again.
    pub(super) fn renew(&mut self, channel: Channel, version: Version, now: Timestamp) {
        if let Some(push) =
            self.push.as_mut().filter(|push| (push.channel, push.version) == (channel, version))
        {
            push.lease.renew(now);
        }
    }

    /// Whether the value of this version was let go because its lease had run out: a renewal cannot bring it back.
    pub(super) fn lapsed(&self, channel: Channel, version: Version) -> bool {
        let of_version = |push: &Push| (push.channel, push.version) == (channel, version);
        self.word.is_none() && self.push.as_ref().is_some_and(of_version)
    }

    /// Whether a move to `wanted` would have to wait.
    pub(super) fn would_wait(&self, wanted: &Value, now: Timestamp) -> bool {
        self.actuator.behind() || self.pace(self.fitted(wanted), true, now) == Pace::Wait
    }

    /// Moves the actuator towards the goal. Leases are judged at `judge_at` (see [`super::stall`]); `newly` says that the
    /// push was just taken. True when the sidecar is to be told: the verdict has changed, or what the owner holds.
    pub(super) fn settle(&mut self, now: Timestamp, judge_at: Timestamp, newly: bool) -> bool {
        let owners_move = self.owners_move();
        self.catch_up();
        let goal = Goal::of(self.push.as_ref(), &self.knob, &self.leased, judge_at);
        let word = match &goal {
            Goal::Leased(push) => Some((push.wanted, push.admission)),
            Goal::Released | Goal::Expired(_) => None,
        };
        let verdict = match goal {
            Goal::Leased(push) => {
                let verdict = self.approach(self.fitted(&push.wanted), &push.why, newly, now);
                self.leased = self.asked;
                match verdict {
                    Verdict::Applied if self.fitted(&push.wanted) != push.wanted => {
                        Verdict::Clamped("cut to the knob's bounds and quantum")
                    }
                    verdict => verdict,
                }
            }
            Goal::Released => self.approach(self.knob.baseline_value(), &RELEASED, newly, now),
            Goal::Expired(value) => {
                self.walking = false;
                self.put(value, &LEASE_OVER, newly, now)
                    .map_or_else(Verdict::Rejected, |()| self.verdict.clone())
            }
        };
        // After the value: a bound of the reflex that the word lifts has then nothing left to uncover.
        self.tell(word);
        self.behind = self.actuator.behind();
        let verdict = match verdict {
            _ if self.pinned.is_some() => Verdict::LocalOverride,
            Verdict::Applied | Verdict::Clamped(_) if self.behind => Verdict::Behind,
            verdict => verdict,
        };
        let before = std::mem::replace(&mut self.verdict, verdict);
        owners_move || before != self.verdict
    }

    /// Takes everything back to `before`, because another knob of the same atomic frame was refused.
    pub(super) fn roll_back(&mut self, before: Self) {
        let moved_on = self.asked != before.asked;
        let refused = self.refused.take();
        let word = self.word;
        *self = before;
        let before = std::mem::replace(&mut self.word, word);
        self.tell(before);
        self.refused = refused.or(self.refused.take());
        if moved_on && let Err(why) = apply(&*self.actuator, &self.asked, &ROLLED_BACK) {
            tracing::error!(knob = %self.knob.name, why, "the value before an atomic frame was refused");
        }
    }

    /// Tells the actuator of the sidecar's word, when there is a new one or the last one counts no more.
    fn tell(&mut self, word: Option<(Value, Admission)>) {
        if self.word != word {
            self.word = word;
            self.actuator.admit(word.map(|(_, admission)| admission));
        }
    }

    /// A paced move.
    fn approach(&mut self, goal: Value, why: &Why, newly: bool, now: Timestamp) -> Verdict {
        let (next, whole) = match self.pace(goal, newly, now) {
            Pace::Wait if self.walking && !newly => return self.verdict.clone(),
            Pace::Wait => return Verdict::Deferred,
            Pace::Whole => (goal, true),
            Pace::Part(part) => (goal.with_scalar(part), false),
        };
        if let Err(why) = self.put(next, why, newly, now) {
            return Verdict::Rejected(why);
        }
        self.walking = !whole;
        if !whole {
            Verdict::Clamped("moves no further than max_change_ratio at a time; the rest follows")
        } else if self.read_back.scalar() == goal.scalar() {
            Verdict::Applied
        } else {
            Verdict::Clamped("cut by the service")
        }
    }

    fn pace(&self, goal: Value, newly: bool, now: Timestamp) -> Pace {
        let walking = self.walking && !newly;
        pace::pace(&self.knob, self.asked, goal, self.moved.map(|moved| now.since(moved)), walking)
    }

    fn tell_move(&mut self, to: &Value, why: &Why) {
        let news = self.told.is_news(to, why.rule == LEASE_OVER.rule, self.knob.baseline);
        let (knob, from, to) = (&self.knob.name, said(&self.asked), said(to));
        let (reason, policy) = (&why.rule, &why.policy);
        if news {
            tracing::info!(%knob, from, to, %reason, %policy, "a knob was moved");
        } else {
            tracing::debug!(%knob, from, to, %reason, %policy, "a knob was moved");
        }
    }

    /// Puts `value` in force, unless it is already or was refused before.
    fn put(&mut self, value: Value, why: &Why, newly: bool, now: Timestamp) -> Result<(), String> {
        if let Some((_, why)) = self.refused.as_ref().filter(|(refused, _)| *refused == value) {
            return Err(why.clone());
        }
        let stands = value == self.asked && (!newly || self.actuator.in_force() == self.read_back);
        if stands {
            return Ok(());
        }
        match apply(&*self.actuator, &value, why) {
            Ok(read_back) => {
                self.tell_move(&read_back, why);
                if value != self.asked {
                    self.moved = Some(now);
                }
                (self.asked, self.read_back, self.refused) = (value, read_back, None);
                Ok(())
            }
            Err(why) => {
                tracing::warn!(knob = %self.knob.name, value = said(&value), why, "a value was refused");
                self.refused = Some((value, why.clone()));
                Err(why)
            }
        }
    }

    fn fitted(&self, wanted: &Value) -> Value {
        fitted(&self.knob, wanted)
    }
}
