//! What a breaker does in each of its states.

use std::sync::Arc;
use std::time::Duration;

use super::seat::Seat;
use super::{Acts, Before, BreakerPolicy, State};
use crate::decision::Action;
use crate::policy::{Proposal, Seen, Want};
use crate::probes::{Probed, Verdict};
use crate::reason::{BreakerReason, Reason};
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::{Breaker, Value};

/// A process that has a new round in force tells of its probes within this.
const TELLS_WITHIN: Duration = Duration::from_secs(2);
/// One that has not put it in force by then will not.
const OBEYS_WITHIN: Duration = Duration::from_secs(10);

impl BreakerPolicy {
    /// One evaluation over fresh counters.
    pub(super) fn judged(&mut self, seen: &Seen<'_>, totals: &Arc<Totals>) -> Proposal {
        let ramp = self.spec.ramp;
        let tripped = self.rates.iter_mut().map(|rule| rule.judge(totals)).fold(None, Option::or);
        match *self.state.get_or_insert_with(|| first(seen, ramp)) {
            State::Closed { since } => self.closed(since, totals, tripped),
            State::Open { until } if self.now < until => {
                Proposal::hold(BreakerReason::WaitInOpen { left: until.since(self.now) })
            }
            // Nobody probes for one who only tells: all calls do.
            State::Open { .. } if self.spec.acts == Acts::Shadow => self.recover(totals),
            State::Open { .. } => self.half_open(),
            State::HalfOpen { round, since } => self.probing(seen, totals, round, since),
            State::Recovering { until } => self.recovering(totals, until),
        }
    }

    fn closed(&mut self, since: Timestamp, totals: &Totals, tripped: Option<BreakerReason>) -> Proposal {
        if self.waits.forgive(self.now, since) {
            self.state = Some(State::Closed { since: self.now });
        }
        let Some(reason) = self.in_a_row(totals).or(tripped) else {
            (self.trips, self.seat) = (None, None);
            return stay(self.uncounted().map_or(Reason::Calm, Reason::from));
        };
        let in_a_set = self.spec.set.is_some() && self.spec.acts == Acts::Enforce;
        match self.seat.take() {
            _ if !in_a_set => self.open(totals, reason),
            Some(Seat::Granted) => self.open(totals, reason),
            refused => {
                self.trips = Some(reason.badness());
                let reason = match refused {
                    Some(Seat::Refused { open, members }) => BreakerReason::SetFull { open, members },
                    _ => BreakerReason::AsksSet,
                };
                stay(reason)
            }
        }
    }

    /// Failures in a row, as far as they are news.
    fn in_a_row(&self, totals: &Totals) -> Option<BreakerReason> {
        let news = self.before.map_or(u64::MAX, |before| {
            totals.failed.wrapping_sub(before.failed).saturating_sub(before.stragglers)
        });
        let count = totals.consecutive_failures.min(news);
        let threshold = self.spec.trip.consecutive.filter(|threshold| count >= *threshold)?;
        Some(BreakerReason::ConsecutiveFailures { count, threshold })
    }

    /// A rule about what the process does not count.
    fn uncounted(&self) -> Option<BreakerReason> {
        let rule = self.rates.iter().find(|rule| !rule.is_counted())?;
        Some(BreakerReason::NotCounted { slower_than: rule.spec().slower_than()? })
    }

    fn open(&mut self, totals: &Totals, reason: BreakerReason) -> Proposal {
        let wait = self.waits.next(&self.spec.wait, totals.retry_after);
        self.state = Some(State::Open { until: self.now + wait });
        (self.trips, self.seat) = (None, None);
        set(Breaker::Open { retry_after: wait }, Action::Decrease, reason)
    }

    fn half_open(&mut self) -> Proposal {
        // Differs from the last round, also from one of an earlier sidecar: clocks are read to the nanosecond.
        let round = (self.now.as_nanos() >> 10) as u32;
        self.state = Some(State::HalfOpen { round, since: self.now });
        self.probe(round, &Probed::default())
    }

    fn probe(&self, round: u32, probed: &Probed) -> Proposal {
        let budget = &self.spec.budget;
        let (probe_max, probe_total) = (budget.concurrent(), budget.total());
        let half_open = Breaker::HalfOpen { round, probe_max, probe_total, deadline: budget.deadline() };
        let (successes, failures) = (probed.succeeded, probed.failed);
        let reason = BreakerReason::Probing { successes, needed: budget.needed(), failures };
        set(half_open, Action::Probe, reason)
    }

    fn probing(&mut self, seen: &Seen<'_>, totals: &Arc<Totals>, round: u32, since: Timestamp) -> Proposal {
        let passed = self.now.since(since);
        let Some(probed) = totals.probed.filter(|probed| probed.round == round) else {
            let obeys =
                matches!(seen.in_force, Value::Breaker(Breaker::HalfOpen { round: it, .. }) if it == round);
            if passed < if obeys { TELLS_WITHIN } else { OBEYS_WITHIN } {
                return self.probe(round, &Probed::default());
            }
            self.close(totals);
            return stay(BreakerReason::NoProbes);
        };
        match self.spec.budget.judge(&probed, passed >= self.spec.budget.patience()) {
            Verdict::Undecided => self.probe(round, &probed),
            Verdict::Recovered => self.recover(totals),
            Verdict::Failed => {
                let Probed { let_out, failed, .. } = probed;
                self.open(totals, BreakerReason::ProbesFailed { failed, let_out })
            }
        }
    }

    fn recover(&mut self, totals: &Arc<Totals>) -> Proposal {
        self.close(totals);
        if self.spec.ramp.is_zero() {
            return set(Breaker::Local, Action::Increase, BreakerReason::Recovered);
        }
        self.before = Some(Before { stragglers: totals.in_flight(), failed: totals.failed });
        self.state = Some(State::Recovering { until: self.now + self.spec.ramp });
        set(Breaker::Recovering { ramp: self.spec.ramp }, Action::Increase, BreakerReason::Recovered)
    }

    fn recovering(&mut self, totals: &Arc<Totals>, until: Timestamp) -> Proposal {
        let stragglers = self.before.map_or(0, |before| before.stragglers);
        let renewed = self.rates.iter().find_map(|rule| rule.renewed(stragglers));
        if let Some(reason) = self.in_a_row(totals).or(renewed) {
            return self.open(totals, reason);
        }
        if self.now >= until {
            self.close(totals);
            return set(Breaker::Local, Action::Increase, BreakerReason::Recovered);
        }
        let reason = BreakerReason::Recovering { left: until.since(self.now) };
        set(Breaker::Recovering { ramp: self.spec.ramp }, Action::Hold, reason)
    }

    fn close(&mut self, totals: &Arc<Totals>) {
        self.rates.iter_mut().for_each(|rule| rule.begin(totals));
        self.before = Some(Before { failed: totals.failed, stragglers: 0 });
        self.state = Some(State::Closed { since: self.now });
    }

    /// What one says who only tells.
    pub(super) fn told(&self, proposal: Proposal) -> Proposal {
        let Want::Set(Value::Breaker(breaker)) = proposal.want else { return proposal };
        let would_reject = matches!(breaker, Breaker::Open { .. });
        Proposal { want: Want::Set(Value::Breaker(Breaker::Shadow { would_reject })), ..proposal }
    }
}

/// Where a breaker begins. A predecessor's word that holds calls back stands: why it did is not known any more, but probes can
/// tell.
fn first(seen: &Seen<'_>, ramp: Duration) -> State {
    let Value::Breaker(in_force) = seen.in_force else { return State::Closed { since: seen.now } };
    match in_force {
        Breaker::HalfOpen { .. } | Breaker::Open { .. } | Breaker::ForcedOpen { .. } => {
            State::Open { until: seen.now }
        }
        Breaker::Recovering { .. } => State::Recovering { until: seen.now + ramp },
        _ => State::Closed { since: seen.now },
    }
}

pub(super) fn set(breaker: Breaker, action: Action, reason: BreakerReason) -> Proposal {
    Proposal::new(Want::Set(Value::Breaker(breaker)), action, reason)
}

/// Closed. To say "closed" would keep the SDK's own rule from tripping at once.
fn stay(reason: impl Into<Reason>) -> Proposal {
    Proposal::new(Want::Set(Value::Breaker(Breaker::Local)), Action::Hold, reason)
}
