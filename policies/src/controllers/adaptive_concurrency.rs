//! Finds the concurrency limit at which a service answers most calls in time.
//!
//! Latency alone does not say whether a limit is too high: calls may wait, or they may simply take longer (a slow
//! dependency, heavier requests). So the law keeps a probability for every pair of latency floor and capacity (`belief`) and
//! takes the limit at which most answers in time are to be expected over all of them. A wrong belief loses its probability with
//! each report that it did not expect, also when nothing is tried; a limit that is too low for something likely is raised,
//! which shows whether that was true.
//!
//! ```text
//! budget   b = share x deadline (share learned from late answers, 0.40 to 0.85), at least 2 s; without a deadline 4 s,
//!              and where calls take many times what is usual, 1.5 s: worth the less, the longer they take
//! normal   L = 1.5 C b, or some times what is usual: bursts may wait; what a full limit lets in is most probably in time
//! filled   more than 1.1 C is offered: L = C b for as long as a burst may last
//! overload L = argmax sum over (s, C) of p(s, C) min(X(L), offered) in_time(L / X(L)); the lowest within 1 % of the best
//! drops    calls dropped by the service are not done; and a limit at which they were dropped is remembered
//! ```
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `min` | 4 | 1 to 1,000,000 | more throughput in the worst case | more protection |
//! | `max` | 2000 | `min` to 1,000,000 | more room to grow | harder ceiling |
//! | `initial` | the knob's baseline | `min` to `max` | room before anything is known | caution |
//! | `deadline` | the knob's | 1 ms to 10 min | longer queues | shorter queues |
//! | `latency_budget` | 0 ms | 0 to 60 s | a full limit may cause at least this latency | |
//!
//! Inputs: the limiter's counters (times in seconds). Output: the limit, in calls, from `min` to `max`. Failure modes: a
//! stalled process, a cap by another policy or counters that do not come: hold. Few calls prove little, so it
//! moves later. Services that get less done when crowded are known by two shapes only; a decline of another shape is taken for
//! lost capacity. Sources: Little's law; capacity and floor as in BBR congestion control; Bayesian online change point detection
//! (Adams and MacKay 2007); choosing a limit by expected goodput is ours, the scoreboard says what it is worth.

use std::sync::Arc;
use std::time::Duration;

use crate::admission::Admission;
use crate::decision::Action;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::Reason;
use crate::spec::Controller;
use crate::totals::Totals;
use crate::value::Value;

mod belief;
mod drops;
mod floor;
mod law;
mod meter;
mod parameters;
mod patience;
mod sample;

use law::Law;
use meter::{Meter, Observed};
pub use parameters::AdaptiveConcurrency;

const STALE_AFTER: Duration = Duration::from_secs(2);

/// The law at work on one limiter.
#[derive(Debug)]
pub struct AdaptiveConcurrencyPolicy {
    spec: AdaptiveConcurrency,
    known: Option<Known>,
}

/// What is known of one life of a process.
#[derive(Debug)]
struct Known {
    incarnation: u64,
    meter: Meter,
    law: Law,
    /// New parameters moved the limit, and nobody has been told yet.
    edited: bool,
}

impl AdaptiveConcurrencyPolicy {
    /// A law that knows nothing yet.
    pub const fn new(spec: AdaptiveConcurrency) -> Self {
        Self { spec, known: None }
    }

    /// A new process starts from nothing; the first look at one seeds the limit from what is in force.
    fn meet(&mut self, seen: &Seen<'_>) -> &mut Known {
        if self.known.as_ref().is_none_or(|known| known.incarnation != seen.incarnation) {
            let in_force = seen.in_force.scalar();
            let untouched = in_force == seen.knob.baseline;
            let start = self.spec.initial.filter(|_| untouched).unwrap_or(in_force);
            let deadline = self.spec.deadline.or(seen.knob.deadline).map(|deadline| deadline.as_secs_f64());
            let mut law = Law::new(self.spec.clone(), deadline, start);
            law.limit = law.bounded(start);
            self.known =
                Some(Known { incarnation: seen.incarnation, meter: Meter::default(), law, edited: false });
        }
        self.known.as_mut().expect("it was met above")
    }
}

impl Known {
    fn want(&self, action: Action, reason: impl Into<Reason>) -> Proposal {
        Proposal::new(Want::Set(Value::Concurrency(self.law.limit)), action, reason)
    }

    fn step(&mut self, seen: &Seen<'_>, totals: &Arc<Totals>) -> Proposal {
        let observed = self.meter.observe(totals, |sample| self.law.is_calm(sample));
        if std::mem::take(&mut self.edited) {
            return self.want(Action::Hold, Reason::Bounds);
        }
        if seen.capped {
            // What happens at somebody else's limit says nothing about ours.
            return self.want(Action::Hold, Reason::Capped);
        }
        let before = self.law.limit;
        match observed {
            Observed::Nothing => return self.want(Action::Hold, self.law.reason),
            Observed::Stalled => {
                self.law.stalled();
                return self.want(Action::Hold, Reason::Stalled);
            }
            Observed::Complete(before, sample) => {
                before.iter().for_each(|before| self.law.step(before));
                self.law.step(&sample);
            }
        }
        let after = self.law.limit;
        let action = match after.partial_cmp(&before) {
            Some(std::cmp::Ordering::Less) => Action::Decrease,
            Some(std::cmp::Ordering::Greater) => Action::Increase,
            _ => Action::Hold,
        };
        self.want(action, self.law.reason)
    }
}

impl Policy for AdaptiveConcurrencyPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let totals = match seen.fresh_totals(STALE_AFTER) {
            Ok(totals) => totals,
            Err(unknown) => {
                if unknown.want == Want::Release {
                    // What was learned is too old to come back to: start over from what is in force then.
                    self.known = None;
                }
                return unknown;
            }
        };
        self.meet(seen).step(seen, totals)
    }

    fn admission(&self) -> Admission {
        let floor = self.known.as_ref().and_then(|known| known.law.latency_floor());
        let baseline_latency = floor.and_then(|floor| Duration::try_from_secs_f64(floor).ok());
        Admission { baseline_latency, shares: None }
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::AdaptiveConcurrency(spec) = controller else { return false };
        self.spec = spec.clone();
        if let Some(known) = &mut self.known {
            known.law.spec = spec.clone();
            if let Some(deadline) = spec.deadline {
                known.law.patience.set_deadline(Some(deadline.as_secs_f64()));
            }
            let limit = known.law.bounded(known.law.limit);
            known.edited = limit != known.law.limit;
            known.law.limit = limit;
        }
        true
    }
}

#[cfg(test)]
mod tests;
