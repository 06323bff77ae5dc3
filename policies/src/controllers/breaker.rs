//! Opens a breaker when calls fail or take too long, probes, and lets traffic back gently.
//!
//! The SDK trips by itself, at once, on failures in a row; this policy sees rates over windows, which one process's request
//! path cannot judge cheaply. What the SDK counts, this judges: probes by the tally of their own round, in which no straggler
//! is, and everything else over exact sums.
//!
//! Inputs: counters of the limiter of the same resource. Output: what the breaker should do; closed here means that the
//! SDK's own rule decides.
//!
//! | state | pushed | until | then |
//! |---|---|---|---|
//! | closed | `local` | `consecutive` failures, or enough windows of `failure_rate` or `slow_call_rate` (`rate`) | open |
//! | open | `open` | the wait is over (`wait`) | half_open, a new round |
//! | half_open | `half_open` | the probes of the round failed: [`crate::probes`] | open, wait doubled |
//! | half_open | | they succeeded, or say nothing | recovering |
//! | half_open | | the process does not count probes | closed: its own breaker has to do |
//! | recovering | `recovering` | calls fail or are slow again | open, wait doubled |
//! | recovering | | the ramp is over | closed |
//! | any | `forced_open`, `disabled`, `shadow` | the operator says otherwise (`mode`) | |
//!
//! Parameters: `spec`. Presets, and how a breaker explains itself: docs/policies/breaker.md.
//!
//! Failure modes: without counters it holds ten seconds, then gives the breaker back to the SDK's own rule. A process
//! that restarts starts closed. Overload answers (429, 503, time-outs) count as failures in rates and for probes.
//! A stay in half_open ends whatever happens, but for a service that makes no call at all, and there it harms nobody.
//! Names as in resilience4j; exact windows and stragglers that decide nothing are our answer to breakers seen to stick.

use std::sync::Arc;
use std::time::Duration;

use crate::decision::Action;
use crate::policy::{Policy, Proposal, Seen, Standing, Want};
use crate::reason::BreakerReason;
use crate::spec::Controller;
use crate::time::Timestamp;
use crate::value::Breaker;

mod rate;
mod seat;
mod spec;
mod states;
mod wait;
mod windows;

pub use rate::Rate;
pub use spec::{Acts, BreakerSpec, Set, Trip};
pub use wait::Wait;
pub use windows::{Length, Windows};

use rate::RateRule;
use seat::Seat;
use wait::Waits;

const STALE_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { since: Timestamp },
    Open { until: Timestamp },
    HalfOpen { round: u32, since: Timestamp },
    Recovering { until: Timestamp },
}

/// What was before it let calls through again, and so proves nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    /// Failures so far.
    failed: u64,
    /// Calls in flight: how they end.
    stragglers: u64,
}

/// A breaker at work.
#[derive(Debug)]
pub struct BreakerPolicy {
    spec: BreakerSpec,
    /// `None`: what is in force will tell.
    state: Option<State>,
    before: Option<Before>,
    rates: Vec<RateRule>,
    waits: Waits,
    incarnation: u64,
    now: Timestamp,
    /// It would trip, but has to ask for a seat in its set first.
    trips: Option<f64>,
    seat: Option<Seat>,
}

impl BreakerPolicy {
    /// A closed breaker.
    pub fn new(spec: BreakerSpec) -> Self {
        Self::of_life(spec, 0)
    }

    fn of_life(spec: BreakerSpec, incarnation: u64) -> Self {
        Self {
            state: None,
            before: None,
            rates: spec.trip.rates().map(RateRule::new).collect(),
            waits: Waits::new(spec.knob.as_str(), incarnation),
            incarnation,
            now: Timestamp::ZERO,
            trips: None,
            seat: None,
            spec,
        }
    }

    /// What is in force will tell how to go on.
    fn forget(&mut self) {
        (self.state, self.before, self.trips, self.seat) = (None, None, None, None);
        self.rates = self.spec.trip.rates().map(RateRule::new).collect();
    }
}

impl Policy for BreakerPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        if self.incarnation != seen.incarnation {
            *self = Self::of_life(self.spec.clone(), seen.incarnation);
        }
        self.now = seen.now;
        match self.spec.acts {
            Acts::Disabled => return states::set(Breaker::Disabled, Action::Hold, BreakerReason::Disabled),
            Acts::ForcedOpen => {
                let retry_after = self.spec.wait.base();
                return states::set(
                    Breaker::ForcedOpen { retry_after },
                    Action::Decrease,
                    BreakerReason::ForcedOpen,
                );
            }
            Acts::Enforce | Acts::Shadow => {}
        }
        let proposal = match seen.fresh_totals(STALE_AFTER) {
            Ok(totals) => self.judged(seen, &Arc::clone(totals)),
            Err(unknown) => {
                if unknown.want == Want::Release {
                    // The local rule decides from here on; what it let through proves nothing about our last state.
                    self.forget();
                }
                unknown
            }
        };
        if self.spec.acts == Acts::Shadow { self.told(proposal) } else { proposal }
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::Breaker(spec) = controller else { return false };
        if spec.trip != self.spec.trip {
            self.rates = spec.trip.rates().map(RateRule::new).collect();
        }
        if spec.acts != self.spec.acts {
            self.forget();
        }
        self.spec = BreakerSpec::clone(spec);
        true
    }

    fn is_safety(&self) -> bool {
        true
    }

    fn watches(&self) -> Option<Duration> {
        self.spec.watches()
    }

    fn standing(&self) -> Option<Standing> {
        let set = self.spec.set.as_ref()?;
        let open = matches!(self.state, Some(State::Open { .. } | State::HalfOpen { .. }));
        Some(Standing { set: Arc::clone(&set.name), knob: self.spec.knob.clone(), open, trips: self.trips })
    }

    fn confer(&mut self, peers: &[Standing]) {
        let asks = self.spec.set.as_ref().filter(|_| self.trips.is_some());
        self.seat = asks.map(|set| seat::ask(set, &self.spec.knob, peers));
    }

    fn wake_at(&self) -> Option<Timestamp> {
        match self.state {
            // What is due already waits for a report, not for us.
            Some(State::Open { until } | State::Recovering { until, .. }) => {
                Some(until).filter(|it| *it > self.now)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
