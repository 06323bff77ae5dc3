//! What the limit of a limiter is made of: what was asked for, how it is shared, and what the reflex leaves of it.
//!
//! Three parties write the words that the request path reads: the session (pushes), the owner (pins) and the reflex. They
//! meet here, under one lock that no call ever takes, so that limit and caps never come from two different minds. The
//! words are written only when they change: each write takes the cache line away from every core that admits calls.

use std::time::Duration;

use setpoint_policies::admission::{Admission, Shares};
use setpoint_policies::knob::Knob;
use setpoint_policies::reflex::{Allowed, Cause, Cut, LocalBaseline, Reflex};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::{PRIORITIES, Totals};

use super::places::Places;

/// A recovery moves in so many steps, and allows so many calls at the least: as many as there were probes at once.
const RECOVERY_STEPS: f64 = 20.0;
const RECOVERY_LEAST: f64 = 2.0;

/// Everything that decides about the limit.
#[derive(Debug)]
pub(super) struct Steering {
    /// `None`: everything is admitted.
    asked: Option<f64>,
    own_shares: [f64; PRIORITIES],
    /// What the sidecar said that goes with the limit, while its lease lasts.
    pushed: Option<Admission>,
    reflex: Reflex,
    local: LocalBaseline,
    /// The share of the limit that the breaker of the same name allows, while it recovers.
    recovery: Option<f64>,
    /// What the request path was given last.
    given: Given,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Given {
    limit: Option<f64>,
    shares: [f64; PRIORITIES],
}

impl Steering {
    pub fn new(limit: f64, own_shares: [f64; PRIORITIES]) -> Self {
        Self {
            asked: Some(limit),
            own_shares,
            pushed: None,
            reflex: Reflex::default(),
            local: LocalBaseline::default(),
            recovery: None,
            given: Given { limit: Some(limit), shares: own_shares },
        }
    }

    /// This limit is asked for; `None`: none.
    pub fn ask(&mut self, limit: Option<f64>) {
        self.asked = limit;
    }

    /// The sidecar has just said what it wants (`Some`), or its word is worth nothing any more (`None`).
    pub fn admit(&mut self, admission: Option<Admission>, now: Timestamp) {
        self.pushed = admission;
        if admission.is_some() {
            self.reflex.pushed(now);
        }
    }

    /// The owner decides about the limit from now on, or no more.
    pub fn owner_spoke(&mut self, now: Timestamp) {
        self.reflex.pushed(now);
    }

    /// No cut and no recovery holds any more.
    pub fn end(&mut self, now: Timestamp) {
        self.reflex.pushed(now);
        self.follow(None);
    }

    /// Lets the reflex look at the counters. Gives the bound before and after.
    pub fn watch(&mut self, totals: &Totals, knob: &Knob) -> (Option<Cut>, Option<Cut>) {
        let before = self.reflex.cut();
        let Some(limit) = self.asked else { return (before, before) };
        let allowed = Allowed {
            limit,
            floor: knob.min,
            baseline_latency: self.baseline_latency(),
            deadline: knob.deadline,
            steered: self.pushed.is_some(),
        };
        (before, self.reflex.step(totals, &allowed))
    }

    /// Learns the latency of quiet times.
    pub fn learn(&mut self, totals: &Totals) {
        self.local.learn(totals);
    }

    /// Latency without a queue: the sidecar's word while it lasts, else what the limiter saw itself.
    pub fn baseline_latency(&self) -> Option<Duration> {
        match self.pushed {
            Some(pushed) => pushed.baseline_latency,
            None => self.local.latency(),
        }
    }

    /// The shares in force, if they were pushed.
    pub fn pushed_shares(&self) -> Option<Shares> {
        self.pushed.and_then(|pushed| pushed.shares)
    }

    /// The bound that the reflex holds now.
    pub fn cut(&self) -> Option<Cut> {
        self.reflex.cut().filter(|_| self.asked.is_some())
    }

    /// The breaker allows this share of the limit (`None`: all of it).
    pub fn follow(&mut self, share: Option<f64>) {
        // In steps: each new limit takes its cache line away from every core.
        self.recovery = share.map(|share| (share * RECOVERY_STEPS).round() / RECOVERY_STEPS);
    }

    /// What holds the limit below what was asked for.
    pub fn held_by(&self) -> Option<Cause> {
        self.cut().map(|cut| cut.cause).or(self.recovery.map(|_| Cause::Recovery))
    }

    /// How often the reflex has cut.
    pub const fn cuts(&self) -> u64 {
        self.reflex.cuts()
    }

    /// Brings the request path up to date. True when that changed anything.
    pub fn put_in_force(&mut self, places: &Places, baseline: f64) -> bool {
        let cap = self.cut().map_or(f64::INFINITY, |cut| cut.cap);
        let shares = self.pushed_shares().map_or(self.own_shares, |shares| *shares.as_array());
        let allowed = |limit: f64| match self.recovery {
            Some(share) => (limit * share).max(RECOVERY_LEAST).min(limit).min(cap),
            None => limit.min(cap),
        };
        let given = Given { limit: self.asked.map(allowed), shares };
        if self.given == given {
            return false;
        }
        self.given = given;
        places.change(|limits| {
            limits.set_shares(given.shares);
            match given.limit {
                Some(limit) => limits.set(limit),
                None => limits.open(baseline),
            }
        });
        true
    }
}

#[cfg(test)]
mod tests;
