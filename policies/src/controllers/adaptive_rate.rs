//! Finds the rate at which a callee answers nearly all calls.
//!
//! A paid API, a database behind a proxy, a service of another team: each allows so many calls a second, tells nobody how
//! many, and changes it. A fixed rate is too high, and then calls are refused that were paid for in time and retries, or too
//! low. What does tell is the answers: 429, `RESOURCE_EXHAUSTED`, overload. So the rate is cut when too many of them come,
//! and grows back otherwise: fast towards the rate of the last overload, slowly past it, then faster again. The obvious
//! curve, a constant step, is either slow after a large change or hits the ceiling all the time.
//!
//! Inputs: counters of the rate (admitted, completed, dropped, not before), or of the limiter of the same name where the
//! service tells nothing of its rate. Output: calls per second, and a burst. For calls that go out, and for those that come
//! in: then the outcomes are the service's own.
//!
//! ```text
//! cut    plateau = min(used, max(accepted, cut_to x used))        per second, in the last look
//!        rate    = max(used / 2, min(cut_to x used, accepted))
//! grow   rate    = plateau + depth ((t - recovery) / recovery)^3   t: time since the cut in which the rate was used
//!        depth   = max(plateau - rate after the cut, (1 - cut_to) plateau)
//!        rate   <= 2 x used
//! ```
//!
//! That is the curve of the client-side rate limiter in the AWS SDKs' adaptive retry mode (botocore, `retries/throttling.py`
//! and `adaptive.py`: `rate = 0.4 (t - k)^3 + w_max`, cut to 0.7, at most twice the measured rate), itself CUBIC of RFC 9438,
//! with one change: they fix the steepness, so that the time back to the plateau grows with the cube root of the rate, from
//! 2 s at 10 per second to 20 s at 10,000; here that time is the parameter, and a callee of any size is found equally
//! fast. What is ours: one cut for one overload (`cool_down`), what was accepted as the measure of a cut, the clock that
//! stands while the rate is not used, and the wait that a callee asks for.
//!
//! | what is seen | what is done | reason |
//! |---|---|---|
//! | more than `tolerate` of the calls refused | cut, then nothing for `cool_down` | overload |
//! | the callee asks to be left alone | no growth until then (60 s at most); `min`, if it refuses half of the calls | retry_after |
//! | less than 80 % of the rate used | no growth: nobody knows whether more would do | app_limited |
//! | else | grow | growing |
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `min` | 1/s | 0.001/s to 100000000/s | more calls to a callee that refuses all | fewer |
//! | `max` | 10000/s | `min` to 100000000/s | room to grow | a harder ceiling |
//! | `cut_to` | 70 % | 20 % to 95 % | fuller use, refusals more often | rarer refusals, less use |
//! | `recovery` | 5 s | 1 s to 10 min | rarer refusals, slower to find more | faster, more often refused |
//! | `tolerate` | 1 % | 0 % to 50 % | bears stray refusals | cuts at the first one |
//! | `cool_down` | 1 s | 100 ms to 1 min | for callees with a long latency | faster in finding a much lower rate |
//! | `burst` | 1 s | 1 ms to 1 min | more calls at once after a pause | smoother |
//!
//! Failure modes: without counters it holds for ten seconds and then gives the rate back to its baseline. A service that
//! tells no outcomes has no overload for it to see: then the rate stays where it is (`app_limited`). Refusals that have
//! nothing to do with the rate cut it all the same, down to `min` at worst, and it grows back when they end. A value that
//! something else holds (a pin, another policy) is where it goes on from.

use std::sync::Arc;
use std::time::Duration;

use crate::decision::Action;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{RateReason, Reason};
use crate::spec::Controller;
use crate::time::Timestamp;
use crate::totals::Totals;

mod curve;
mod look;
mod parameters;

use curve::Curve;
use look::{Look, Mark};
pub use parameters::AdaptiveRate;

const STALE_AFTER: Duration = Duration::from_secs(2);
/// With less of the rate used than this, it is not what holds calls back.
const USED: f64 = 0.8;
/// A callee that refuses so many and says when to come back means all calls.
const REFUSES_MOST: f64 = 0.5;
/// A callee is left alone for so long at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What is in force is something else than we wanted when it differs by more than this share,
const APART: f64 = 0.02;
/// in so many looks in a row: then something else holds it.
const HELD_LOOKS: u32 = 3;

/// A rate at work.
#[derive(Debug)]
pub struct AdaptiveRatePolicy {
    spec: AdaptiveRate,
    state: Option<State>,
    incarnation: u64,
}

#[derive(Debug)]
struct State {
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

impl AdaptiveRatePolicy {
    /// A policy that begins at what is in force.
    pub const fn new(spec: AdaptiveRate) -> Self {
        Self { spec, state: None, incarnation: 0 }
    }
}

impl State {
    fn start(spec: &AdaptiveRate, seen: &Seen<'_>, totals: &Arc<Totals>) -> Self {
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

    fn step(&mut self, spec: &AdaptiveRate, seen: &Seen<'_>, totals: &Arc<Totals>) -> Proposal {
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
        if totals.not_before_nanos != self.not_before {
            self.not_before = totals.not_before_nanos;
            let longest = totals.at_nanos.saturating_add(LONGEST_WAIT.as_nanos() as u64);
            self.until = self.not_before.min(longest);
        }
        Duration::from_nanos(self.until.saturating_sub(totals.at_nanos))
    }
}

impl Policy for AdaptiveRatePolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        if self.incarnation != seen.incarnation {
            (self.incarnation, self.state) = (seen.incarnation, None);
        }
        let totals = match seen.fresh_totals(STALE_AFTER) {
            Ok(totals) => totals,
            Err(unknown) => {
                if unknown.want == Want::Release {
                    self.state = None;
                }
                return unknown;
            }
        };
        let state = self.state.get_or_insert_with(|| State::start(&self.spec, seen, totals));
        state.step(&self.spec, seen, totals)
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::AdaptiveRate(spec) = controller else { return false };
        self.spec = spec.clone();
        if let Some(state) = &mut self.state {
            state.rate = spec.bounded(state.rate);
            state.said.want = Want::Set(spec.value(state.rate));
        }
        true
    }
}

#[cfg(test)]
mod tests;
