//! What one policy sees and says.
//!
//! A policy is stepped once per tick for one knob of one process. It sees a [`Seen`], the part of the snapshot that
//! concerns that knob, and answers with a [`Proposal`]: what it wants, what that would do, and why. It never fails and never
//! moves the knob itself; that is the business of the arbiter and the guard.

use std::sync::Arc;
use std::time::Duration;

use crate::admission::Admission;
use crate::alert::Alert;
use crate::claim::{Claim, Others};
use crate::decision::Action;
use crate::knob::{Knob, KnobName};
use crate::reason::Reason;
use crate::signal::{Reading, Signal, Signals};
use crate::snapshot::Received;
use crate::spec::Controller;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::Value;

/// After this long without the signals that it needs, a policy lets go of its knob.
pub const RELEASE_AFTER: Duration = Duration::from_secs(10);

/// What a policy sees of one knob in one tick.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The engine's clock.
    pub now: Timestamp,
    /// When the engine first saw this knob: the age of a signal that never came.
    pub since: Timestamp,
    /// The knob.
    pub knob: &'a Knob,
    /// The value in force, read back from the process; integrate from this, not from what was asked for.
    pub in_force: Value,
    /// The engine itself was held up a moment ago: the age of what it knows proves nothing.
    pub held_up: bool,
    /// Whether another policy held the knob lower in the last tick: freeze integrators.
    pub capped: bool,
    /// The newest counters of the limiter, if the knob has some.
    pub totals: Option<&'a Received>,
    /// Changes when the process restarts.
    pub incarnation: u64,
    /// What the process reports of its own container and runtime.
    pub signals: &'a Signals,
    /// What the sidecar reads of the node and the pod; used where the process reports nothing.
    pub node: &'a Signals,
}

/// What a policy wants for its knob.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Want {
    /// Leave it as it is.
    Hold,
    /// This value.
    Set(Value),
    /// No more than this (or no less, where higher is more restrictive).
    AtMost(f64),
    /// No wish: whatever others want.
    Anything,
    /// Back to its baseline: what it needs to know has not come for too long.
    Release,
}

/// A wish with its reason.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// What it wants.
    pub want: Want,
    /// What that does.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

impl Proposal {
    /// A wish with its reason.
    pub fn new(want: Want, action: Action, reason: impl Into<Reason>) -> Self {
        Self { want, action, reason: reason.into() }
    }

    /// Leave it as it is, for this reason.
    pub fn hold(reason: impl Into<Reason>) -> Self {
        Self::new(Want::Hold, Action::Hold, reason)
    }
}

/// What one breaker of a set says to the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The set.
    pub set: Arc<str>,
    /// Which breaker.
    pub knob: KnobName,
    /// It holds calls back.
    pub open: bool,
    /// It would trip: the share of calls that are bad, 0 to 1.
    pub trips: Option<f64>,
}

/// A policy for one knob of one process.
pub trait Policy: std::fmt::Debug + Send {
    /// One evaluation. Called every tick, so that windows stay truthful.
    fn step(&mut self, seen: &Seen<'_>) -> Proposal;

    /// Whether it protects the service, so that it acts even while the engine is learning.
    fn is_safety(&self) -> bool {
        false
    }

    /// Takes new parameters and keeps its state; false when they are of another controller, or change what it watches.
    fn respec(&mut self, controller: &Controller) -> bool;

    /// What it knows of how calls should be admitted under its limit. Asked after each step; of several policies for one
    /// knob the first that knows a part counts.
    fn admission(&self) -> Admission {
        Admission::default()
    }

    /// The latency above which it wants calls of its resource counted, in [`Totals::slow`].
    fn watches(&self) -> Option<Duration> {
        None
    }

    /// What a person should know of now, whether it moves a knob or not. Asked after each step; the same answer again is the
    /// same alert, nothing is the end of it.
    fn alert(&self) -> Option<Alert> {
        None
    }

    /// What its process claims of a memory limit that others may share. Asked after each step.
    fn claim(&self) -> Option<Claim> {
        None
    }

    /// Told before each step: what the others under the same limit claimed in the last one.
    fn hear(&mut self, _others: Others) {}

    /// What it says to the other breakers of its set, if it is in one.
    fn standing(&self) -> Option<Standing> {
        None
    }

    /// Takes in what all of its set have said in this step, itself included.
    fn confer(&mut self, _peers: &[Standing]) {}

    /// When it must be stepped again at the latest, if sooner than the next tick.
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }
}

impl Seen<'_> {
    /// The process's own reading of a signal, else the sidecar's.
    pub fn reading(&self, signal: Signal) -> Option<Reading> {
        self.signals.reading(signal).or_else(|| self.node.reading(signal))
    }

    /// The value of a signal that is at most `stale_after` old.
    ///
    /// # Errors
    /// The proposal to make instead: hold while the signal has been away for less than [`RELEASE_AFTER`], then let go.
    pub fn fresh(&self, signal: Signal, stale_after: Duration) -> Result<f64, Proposal> {
        let Some(reading) = self.reading(signal) else {
            return Err(self.unknown(self.now.since(self.since), Reason::SignalMissing(signal)));
        };
        let age = reading.age(self.now);
        if age <= stale_after {
            return Ok(reading.value);
        }
        Err(self.unknown(age, Reason::SignalStale { signal, age }))
    }

    /// The counters, if they are at most `stale_after` old.
    ///
    /// # Errors
    /// The proposal to make instead, as for [`Seen::fresh`].
    pub fn fresh_totals(&self, stale_after: Duration) -> Result<&Arc<Totals>, Proposal> {
        let Some(received) = self.totals else {
            return Err(self.unknown(self.now.since(self.since), Reason::ReportStale { age: None }));
        };
        let age = self.now.since(received.at);
        if age <= stale_after {
            return Ok(&received.totals);
        }
        Err(self.unknown(age, Reason::ReportStale { age: Some(age) }))
    }

    /// What to say when something needed has been unknown for `age`.
    pub fn unknown(&self, age: Duration, reason: Reason) -> Proposal {
        if age < RELEASE_AFTER || self.held_up {
            Proposal::hold(reason)
        } else {
            Proposal::new(Want::Release, Action::Release, reason)
        }
    }
}
