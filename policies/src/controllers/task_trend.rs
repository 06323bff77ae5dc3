//! Warns when tasks grow towards a limit, well before they get there.
//!
//! A slow leak never trips a guard that compares with the last minutes. What gives it away is that it goes on: the tasks grow in
//! every part of the last half hour, and if they go on like that a limit is near. Both have to be true. The obvious
//! rule, growth alone, would call people every morning: a daily wave grows for hours, but far below the limit; a deploy
//! is a step; a warm-up flattens. (See `series` for how each is told apart.)
//!
//! The limit is the number of tasks that the policy names, or the container's memory, whichever comes first. Memory counts
//! only while tasks grow as well, and is reached at 95 % of working set over limit: that is near enough.
//!
//! Inputs: [`Signal::Tasks`], and [`Signal::MemoryWorkingSetRatio`] if there is one. Output: an alert. It moves nothing:
//! whether to shed, to restart or to wait is a decision for people; `task_leak` acts when it becomes acute.
//!
//! ```text
//! growth  = slope of the window (Theil-Sen), only if it rose in all of it; if its newest third rises by a share k < 1 of
//!           that, k x k x slope: what flattens is on its way to a level
//! left    = (limit - level) / growth                             level: by the median of the newest points
//! fires   when left < warn_before        ends when left > 2 x warn_before, or without growth, for a sixth of the window
//! ```
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `limit` | none: memory alone | 1 to 100,000,000 tasks | warns later | warns earlier |
//! | `warn_before` | 40 min | 5 min to 6 h | warns earlier, of more | warns later, of less |
//! | `window` | 30 min | 10 min to 12 h | surer, slower to see | faster, may take a wave for a leak |
//!
//! A wave whose rise takes as long as the window or longer, and would reach the limit if it went on, is told: nothing in the
//! window tells it from a leak. Choose `limit` above the daily peak by more than `warn_before` of its steepest rise.
//!
//! Failure modes: it needs a full window of readings before it says anything, again after each restart of the process or the
//! sidecar, and after a gap. While readings are missing it stays with what it said. A burst that
//! lasts for a sixth of the window or longer puts it off until the burst has left the window. Growth that speeds up is underestimated,
//! which is why `warn_before` is longer than the quarter of an hour that people need.

use std::time::Duration;

use crate::alert::{Alert, Severity};
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen};
use crate::reason::{GuardReason, Reason, TaskLimit};
use crate::signal::Signal;
use crate::spec::{Controller, InvalidConfig};

mod series;
#[cfg(test)]
mod tests;

use series::{Growth, Series};

const STALE_AFTER: Duration = Duration::from_secs(2);
/// Working set over limit at which memory has run out.
const MEMORY_FULL: f64 = 0.95;
/// Points without trouble that end an alert: a sixth of the window.
const QUIET_POINTS: u32 = 10;

/// Parameters of the warning.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskTrend {
    pub(crate) knob: KnobName,
    limit: Option<f64>,
    warn_before: Duration,
    window: Duration,
}

impl TaskTrend {
    /// Default of `warn_before`.
    pub const WARN_BEFORE: Duration = Duration::from_secs(40 * 60);
    /// Default of `window`.
    pub const WINDOW: Duration = Duration::from_secs(30 * 60);

    /// A checked warning; without a limit, memory alone is one.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(
        limit: Option<f64>,
        warn_before: Duration,
        window: Duration,
    ) -> Result<Self, InvalidConfig> {
        const MINUTE: Duration = Duration::from_secs(60);
        if limit.is_some_and(|limit| !(1.0..=1e8).contains(&limit)) {
            return Err(InvalidConfig::OutOfRange { field: "limit", range: "between 1 and 100000000" });
        }
        if !(5 * MINUTE..=360 * MINUTE).contains(&warn_before) {
            return Err(InvalidConfig::OutOfRange { field: "warn_before", range: "between 5m and 6h" });
        }
        if !(10 * MINUTE..=720 * MINUTE).contains(&window) {
            return Err(InvalidConfig::OutOfRange { field: "window", range: "between 10m and 12h" });
        }
        Ok(Self { knob: KnobName::process(), limit, warn_before, window })
    }
}

/// The warning at work.
#[derive(Debug)]
pub struct TaskTrendPolicy {
    spec: TaskTrend,
    tasks: Series,
    memory: Series,
    firing: Option<GuardReason>,
    /// Points without trouble since it began to fire.
    quiet: u32,
}

impl TaskTrendPolicy {
    /// A warning that has seen nothing yet.
    pub fn new(spec: TaskTrend) -> Self {
        let (tasks, memory) = (Series::new(spec.window), Series::new(spec.window));
        Self { spec, tasks, memory, firing: None, quiet: 0 }
    }

    /// When which limit is reached, as things go.
    fn outlook(&self) -> Option<GuardReason> {
        let tasks = self.tasks.growth()?;
        let until = |growth: Growth, limit| (limit - growth.now) / growth.per_second;
        let of_tasks = self.spec.limit.map(|limit| (until(tasks, limit), TaskLimit::Tasks));
        let of_memory = self.memory.growth().map(|memory| (until(memory, MEMORY_FULL), TaskLimit::Memory));
        let soonest = of_tasks.into_iter().chain(of_memory).min_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, limit) = soonest?;
        // Nobody plans for longer than a year.
        let left = Duration::from_secs_f64(seconds.clamp(0.0, 3.2e7));
        Some(GuardReason::TasksRising { tasks: tasks.now, per_minute: tasks.per_second * 60.0, left, limit })
    }

    fn judge(&mut self, outlook: Option<GuardReason>) {
        let left = match outlook {
            Some(GuardReason::TasksRising { left, .. }) => left,
            _ => Duration::MAX,
        };
        if left < self.spec.warn_before || (self.firing.is_some() && left < 2 * self.spec.warn_before) {
            (self.firing, self.quiet) = (outlook, 0);
            return;
        }
        self.quiet += 1;
        if self.quiet >= QUIET_POINTS {
            (self.firing, self.quiet) = (None, 0);
        }
    }
}

impl Policy for TaskTrendPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let tasks = match seen.fresh(Signal::Tasks, STALE_AFTER) {
            Ok(tasks) => tasks,
            Err(unknown) => return Proposal::hold(unknown.reason),
        };
        if let Ok(ratio) = seen.fresh(Signal::MemoryWorkingSetRatio, STALE_AFTER) {
            self.memory.push(seen.now, ratio);
        }
        if self.tasks.push(seen.now, tasks) {
            let outlook = self.outlook();
            self.judge(outlook);
        }
        Proposal::hold(self.firing.map_or(Reason::Calm, Reason::Guard))
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::TaskTrend(spec) = controller else { return false };
        if spec.window != self.spec.window {
            return false;
        }
        self.spec = spec.clone();
        true
    }

    fn alert(&self) -> Option<Alert> {
        self.firing.map(|reason| Alert { severity: Severity::Warning, reason: reason.into() })
    }
}
