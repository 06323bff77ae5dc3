//! What asks for a step: conditions that hold in three windows of a second in a row. What is not known asks for nothing.

use std::time::Duration;

use super::STALE_AFTER;
use super::room::Room;
use crate::policy::Seen;
use crate::reason::ParallelismReason;
use crate::signal::Signal;
use crate::time::Timestamp;

const WINDOW: Duration = Duration::from_secs(1);
const IN_A_ROW: u32 = 3;
const WAIT: Duration = Duration::from_millis(1);

/// A step that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub up: bool,
    /// It goes no lower than that.
    pub least: u32,
    pub reason: ParallelismReason,
}

/// What asked last, and how often in a row.
#[derive(Debug, Default)]
pub(super) struct Rules {
    looked: Option<Timestamp>,
    asked: Option<&'static str>,
    in_a_row: u32,
    step: Option<Step>,
}

impl Rules {
    /// The step that is asked for now.
    pub(super) fn look(&mut self, seen: &Seen<'_>, room: &Room, threads: u32) -> Option<Step> {
        if self.looked.is_none_or(|at| seen.now.since(at) >= WINDOW) {
            self.looked = Some(seen.now);
            self.step = asked(seen, room, threads);
            let rule = self.step.map(|step| step.reason.rule());
            self.in_a_row = if rule.is_some() && rule == self.asked { self.in_a_row + 1 } else { 1 };
            self.asked = rule;
        }
        self.step.filter(|_| self.in_a_row >= IN_A_ROW)
    }
}

fn asked(seen: &Seen<'_>, room: &Room, threads: u32) -> Option<Step> {
    let known = |signal| seen.fresh(signal, STALE_AFTER).ok();
    let (periods, time) = (known(Signal::ThrottledRatio), known(Signal::ThrottledTimeRatio));
    let p = f64::from(threads);
    let down = |least, reason| Some(Step { up: false, least, reason });
    if let Some((periods, time)) = periods.map(|periods| (periods, time.unwrap_or(periods))) {
        let lowest = if periods > 0.25 { room.min } else { room.base };
        if periods > 0.05 && time > 0.01 && threads > lowest {
            return down(lowest, ParallelismReason::Throttled { periods, time });
        }
    }
    let (waiting, used) = (known(Signal::RunDelayCores), known(Signal::CpuUsedCores));
    if let Some(waiting) = waiting.filter(|waiting| !room.quota && *waiting > 0.25 * p) {
        let least = used.map_or(room.min, |used| (used + 0.5).ceil() as u32);
        return down(least, ParallelismReason::Starved { waiting, threshold: 0.25 * p });
    }
    let wait = known(Signal::SchedulerLatency).or_else(|| known(Signal::RuntimeDelay))?;
    let wait = Duration::try_from_secs_f64(wait).ok().filter(|wait| *wait > WAIT)?;
    let up = |reason| Some(Step { up: true, least: 0, reason });
    if let Some(blocked) = known(Signal::BlockedThreads).filter(|blocked| *blocked >= 0.5 * p) {
        return up(ParallelismReason::Stalled { blocked, threshold: 0.5 * p });
    }
    let free = used.is_some_and(|used| used < 0.85 * room.usable);
    let calm =
        periods.is_none_or(|periods| periods < 0.01) && waiting.is_none_or(|waiting| waiting < 0.05 * p);
    if free && calm { up(ParallelismReason::WantsMore { wait }) } else { None }
}
