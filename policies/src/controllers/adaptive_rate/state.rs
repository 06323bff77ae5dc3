//! What is known of a callee, and what is made of each look at it.

use std::sync::Arc;
use std::time::Duration;

use super::AdaptiveRate;
use super::curve::Curve;
use super::look::{Look, Mark};
use crate::decision::Action;
use crate::policy::{Proposal, Seen, Want};
use crate::reason::{RateReason, Reason};
use crate::time::Timestamp;
use crate::totals::Totals;

/// With less of the rate used than this, it is not what holds calls back.
const USED: f64 = 0.8;
/// A callee that refuses so many and says when to come back means all calls.
const REFUSES_MOST: f64 = 0.5;
/// A callee is left alone for so long at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Moments that differ by less are the same.
const ROUNDING_NANOS: u64 = 1_000_000;
/// What is in force is something else than we wanted when it differs by more than this share,
const APART: f64 = 0.02;
/// in so many looks in a row: then something else holds it.
const HELD_LOOKS: u32 = 3;

#[derive(Debug)]
pub(super) struct State {
    curve: Curve,
    /// Where the curve is.
    rate: f64,
    mark: Mark,
    /// No cut and no growth before then.
    cool_until: Option<Timestamp>,
    asked: Asked,
    /// The callee refuses most calls and has said until when.
    left_alone: bool,
    held_looks: u32,
    /// What was said last, for the ticks between two looks.
    said: Proposal,
}

impl State {
    pub(super) fn start(spec: &AdaptiveRate, seen: &Seen<'_>, totals: &Arc<Totals>) -> Self {
        let rate = spec.bounded(seen.in_force.scalar());
        Self {
            curve: Curve::level(spec, rate),
            rate,
            mark: Mark::new(totals),
            cool_until: None,
            asked: Asked::default(),
            left_alone: false,
            held_looks: 0,
            said: want(spec, rate, Action::Hold, Reason::Measuring { samples: 0 }),
        }
    }

    pub(super) fn step(&mut self, spec: &AdaptiveRate, seen: &Seen<'_>, totals: &Arc<Totals>) -> Proposal {
        if let Some(left) = self.cool_until.map(|until| until.since(seen.now)).filter(|left| !left.is_zero())
        {
            // What comes back now was sent before the cut.
            self.mark = Mark::new(totals);
            return Proposal::new(self.said.want, Action::Hold, Reason::CoolDown { left });
        }
        self.cool_until = None;
        let wait = self.asked.wait(totals);
        if self.left_alone && wait.is_zero() {
            self.left_alone = false;
            self.mark = Mark::new(totals);
            self.said = want(spec, self.rate, Action::Increase, self.growing());
        }
        if let Some(look) = self.mark.look(totals) {
            self.follow(spec, seen);
            self.said = self.judge(spec, seen, &look, wait);
        }
        self.said
    }

    /// New bounds hold at once.
    pub(super) fn respec(&mut self, spec: &AdaptiveRate) {
        self.rate = spec.bounded(self.rate);
        self.said.want = Want::Set(spec.value(self.rate));
    }

    /// Goes on from what something else holds the rate at.
    fn follow(&mut self, spec: &AdaptiveRate, seen: &Seen<'_>) {
        let in_force = seen.in_force.scalar();
        let wanted = if self.left_alone { spec.min } else { self.rate };
        let wanted = seen.knob.fit(wanted).unwrap_or(wanted);
        let apart = (in_force - wanted).abs() > APART * wanted;
        self.held_looks = if apart { self.held_looks + 1 } else { 0 };
        if self.held_looks >= HELD_LOOKS {
            self.held_looks = 0;
            self.rate = spec.bounded(in_force);
            self.curve.go_on_from(self.rate);
        }
    }

    fn judge(&mut self, spec: &AdaptiveRate, seen: &Seen<'_>, look: &Look, wait: Duration) -> Proposal {
        let refused = look.refused();
        let (used, rate) = (look.used(), seen.in_force.scalar());
        if look.stalled {
            return Proposal::new(self.said.want, Action::Hold, Reason::Stalled);
        }
        let overload = refused > spec.tolerate;
        if overload && !self.left_alone {
            self.cut(spec, seen.now, look);
        }
        self.left_alone |= overload && refused >= REFUSES_MOST && !wait.is_zero();
        if self.left_alone {
            return want(spec, spec.min, Action::Decrease, RateReason::RetryAfter { left: wait });
        }
        if overload {
            let reason =
                RateReason::Overload { ratio: refused, tolerated: spec.tolerate, accepted: look.accepted() };
            return want(spec, self.rate, Action::Decrease, reason);
        }
        if !wait.is_zero() {
            return want(spec, self.rate, Action::Hold, RateReason::RetryAfter { left: wait });
        }
        if seen.capped {
            return want(spec, self.rate, Action::Hold, Reason::Capped);
        }
        if used < USED * rate || look.ended() == 0 {
            return want(spec, self.rate, Action::Hold, RateReason::AppLimited { used, rate });
        }
        let grown = self.curve.grow(look.seconds).min(2.0 * used).max(self.rate);
        self.rate = spec.bounded(grown);
        want(spec, self.rate, Action::Increase, self.growing())
    }

    fn cut(&mut self, spec: &AdaptiveRate, now: Timestamp, look: &Look) {
        let (used, accepted) = (look.used(), look.accepted());
        let plateau = used.min(accepted.max(spec.cut_to * used));
        let rate = (spec.cut_to * used).min(accepted).max(used / 2.0);
        self.rate = spec.bounded(rate.min(self.rate));
        self.curve = Curve::below(spec, self.rate, plateau);
        self.cool_until = Some(now + spec.cool_down);
    }

    const fn growing(&self) -> RateReason {
        RateReason::Growing { plateau: self.curve.plateau() }
    }
}

fn want(spec: &AdaptiveRate, rate: f64, action: Action, reason: impl Into<Reason>) -> Proposal {
    Proposal::new(Want::Set(spec.value(rate)), action, reason)
}

/// What the callee asked for last, and until when that is heeded. Times of the SDK's clock, nanoseconds.
#[derive(Debug, Default)]
struct Asked {
    not_before: u64,
    until: u64,
}

impl Asked {
    /// How long the callee is to be left alone from now on.
    fn wait(&mut self, totals: &Totals) -> Duration {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let not_before = totals.retry_after.map_or(0, |wait| totals.at_nanos.saturating_add(nanos(wait)));
        // A report says how long is left: the same moment, but for what is rounded on the way.
        if not_before > self.not_before.saturating_add(ROUNDING_NANOS) {
            self.not_before = not_before;
            self.until = not_before.min(totals.at_nanos.saturating_add(nanos(LONGEST_WAIT)));
        }
        Duration::from_nanos(self.until.saturating_sub(totals.at_nanos))
    }
}
