//! Turns the service's readiness answer to 503 while its runtime pauses for too long, and back by itself.
//!
//! The field rule, "pauses above 5 ms: 503", is there as `raw` for comparison. It should not be used as it is: a single pause proves
//! nothing; pauses of that length come from a starved or throttled CPU and not from the heap; and since such a cause is
//! shared, the raw rule takes a whole fleet out of rotation at once, which makes what is left of it drown. So, by default:
//!
//! - the pause of a window is the median over it of the 99th percentiles that the process reports each second. (The percentile
//!   of ten seconds is above a threshold when about every second of them has a few late wake-ups: half of the seconds
//!   over it. One bad second is not.)
//! - `hits` of the newest `of` windows must be over it;
//! - readiness alone turns, never liveness: a restart cures no throttling;
//! - two changes are at least `apart`, and it stays off for at most `longest`, then on for as long: if all others suffer
//!   alike, being away helps nobody;
//! - a missing reading lets go: what cannot be seen is no reason to stay away;
//! - the share of throttled CPU periods stands beside the reason.
//!
//! What it cannot see from inside a pod is how many others are away. Give the Service's probe a generous failure threshold, and a
//! `PodDisruptionBudget` does not help here.
//!
//! Input: [`Signal::RuntimeDelay`] (lateness of a timer in the application's runtime) or [`Signal::GcPause`]. Output: a switch,
//! off is 503.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `signal` | `runtime_delay` | or `gc_pause` | | |
//! | `above` | 5 ms | 1 ms to 10 s | tolerates longer pauses | turns sooner |
//! | `window` | 10 s | 1 s to 60 s | surer | faster |
//! | `hits`, `of` | 3, 5 | 1 to `of`; to 20 windows | surer | faster |
//! | `apart` | 30 s | 0 s to 1 h | fewer changes | follows closer |
//! | `longest` | 60 s | `apart` to 1 h | stays away longer | comes back sooner |
//! | `raw` | false | | true: each reading decides at once, `window` to `longest` mean nothing | |
//!
//! Failure modes: without readings it holds ten seconds and then gives the switch back, which is ready. A sidecar that restarts
//! gives it back as well, after its learning time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::alert::{Alert, Severity};
use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{GuardReason, Reason};
use crate::signal::Signal;
use crate::spec::{Controller, InvalidConfig};
use crate::time::Timestamp;
use crate::value::Value;

#[cfg(test)]
mod tests;
mod windows;

use windows::Windows;

const STALE_AFTER: Duration = Duration::from_secs(2);

/// Parameters of the guard.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeHealth {
    pub(crate) knob: KnobName,
    signal: Signal,
    above: Duration,
    window: Duration,
    hits: u32,
    of: u32,
    apart: Duration,
    longest: Duration,
    raw: bool,
}

impl RuntimeHealth {
    /// Default of `above`.
    pub const ABOVE: Duration = Duration::from_millis(5);
    /// Default of `window`.
    pub const WINDOW: Duration = Duration::from_secs(10);
    /// Default of `hits`.
    pub const HITS: u32 = 3;
    /// Default of `of`.
    pub const OF: u32 = 5;
    /// Default of `apart`.
    pub const APART: Duration = Duration::from_secs(30);
    /// Default of `longest`.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// A guard of this switch that turns it at pauses of this signal above this length; [`Signal::RuntimeDelay`] or
    /// [`Signal::GcPause`].
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, signal: Signal, above: Duration) -> Result<Self, InvalidConfig> {
        if !matches!(signal, Signal::RuntimeDelay | Signal::GcPause) {
            return Err(InvalidConfig::OutOfRange { field: "signal", range: "runtime_delay or gc_pause" });
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(10)).contains(&above) {
            return Err(InvalidConfig::OutOfRange { field: "above", range: "between 1ms and 10s" });
        }
        Ok(Self {
            knob,
            signal,
            above,
            window: Self::WINDOW,
            hits: Self::HITS,
            of: Self::OF,
            apart: Self::APART,
            longest: Self::LONGEST,
            raw: false,
        })
    }

    /// How many windows of which length must be over it.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn judged_over(self, window: Duration, hits: u32, of: u32) -> Result<Self, InvalidConfig> {
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&window) {
            return Err(InvalidConfig::OutOfRange { field: "window", range: "between 1s and 1m" });
        }
        if !(1..=20).contains(&of) {
            return Err(InvalidConfig::OutOfRange { field: "of", range: "between 1 and 20" });
        }
        if !(1..=of).contains(&hits) {
            return Err(InvalidConfig::Order { field: "hits", relation: "between 1 and", other: "of" });
        }
        Ok(Self { window, hits, of, ..self })
    }

    /// How far apart two changes are at least, and how long it stays off at most.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn paced(self, apart: Duration, longest: Duration) -> Result<Self, InvalidConfig> {
        let hour = Duration::from_secs(3600);
        if apart > hour {
            return Err(InvalidConfig::OutOfRange { field: "apart", range: "at most 1h" });
        }
        if longest < apart || longest > hour || longest.is_zero() {
            let relation = "above 0, at most 1h and at least";
            return Err(InvalidConfig::Order { field: "longest", relation, other: "apart" });
        }
        Ok(Self { apart, longest, ..self })
    }

    /// The field rule as it was reported: each reading decides, at once.
    #[must_use]
    pub fn raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    fn threshold(&self) -> f64 {
        self.above.as_secs_f64()
    }
}

/// The guard at work.
#[derive(Debug)]
pub struct RuntimeHealthPolicy {
    spec: RuntimeHealth,
    windows: Windows,
    /// Whether the newest windows were over the threshold, oldest first.
    verdicts: VecDeque<bool>,
    /// Since when it is not ready, and why.
    off: Option<(Timestamp, GuardReason)>,
    /// Not before this does it turn off again.
    on_until: Timestamp,
}

impl RuntimeHealthPolicy {
    /// A guard that has seen nothing yet.
    pub fn new(spec: RuntimeHealth) -> Self {
        let windows = Windows::new(spec.window);
        Self { spec, windows, verdicts: VecDeque::new(), off: None, on_until: Timestamp::ZERO }
    }

    fn reset(&mut self) {
        *self = Self { on_until: self.on_until, ..Self::new(self.spec.clone()) };
    }

    fn reason(&self, seconds: f64, hits: u32, seen: &Seen<'_>) -> GuardReason {
        let throttled = seen.fresh(Signal::ThrottledRatio, STALE_AFTER).ok();
        let (signal, threshold) = (self.spec.signal, self.spec.threshold());
        GuardReason::Paused { signal, seconds, threshold, hits, throttled }
    }

    /// The rule as it was reported.
    fn raw(&mut self, seconds: f64, seen: &Seen<'_>) -> Proposal {
        let over = seconds > self.spec.threshold();
        let reason = over.then(|| self.reason(seconds, 1, seen));
        self.off = reason.map(|reason| (seen.now, reason));
        self.proposal(Reason::Calm)
    }

    fn windowed(&mut self, seconds: f64, seen: &Seen<'_>) -> Proposal {
        if let Some(pause) = self.windows.push(seen.now, seconds) {
            if self.verdicts.len() == self.spec.of as usize {
                self.verdicts.pop_front();
            }
            self.verdicts.push_back(pause > self.spec.threshold());
            self.turn_off(pause, seen);
        }
        self.turn_on(seen.now)
    }

    fn hits(&self) -> u32 {
        self.verdicts.iter().map(|over| u32::from(*over)).sum()
    }

    fn turn_off(&mut self, pause: f64, seen: &Seen<'_>) {
        let hits = self.hits();
        if self.off.is_none() && hits >= self.spec.hits && seen.now >= self.on_until {
            self.off = Some((seen.now, self.reason(pause, hits, seen)));
        }
    }

    /// Back to ready when it is well again, or has been away for too long.
    fn turn_on(&mut self, now: Timestamp) -> Proposal {
        let Some((since, _)) = self.off else { return self.proposal(Reason::Calm) };
        let away = now.since(since);
        if away >= self.spec.longest {
            self.off = None;
            self.on_until = now + self.spec.longest;
            return self.proposal(GuardReason::PausedTooLong { after: away }.into());
        }
        if away >= self.spec.apart && self.hits() < self.spec.hits {
            self.off = None;
            self.on_until = now + self.spec.apart;
        }
        self.proposal(Reason::Calm)
    }

    fn proposal(&self, ready: Reason) -> Proposal {
        match self.off {
            Some((_, reason)) => Proposal::new(Want::Set(Value::Switch(false)), Action::Decrease, reason),
            None => Proposal::new(Want::Set(Value::Switch(true)), Action::Increase, ready),
        }
    }
}

impl Policy for RuntimeHealthPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        match seen.fresh(self.spec.signal, STALE_AFTER) {
            Ok(seconds) if self.spec.raw => self.raw(seconds, seen),
            Ok(seconds) => self.windowed(seconds, seen),
            Err(unknown) => {
                if unknown.want == Want::Release {
                    self.reset();
                }
                unknown
            }
        }
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::RuntimeHealth(spec) = controller else { return false };
        let same = |a: &RuntimeHealth, b: &RuntimeHealth| {
            (a.signal, a.window, a.of, a.raw) == (b.signal, b.window, b.of, b.raw)
        };
        if !same(spec, &self.spec) {
            return false;
        }
        self.spec = spec.clone();
        true
    }

    fn alert(&self) -> Option<Alert> {
        self.off.map(|(_, reason)| Alert { severity: Severity::Warning, reason: reason.into() })
    }
}
