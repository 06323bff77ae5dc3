//! Rules out of field reports: a percentage that drops while some ratio is over its threshold.
//!
//! They are here to be compared with, and for who has them in use; docs/policies/gc-target.md says what is wrong with
//! each. One mechanism does for all: every `every`, look at a ratio.
//!
//! ```text
//! over `above`                            percent = base - drop, or base x (1 - (ratio - above)) without a drop
//! under `below`, and `hold` has passed    percent + recovery x seconds, up to the base
//! between                                 stays
//! ```
//!
//! Without the ratio's signals it holds for ten seconds, then lets go; a ratio that is missing was once read as zero.

use std::time::Duration;

use super::STALE_AFTER;
use crate::decision::Action;
use crate::envelope::GcTarget;
use crate::policy::{Proposal, Seen, Want};
use crate::reason::GcReason;
use crate::signal::Signal;
use crate::spec::InvalidConfig;
use crate::time::Timestamp;
use crate::value::Value;

/// Which ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Live heap over heap goal: high only where the heap has hardly any room to grow.
    LiveOverGoal,
    /// Heap objects over heap goal, as reported: sweeps through its range in each healthy cycle.
    HeapOverGoal,
    /// Working set over limit.
    WorkingSet,
    /// Usage over limit, as reported: with file cache that costs nothing to drop.
    Usage,
}

impl Of {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LiveOverGoal, Self::HeapOverGoal, Self::WorkingSet, Self::Usage];

    /// The name in policy files and reasons.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LiveOverGoal => "live_over_goal",
            Self::HeapOverGoal => "heap_over_goal",
            Self::WorkingSet => "working_set",
            Self::Usage => "usage",
        }
    }

    /// The ratio of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.name() == name)
    }

    fn read(self, seen: &Seen<'_>) -> Result<f64, Proposal> {
        let value = |signal| seen.fresh(signal, STALE_AFTER);
        let over = |part: Signal, whole: Signal| {
            let (part, whole) = (value(part)?, value(whole)?);
            if whole > 0.0 && part >= 0.0 {
                Ok(part / whole)
            } else {
                Err(Proposal::hold(crate::reason::Reason::Measuring { samples: 0 }))
            }
        };
        match self {
            Self::LiveOverGoal => over(Signal::HeapLiveBytes, Signal::HeapGoalBytes),
            Self::HeapOverGoal => over(Signal::HeapObjectsBytes, Signal::HeapGoalBytes),
            Self::WorkingSet => value(Signal::MemoryWorkingSetRatio),
            Self::Usage => {
                let cache = over(Signal::MemoryInactiveFileBytes, Signal::MemoryLimitBytes)?;
                Ok(value(Signal::MemoryWorkingSetRatio)? + cache)
            }
        }
    }
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioRule {
    /// Which ratio.
    pub of: Of,
    /// Over this the percentage drops.
    pub above: f64,
    /// Under this it recovers.
    pub below: f64,
    /// By how many points it drops; `None`: in proportion to the excess.
    pub drop: Option<u32>,
    /// Points per second; 0: it never comes back.
    pub recovery: f64,
    /// How often it looks.
    pub every: Duration,
    /// How long it stays low at least.
    pub hold: Duration,
    /// The percentage when nothing presses.
    pub base: u32,
    /// Lowest and highest percentage.
    pub bounds: (u32, u32),
}

impl RatioRule {
    /// Checks every rule.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn checked(self) -> Result<Self, InvalidConfig> {
        let refuse = |field, range| Err(InvalidConfig::OutOfRange { field, range });
        let (percent_min, percent_max) = self.bounds;
        if !(0.10..=1.0).contains(&self.above) {
            return refuse("above", "between 10% and 100%");
        }
        if !(0.0..=self.above).contains(&self.below) {
            return Err(InvalidConfig::Order { field: "below", relation: "at most", other: "above" });
        }
        if !(0.0..=1000.0).contains(&self.recovery) {
            return refuse("recovery", "between 0 and 1000 points per second");
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(600)).contains(&self.every) {
            return refuse("every", "between 100ms and 10m");
        }
        if !(1..=GcTarget::PERCENT_LIMIT).contains(&percent_min) {
            return refuse("percent_min", "between 1 and 100000");
        }
        if !(percent_min..=GcTarget::PERCENT_LIMIT).contains(&percent_max) {
            return Err(InvalidConfig::Order {
                field: "percent_max",
                relation: "at most 100000 and at least",
                other: "percent_min",
            });
        }
        if !(percent_min..=percent_max).contains(&self.base) {
            return refuse("percent", "between percent_min and percent_max");
        }
        Ok(self)
    }

    fn dropped(&self, ratio: f64) -> f64 {
        let base = f64::from(self.base);
        self.drop.map_or_else(|| base * (1.0 - (ratio - self.above)), |points| base - f64::from(points))
    }
}

/// A rule at work.
#[derive(Debug, Default)]
pub(super) struct RatioState {
    percent: Option<f64>,
    looked: Option<Timestamp>,
    pressed: Option<Timestamp>,
}

impl RatioState {
    pub(super) fn step(&mut self, seen: &Seen<'_>, rule: &RatioRule) -> Proposal {
        let ratio = match rule.of.read(seen) {
            Ok(ratio) => ratio,
            Err(unknown) => return unknown,
        };
        let before = self.percent.unwrap_or(f64::from(rule.base));
        let passed = self.looked.map(|at| seen.now.since(at));
        let mut percent = before;
        if passed.is_none_or(|passed| passed >= rule.every) {
            self.looked = Some(seen.now);
            let quiet = self.pressed.is_none_or(|at| seen.now.since(at) >= rule.hold);
            if ratio > rule.above {
                self.pressed = Some(seen.now);
                percent = rule.dropped(ratio);
            } else if ratio < rule.below && quiet && before < f64::from(rule.base) {
                let seconds = passed.map_or(0.0, |passed| passed.as_secs_f64());
                percent = (before + rule.recovery * seconds).min(f64::from(rule.base));
            }
            percent = percent.clamp(f64::from(rule.bounds.0), f64::from(rule.bounds.1));
        }
        self.percent = Some(percent);
        let threshold = if ratio < rule.below { rule.below } else { rule.above };
        let reason = GcReason::Ratio { of: rule.of, ratio, threshold };
        let action = match percent.total_cmp(&before) {
            std::cmp::Ordering::Less => Action::Decrease,
            std::cmp::Ordering::Equal => Action::Hold,
            std::cmp::Ordering::Greater => Action::Increase,
        };
        let target = GcTarget::fixed(percent.round() as u32);
        Proposal::new(Want::Set(Value::Gc(target)), action, reason)
    }
}
