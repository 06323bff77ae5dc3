//! The SDK's own fast reaction to an overload, between two pushes and without a sidecar.
//!
//! The sidecar decides every 100 ms on what it was told 100 ms ago, and it can be gone. The reflex looks at the limiter's
//! counters every 10 ms and knows two signs: calls in flight that are far older than a call ever was while callers are
//! rejected, and calls that end in overload. Then it bounds the limit, below what was asked for, to what the last 100 ms
//! have shown to be enough: `successes per second * max(1.5 * baseline latency, 0.35 * deadline)`.
//!
//! Why not simply cut for as long as the signs last: a dependency that hangs or has become slower shows the same signs,
//! and there less concurrency only means less work done. Fewer successes would mean a lower limit, and so on down to
//! nothing. So a cut is an experiment with an end:
//!
//! | state | leaves when | to |
//! |---|---|---|
//! | armed | a sign | cut, from what the limiter did *before* the cut |
//! | cut | it has held for [`HOLD`], the calls have drained to it, and the sign is gone: it helped | cut, twice as high; armed once that reaches the limit |
//! | cut, doubled | a sign | cut, as high as it was when it helped |
//! | cut | the same, but the sign is still there; or it has not drained within [`LONGEST_DRAIN`]: it did not help | resting, without a bound |
//! | cut | the sidecar has pushed: it knows more | resting for [`HOLD`], without a bound |
//! | cut | a sidecar steers and has not pushed for [`BRIDGE`]: it has seen what there is to see, and left the limit | resting, without a bound |
//! | resting | its time is over: 1 s, then twice as long after each cut that did not help, up to 32 s | armed |
//!
//! So whatever happens, no bound stands for longer than [`LONGEST_DRAIN`] without a proof that it helps, and one that does
//! not help stands for less than a tenth of the time in the long run.
//!
//! Inputs are the totals that are reported anyway ([`Totals`]); cost of a step: a few dozen nanoseconds, no allocation once
//! it runs. A gap between two steps (the process was stopped, the timer starved) makes every call look old, so the
//! reflex rests after one.

mod local;
mod recent;
mod sign;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::time::Timestamp;
use crate::totals::Totals;

pub use local::LocalBaseline;
use recent::{Marks, Recent};
use sign::{enough, lowest, sign};

/// How often [`Reflex::step`] is meant to be called.
pub const EVERY: Duration = Duration::from_millis(10);
/// Signs and throughput are looked for in this much of the past.
pub const WINDOW: Duration = Duration::from_millis(100);
/// A cut holds for this long before it is judged, and so does every doubling after it.
pub const HOLD: Duration = Duration::from_millis(500);
/// While a sidecar steers, a cut only bridges the time that it needs to answer.
pub const BRIDGE: Duration = Duration::from_millis(300);
/// Calls in flight have this long to drain to a cut.
pub const LONGEST_DRAIN: Duration = Duration::from_secs(2);

const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(32);
/// A bound that takes away less than this is not worth an experiment.
const WORTH: f64 = 0.9;

/// What a cut was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Calls in flight are far older than a call ever was, and callers are rejected.
    OldCalls,
    /// Calls end in overload.
    Drops,
    /// The breaker of the same name recovers. Not the reflex itself, but held down all the same.
    Recovery,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 3] = [Self::OldCalls, Self::Drops, Self::Recovery];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OldCalls => "old_calls",
            Self::Drops => "drops",
            Self::Recovery => "recovery",
        }
    }
}

/// A bound below the limit that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// At most so many calls.
    pub cap: f64,
    /// Why.
    pub cause: Cause,
    since: Timestamp,
    /// Half as high it helped.
    doubled: bool,
}

/// What the limiter is allowed without the reflex.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// The limit that was asked for.
    pub limit: f64,
    /// Its hard lower bound.
    pub floor: f64,
    /// Latency without a queue; `None`: not known, so that no call counts as old.
    pub baseline_latency: Option<Duration>,
    /// How long the caller of a call waits for it; `None`: not known.
    pub deadline: Option<Duration>,
    /// A sidecar has set the limit and sees the same counters.
    pub steered: bool,
}

impl Allowed {
    /// A share of the deadline, seconds; 0 where none is known.
    fn of_deadline(&self, share: f64) -> f64 {
        self.deadline.map_or(0.0, |deadline| share * deadline.as_secs_f64())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum State {
    #[default]
    Armed,
    Cut(Cut),
    Resting {
        until: Timestamp,
    },
}

/// The reflex of one limiter.
#[derive(Debug, Clone, Default)]
pub struct Reflex {
    state: State,
    marks: Marks,
    /// How long the next rest is; doubles. Zero: the shortest.
    rest: Duration,
    /// When it began to rest last.
    rested: Timestamp,
    cuts: u64,
}

impl Reflex {
    /// One evaluation; the time is that of the totals. Gives the bound that holds from now on, if there is one: never above
    /// the limit, never below its floor and never below 1 where the limit is not.
    pub fn step(&mut self, totals: &Totals, allowed: &Allowed) -> Option<Cut> {
        let now = Timestamp::from_nanos(totals.at_nanos);
        if self.marks.is_gap(now) {
            self.marks = Marks::default();
            self.state = State::Resting { until: now + HOLD };
        }
        let recent = self.marks.take(now, totals);
        let sign = recent.and_then(|recent| sign(totals, &recent, allowed));
        self.state = match self.state {
            State::Resting { until } if now < until => self.state,
            State::Resting { .. } | State::Armed => self.watch(now, totals, recent, sign, allowed),
            State::Cut(cut) => self.hold(cut, now, totals, sign, allowed),
        };
        self.cut()
    }

    /// The sidecar has just set the limit: it knows more than the reflex.
    pub fn pushed(&mut self, now: Timestamp) {
        if let State::Cut(_) = self.state {
            self.state = State::Resting { until: now + HOLD };
        }
    }

    /// The bound in force.
    pub const fn cut(&self) -> Option<Cut> {
        match self.state {
            State::Cut(cut) => Some(cut),
            State::Armed | State::Resting { .. } => None,
        }
    }

    /// How many cuts were made.
    pub const fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Without a bound.
    fn watch(
        &mut self,
        now: Timestamp,
        totals: &Totals,
        recent: Option<Recent>,
        sign: Option<Cause>,
        allowed: &Allowed,
    ) -> State {
        let (Some(cause), Some(recent)) = (sign, recent) else { return State::Armed };
        let cap = enough(totals, &recent, allowed);
        if cap >= WORTH * allowed.limit {
            return State::Armed;
        }
        self.cuts += 1;
        State::Cut(Cut { cap, cause, since: now, doubled: false })
    }

    fn hold(
        &mut self,
        cut: Cut,
        now: Timestamp,
        totals: &Totals,
        sign: Option<Cause>,
        allowed: &Allowed,
    ) -> State {
        // The limit may have come down by itself, or the floor up.
        let cut = Cut { cap: cut.cap.max(lowest(allowed)), ..cut };
        if cut.cap >= allowed.limit {
            return State::Armed;
        }
        let held = now.since(cut.since);
        if let (true, Some(cause)) = (cut.doubled, sign) {
            self.cuts += 1;
            let cap = (cut.cap / 2.0).max(lowest(allowed));
            return State::Cut(Cut { cap, cause, since: now, doubled: false });
        }
        if allowed.steered && held >= BRIDGE {
            return self.take_rest(now);
        }
        let drained = totals.in_flight() as f64 <= cut.cap;
        if held < HOLD || (!drained && held < LONGEST_DRAIN) {
            return State::Cut(cut);
        }
        if sign.is_some() || !drained {
            return self.take_rest(now);
        }
        self.rest = Duration::ZERO;
        State::Cut(Cut { cap: 2.0 * cut.cap, since: now, doubled: true, ..cut })
    }

    /// Rests, twice as long as the last time unless that was long ago.
    fn take_rest(&mut self, now: Timestamp) -> State {
        let rest = if now.since(self.rested) > 2 * LONGEST_REST { SHORTEST_REST } else { self.rest };
        let rest = rest.max(SHORTEST_REST);
        (self.rest, self.rested) = ((2 * rest).min(LONGEST_REST), now);
        State::Resting { until: now + rest }
    }
}
