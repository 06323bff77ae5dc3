//! Warns when too many calls are slow: a service level objective, watched by its burn rate.
//!
//! The objective says which share of calls must be answered within a time, say 99.5 % within 200 ms. The rest is a budget, and the burn
//! rate is how many times faster than allowed it is spent. One threshold on one window would either call people
//! late or for nothing; so a rule needs two windows: the long one says that it matters, the short one that it still goes on.
//! Windows and rates are those of the public SRE workbook ("Alerting on SLOs"); beside them stands the field rule, the bare
//! share of the newest hour.
//!
//! | rule | fires when | severity |
//! |---|---|---|
//! | `fast_burn` | burn over 5 min and over 1 h above `fast_burn` | critical |
//! | `slow_burn` | burn over 30 min and over 6 h above `slow_burn` | critical |
//! | `objective_missed` | share over 1 h below the objective | warning |
//!
//! Suppression: one trouble is one alert. The rules stand for each other in this order, so the slower ones are silent while
//! a faster one fires; the alert ends when none has held for five minutes, and only then can it fire again.
//!
//! Inputs: counters of the limiter. Counted are calls that ended and calls that were rejected; missed are those that took longer
//! (whatever came of them) and the rejected ones: a service that sheds half of its calls does not meet its objective.
//! A quick failure is in time: failures are what breakers count. Everything is an exact count ([`Totals::slow_calls`]); no latencies are kept.
//! Where the process does not count for this time but the limiter's deadline is the same, late successes, calls dropped in overload
//! and rejections are counted instead.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `within` | needed | 1 ms to 60 s | tolerates slower calls | asks for faster ones |
//! | `objective` | needed | 50 % to 99.999 % | warns sooner | tolerates more |
//! | `fast_burn` | 14.4 (2 % of 30 days' budget in an hour) | 1 to 1000 | later, surer | sooner |
//! | `slow_burn` | 6 (5 % in six hours) | 1 to 1000 | later, surer | sooner |
//! | `minimum_calls` | 100 | 1 to 1,000,000,000 | ignores low traffic | judges low traffic |
//!
//! Failure modes: history begins with the process and with the sidecar. A rule is silent until its short window (the field
//! rule: its hour) is full; the long window is what is known of it. While counters are missing it stays with what it said.
//! Six hours take 6 KB for each process.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Alert, Severity};
use crate::knob::{Knob, KnobName};
use crate::policy::{Policy, Proposal, Seen};
use crate::reason::{Burn, GuardReason, Reason};
use crate::spec::{Controller, InvalidConfig};
use crate::time::Timestamp;
use crate::totals::Totals;

mod ring;
#[cfg(test)]
mod tests;

use ring::{Ring, Sum};

const STALE_AFTER: Duration = Duration::from_secs(2);
/// An alert ends when no rule has held for this long.
const QUIET_FOR: Duration = Duration::from_secs(300);

/// Parameters of the objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    pub(crate) knob: KnobName,
    within: Duration,
    objective: f64,
    fast_burn: f64,
    slow_burn: f64,
    minimum_calls: u64,
}

impl Slo {
    /// Default of `fast_burn`.
    pub const FAST_BURN: f64 = 14.4;
    /// Default of `slow_burn`.
    pub const SLOW_BURN: f64 = 6.0;
    /// Default of `minimum_calls`.
    pub const MINIMUM_CALLS: u64 = 100;

    /// An objective for the calls of this limiter: the share `objective` of them `within` that time.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, within: Duration, objective: f64) -> Result<Self, InvalidConfig> {
        if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&within) {
            return Err(InvalidConfig::OutOfRange { field: "within", range: "between 1ms and 1m" });
        }
        if !(0.5..=0.99999).contains(&objective) {
            return Err(InvalidConfig::OutOfRange { field: "objective", range: "between 50% and 99.999%" });
        }
        let (fast_burn, slow_burn) = (Self::FAST_BURN, Self::SLOW_BURN);
        Ok(Self { knob, within, objective, fast_burn, slow_burn, minimum_calls: Self::MINIMUM_CALLS })
    }

    /// The time within which calls must be answered.
    pub const fn within(&self) -> Duration {
        self.within
    }

    /// How fast the budget may be spent, and how many calls are worth judging.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn tolerates(
        self,
        fast_burn: f64,
        slow_burn: f64,
        minimum_calls: u64,
    ) -> Result<Self, InvalidConfig> {
        for (field, burn) in [("fast_burn", fast_burn), ("slow_burn", slow_burn)] {
            if !(1.0..=1000.0).contains(&burn) {
                return Err(InvalidConfig::OutOfRange { field, range: "between 1 and 1000" });
            }
        }
        if !(1..=1_000_000_000).contains(&minimum_calls) {
            let range = "between 1 and 1000000000";
            return Err(InvalidConfig::OutOfRange { field: "minimum_calls", range });
        }
        Ok(Self { fast_burn, slow_burn, minimum_calls, ..self })
    }

    /// How many times faster than allowed calls miss the objective.
    fn burn(&self, sum: Sum) -> f64 {
        sum.ratio() / (1.0 - self.objective)
    }

    /// The calls between two reports; `None` when the process does not count what is needed.
    fn between(&self, knob: &Knob, earlier: &Totals, later: &Totals) -> Option<Sum> {
        let count = |pick: fn(&Totals) -> u64| pick(later).wrapping_sub(pick(earlier));
        let rejected = (0..later.rejected.len()).map(|p| later.rejected[p].wrapping_sub(earlier.rejected[p]));
        let rejected = rejected.fold(0, u64::saturating_add);
        let taken = count(|t| t.completed.wrapping_add(t.dropped));
        if let Some(slow) = later.slow_calls(self.within) {
            // Watched only since the earlier report: then the count began at zero.
            let slow = slow.wrapping_sub(earlier.slow_calls(self.within).unwrap_or(0));
            let ended = taken.saturating_add(count(|t| t.failed));
            let (calls, missed) = (ended.saturating_add(rejected), slow.min(ended).saturating_add(rejected));
            return Some(Sum { calls, missed });
        }
        let same = knob.deadline == Some(self.within);
        let missed = count(|t| t.late.wrapping_add(t.dropped)).min(taken).saturating_add(rejected);
        same.then(|| Sum { calls: taken.saturating_add(rejected), missed })
    }
}

/// The objective at work.
#[derive(Debug)]
pub struct SloPolicy {
    spec: Slo,
    newest: Option<Arc<Totals>>,
    ring: Ring,
    /// What fires, and when a rule held last.
    firing: Option<(Timestamp, GuardReason)>,
}

impl SloPolicy {
    /// An objective without history.
    pub fn new(spec: Slo) -> Self {
        Self { spec, newest: None, ring: Ring::default(), firing: None }
    }

    /// The most urgent rule that holds.
    fn broken(&self) -> Option<GuardReason> {
        let burns = |burn: Burn, short: usize, long: usize, above: f64| {
            let now = self.spec.burn(self.ring.newest(short)?);
            let sum = self.ring.known(long);
            let holds = now > above && self.spec.burn(sum) > above && sum.calls >= self.spec.minimum_calls;
            holds.then(|| self.reason(burn, sum))
        };
        burns(Burn::Fast, 5, 60, self.spec.fast_burn)
            .or_else(|| burns(Burn::Slow, 30, 360, self.spec.slow_burn))
            .or_else(|| burns(Burn::Hour, 60, 60, 1.0))
    }

    fn reason(&self, burn: Burn, sum: Sum) -> GuardReason {
        let (share, objective) = (1.0 - sum.ratio(), self.spec.objective);
        GuardReason::Burning { burn, share, objective, rate: self.spec.burn(sum), calls: sum.calls }
    }
}

impl Policy for SloPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let totals = match seen.fresh_totals(STALE_AFTER) {
            Ok(totals) => totals,
            Err(unknown) => return Proposal::hold(unknown.reason),
        };
        self.ring.advance(seen.now);
        let earlier = self.newest.replace(Arc::clone(totals));
        // A clock that has jumped back: these counters are not the continuation of those.
        let earlier = earlier.filter(|earlier| earlier.at_nanos <= totals.at_nanos);
        if let Some(sum) = earlier.and_then(|earlier| self.spec.between(seen.knob, &earlier, totals)) {
            self.ring.count(sum);
        }
        match (self.broken(), self.firing) {
            (Some(reason), _) => self.firing = Some((seen.now, reason)),
            (None, Some((last, _))) if seen.now.since(last) >= QUIET_FOR => self.firing = None,
            _ => {}
        }
        Proposal::hold(self.firing.map_or(Reason::Calm, |(_, reason)| Reason::Guard(reason)))
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::Slo(spec) = controller else { return false };
        if spec.within != self.spec.within {
            return false;
        }
        self.spec = spec.clone();
        true
    }

    fn watches(&self) -> Option<Duration> {
        Some(self.spec.within)
    }

    fn alert(&self) -> Option<Alert> {
        let (_, reason) = self.firing?;
        let severity = match reason {
            GuardReason::Burning { burn: Burn::Hour, .. } => Severity::Warning,
            _ => Severity::Critical,
        };
        Some(Alert { severity, reason: reason.into() })
    }
}
