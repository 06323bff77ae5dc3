//! As many threads as there are CPUs to run them, found by what happens.
//!
//! More threads than a CPU quota lets run use it up early in each period, and then all of them stand still; idle marking
//! threads of a collector do so while nothing else happens. Too few threads leave CPUs unused while tasks wait. The
//! obvious rule, as many as the quota says, is right most of the time and was seen to ruin services whose threads hang in
//! the kernel. So threads beyond the quota go when they do harm, not before, and every step is an experiment: it is taken
//! back when answers get fewer or slower.
//!
//! Inputs: CPU quota and affinity (one of them needed), CPUs in use, throttled periods and time, run delay, wait of tasks
//! for a thread, threads stuck in the kernel, counters of the main limiter (used where known). Output: threads.
//!
//! ```text
//! base = min(affinity, ceil(quota))                  bounds = max(1, floor(quota)) to min(affinity, ceil(2 quota))
//! without a quota: base = affinity                   bounds = 2 to affinity
//! start: what is in force, between base and the upper bound; base where throttling is not known
//! ```
//!
//! | rule | when, in three windows of 1 s in a row | step |
//! |---|---|---|
//! | throttled | periods > 5 %, time > 1 %; from `base` down only with periods > 25 % | down |
//! | starved | no quota, run delay > 0.25 a thread | down, not under CPUs in use + 0.5 |
//! | wants more | wait > 1 ms, periods < 1 %, run delay < 0.05 a thread, CPUs in use < 85 % | up |
//! | stalled | wait > 1 ms, half of the threads stuck in the kernel | up |
//!
//! A step is one thread or 12 %, and down to `base` all of the way. A change stops the world, and waits for a running collection first: so at most one in 5 s,
//! up at most one in 15 s, and six a minute. Ten seconds after a step its good answers are compared with those before: with
//! 3 % fewer, or as many but 10 % slower, it is taken back and that number is not tried for five minutes. Beyond `base`
//! of a quota a step has to prove itself: 3 % more or 10 % faster.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `follow` | `quota` | `quota`, or a rule of a field report: `load`, `cores`, `sched_latency` | | |
//! | `min`, `max` | the bounds above | 1 to 65,536 | more threads | fewer |
//! | `raw` | false | | a field report's rule as it was reported | with our bounds |
//!
//! Failure modes: without quota and affinity it holds for ten seconds, then hands the knob back to the runtime's own choice.
//! Without counters nothing is judged, and nothing goes beyond `base`. Field reports' rules: parallelism/preset.rs and
//! docs/policies/parallelism.md, with what is wrong with them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{ParallelismReason, Reason};
use crate::spec::{Controller, InvalidConfig};
use crate::time::Timestamp;
use crate::value::Value;

mod judge;
mod preset;
mod room;
mod rule;

pub use preset::Follow;

use judge::{Judge, Verdict};
use room::Room;
use rule::{Rules, Step};

const STALE_AFTER: Duration = Duration::from_secs(3);
const DECIDE_EVERY: Duration = Duration::from_secs(5);
const UP_EVERY: Duration = Duration::from_secs(15);
const MOST_CHANGES: usize = 6;
const CHANGES_IN: Duration = Duration::from_secs(60);
/// A step is a thread, or this share of them.
const STEP_SHARE: f64 = 0.12;

/// Parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallelism {
    pub(crate) knob: KnobName,
    follow: Follow,
    raw: bool,
    min: Option<u32>,
    max: Option<u32>,
}

impl Parallelism {
    /// The knob by default.
    pub const KNOB: &str = "parallelism";
    /// Most threads.
    pub const MOST: u32 = 65_536;

    /// Checked parameters.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(
        knob: KnobName,
        follow: Follow,
        raw: bool,
        min: Option<u64>,
        max: Option<u64>,
    ) -> Result<Self, InvalidConfig> {
        let threads = |number: Option<u64>, field| match number.map(u32::try_from).transpose() {
            Ok(number) if number.is_none_or(|n| (1..=Self::MOST).contains(&n)) => Ok(number),
            _ => Err(InvalidConfig::OutOfRange { field, range: "between 1 and 65536" }),
        };
        let (min, max) = (threads(min, "min")?, threads(max, "max")?);
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(InvalidConfig::Order { field: "max", relation: "at least", other: "min" });
        }
        if raw && follow == Follow::Quota {
            return Err(InvalidConfig::OutOfRange {
                field: "raw",
                range: "false unless a report is followed",
            });
        }
        Ok(Self { knob, follow, raw, min, max })
    }
}

/// The number of threads at work.
#[derive(Debug)]
pub struct ParallelismPolicy {
    spec: Parallelism,
    room: Option<Room>,
    rules: Rules,
    judge: Judge,
    wanted: Option<u32>,
    decided: Option<Timestamp>,
    raised: Option<Timestamp>,
    changes: VecDeque<Timestamp>,
    cause: Reason,
}

impl ParallelismPolicy {
    /// A policy that has decided nothing yet.
    pub fn new(spec: Parallelism) -> Self {
        Self {
            spec,
            room: None,
            rules: Rules::default(),
            judge: Judge::default(),
            wanted: None,
            decided: None,
            raised: None,
            changes: VecDeque::new(),
            cause: Reason::Calm,
        }
    }

    fn set(&self, threads: u32, action: Action) -> Proposal {
        Proposal::new(Want::Set(Value::Parallelism { threads, blocking_threads: None }), action, self.cause)
    }

    fn change(&mut self, now: Timestamp, threads: u32, cause: ParallelismReason) -> Proposal {
        let before = self.wanted.replace(threads);
        let up = before.is_some_and(|before| threads > before);
        self.cause = cause.into();
        self.decided = Some(now);
        self.raised = if up { Some(now) } else { self.raised };
        self.changes.push_back(now);
        self.set(threads, if up { Action::Increase } else { Action::Decrease })
    }

    /// Whether a change in that direction may be made now.
    fn may(&mut self, now: Timestamp, up: bool) -> bool {
        while self.changes.front().is_some_and(|at| now.since(*at) >= CHANGES_IN) {
            self.changes.pop_front();
        }
        let passed = |at: Option<Timestamp>, least| at.is_none_or(|at| now.since(at) >= least);
        self.changes.len() < MOST_CHANGES
            && passed(self.decided, DECIDE_EVERY)
            && (!up || passed(self.raised, UP_EVERY))
    }

    fn by_law(&mut self, seen: &Seen<'_>) -> Proposal {
        let room = match Room::of(seen, self.spec.min, self.spec.max) {
            Ok(room) => room,
            Err(unknown) => return unknown,
        };
        self.judge.update(seen);
        let quota = ParallelismReason::Quota { cores: room.usable };
        let Some(threads) = self.wanted.filter(|_| self.room == Some(room)) else {
            self.room = Some(room);
            self.judge.forget();
            self.wanted = None;
            return match room.start(seen) {
                Some(threads) => self.change(seen.now, threads, quota),
                None => Proposal::hold(Reason::Measuring { samples: 0 }),
            };
        };
        if seen.in_force.scalar() != f64::from(threads) {
            // On its way, or refused: nothing that happens now comes of it.
            self.decided = Some(seen.now);
            self.judge.restart();
            return Proposal::hold(self.cause);
        }
        let step = self.rules.look(seen, &room, threads);
        match self.judge.verdict(seen.now, threads > room.base && room.quota) {
            Verdict::Judging(left) => {
                return Proposal::hold(ParallelismReason::Judging { left });
            }
            Verdict::TakeBack { to, before, after } => {
                return self.change(seen.now, to, ParallelismReason::Reverted { before, after });
            }
            Verdict::Nothing => {}
        }
        match step {
            Some(step) => self.step(seen.now, threads, &room, step),
            None => Proposal::hold(self.cause),
        }
    }

    fn step(&mut self, now: Timestamp, threads: u32, room: &Room, step: Step) -> Proposal {
        let size = ((STEP_SHARE * f64::from(threads)) as u32).max(1);
        let to = match step.up {
            true => threads.saturating_add(size).min(room.max),
            // As many as the quota lets run is where throttling ends; further down it goes by steps.
            false if threads > room.base => room.base.max(step.least.min(threads)),
            false => threads.saturating_sub(size).max(room.min).max(step.least.min(threads)),
        };
        let unproven = to > room.base && room.quota && !self.judge.can_judge();
        if to == threads || unproven || self.judge.is_tabu(now, to) || !self.may(now, step.up) {
            return Proposal::hold(self.cause);
        }
        self.judge.begin(now, threads, to);
        self.change(now, to, step.reason)
    }
}

impl Policy for ParallelismPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let proposal =
            if self.spec.follow == Follow::Quota { self.by_law(seen) } else { self.by_preset(seen) };
        if proposal.want == Want::Release {
            (self.room, self.wanted) = (None, None);
        }
        proposal
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::Parallelism(spec) = controller else { return false };
        (self.room, self.wanted) = (None, None);
        self.spec = spec.clone();
        true
    }
}

#[cfg(test)]
mod tests;
