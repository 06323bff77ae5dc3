//! Lets a garbage-collected runtime use the memory that is there, and no more.
//!
//! A static percentage wastes either memory or CPU time and is blind to everything outside the heap. A static soft limit
//! turns an OOM kill into hours of collecting. Tuners inside the process mostly read the heap before it is swept, and none
//! of them looks at neighbours. So this policy reckons from the limit downwards: what others use, with a look ahead, and a
//! margin, is not the runtime's; the rest is its budget. It pushes that as an envelope ([`crate::envelope`]), which the
//! process evaluates after each collection; the sidecar is too far away for the inner loop.
//!
//! Inputs: memory limit and working set, memory of the runtime and its overhead, live heap (needed); anonymous memory,
//! roots, allocated bytes, collections and their CPU time, threads and quota, memory stall, calls in flight (used where
//! known). Output: a [`crate::envelope::GcTarget`].
//!
//! ```text
//! budget = limit - external memory - margin                     see gc_target/external.rs and gc_target/budget.rs
//! limit of the runtime = budget, at most limit - external memory - margin / 2 where the live heap needs it
//! ```
//!
//! | mode | what |
//! |---|---|
//! | `throughput` | all of the budget: as few collections as possible |
//! | `frugal` | as much memory as a share of CPU time (`gc_cpu_target`) needs; under pressure as `throughput` |
//! | `fixed` | a percentage, a part of the limit, or both |
//! | `ratio` | the rules of field reports: see gc_target/ratio.rs |
//!
//! Who stays above its budget is asked to collect and to give pages back: see gc_target/excess.rs.
//! The states in gc_target/state.rs say how hard memory presses; what follows from them for calls and for the life of the
//! process is in [`cap`] and [`drain`]. Where several processes share a limit, see gc_target/budget.rs.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `gc_cpu_target` | 5 % | 1 % to 50 % | less memory, more CPU time | the reverse |
//! | `gc_cpu_cap` | 20 % | 2 % to 50 % | sheds later | sheds earlier |
//! | `percent_min` | 15 | 1 to 1,000 | more memory under pressure | more collections |
//! | `percent_max` | 800 | `percent_min` to 100,000 | fewer collections of a small heap | less garbage kept |
//! | `restart_not_brownout` | false | | while starved, lets the kernel kill | collects until the end |
//!
//! Failure modes: without one of the needed signals it holds for ten seconds, then lets go. A limit under 64 MiB is left
//! alone. Unlike others it acts while the engine learns: all that a process can tell a new sidecar of its envelope is one
//! number. A burst that is faster than the runtime's own limit, and a single huge object, are beyond any policy. The law,
//! its constants and the presets' critique: docs/policies/gc-target.md.

use std::time::Duration;

use crate::claim::{Claim, Others};
use crate::decision::Action;
use crate::envelope::{GcMode, GcTarget};
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::GcReason;
use crate::spec::Controller;
use crate::time::Timestamp;
use crate::value::Value;

mod budget;
mod calls;
pub mod cap;
pub mod drain;
mod excess;
mod external;
mod leak;
mod parameters;
mod rates;
mod ratio;
mod sense;
mod state;
mod watch;

pub use parameters::{GcTargetSpec, Rule};
pub use ratio::{Of, RatioRule};

use excess::{Asked, Excess, Look};
use ratio::RatioState;
use state::State;
use watch::{View, Watch};

const STALE_AFTER: Duration = Duration::from_secs(2);
/// Changes of the budget below this share of the limit are not worth a push.
const SAME_BUDGET: f64 = 0.01;
/// A looser budget is pushed at most this often.
const LOOSER_EVERY: Duration = Duration::from_millis(200);
/// What is expected to come out is corrected by at least this ratio, and at most this often.
const SAME_PERCENT: f64 = 0.05;
const CORRECTED_EVERY: Duration = Duration::from_secs(1);
/// A starved process gives pages back this often; the wish stands long enough to arrive.
const RETURN_EVERY: u64 = 30;
const RETURN_STANDS: u64 = 5;
/// A starved process that had better be killed than crawl has no limit, and at least this percentage.
const LEAST_WITHOUT_LIMIT: f64 = 10.0;

/// What was said last.
#[derive(Debug, Clone, Copy)]
struct Said {
    at: Timestamp,
    state: State,
    target: GcTarget,
}

/// The target at work.
#[derive(Debug)]
pub struct GcTargetPolicy {
    spec: GcTargetSpec,
    watch: Watch,
    ratio: RatioState,
    said: Option<Said>,
    starved_since: Option<Timestamp>,
    excess: Excess,
}

impl GcTargetPolicy {
    /// A policy that has said nothing yet.
    pub fn new(spec: GcTargetSpec) -> Self {
        let ratio = RatioState::default();
        Self {
            spec,
            watch: Watch::default(),
            ratio,
            said: None,
            starved_since: None,
            excess: Excess::default(),
        }
    }

    /// The envelope for a process that stands like this.
    fn target(&mut self, view: &View, asked: Asked, mode: GcMode, seen: &Seen<'_>) -> GcTarget {
        let now = seen.now;
        let starved = view.state == State::Starved;
        self.starved_since = starved.then(|| self.starved_since.unwrap_or(now));
        let returning = |since: Timestamp| now.since(since).as_secs() % RETURN_EVERY < RETURN_STANDS;
        let ceiling = view.limit - view.external - 0.5 * view.margin;
        let (percent_min, ceiling) = if starved && self.spec.restart_not_brownout {
            ((100.0 * view.least).max(LEAST_WITHOUT_LIMIT) as u32, GcTarget::BYTES_LIMIT)
        } else {
            (self.spec.percent_min, ceiling.max(view.budget) as u64)
        };
        let percent_min = bounded(percent_min, seen);
        let budget = view.budget as u64;
        let mut target = GcTarget {
            mode: if view.state == State::Normal { mode } else { GcMode::Throughput },
            memory_limit_bytes: Some(ceiling.clamp(budget, GcTarget::BYTES_LIMIT)),
            percent_min,
            percent_max: bounded(self.spec.percent_max, seen).max(percent_min),
            gc_cpu_target: self.spec.gc_cpu_target,
            gc_cpu_cap: self.spec.gc_cpu_cap,
            collect: asked.collect,
            return_memory: asked.return_memory
                || view.unused > view.margin && self.starved_since.is_some_and(returning),
            ..GcTarget::budget(budget.clamp(1, GcTarget::BYTES_LIMIT))
        };
        target.percent = target.evaluate(&view.heap).percent;
        target
    }

    fn is_news(&self, now: Timestamp, view: &View, target: &GcTarget) -> bool {
        let Some(said) = &self.said else { return true };
        let old = &said.target;
        let bytes = |target: &GcTarget| target.budget_bytes.unwrap_or(0) as f64;
        let change = bytes(target) - bytes(old);
        let passed = now.since(said.at);
        let big = change.abs() > SAME_BUDGET * view.limit;
        let percent = |target: &GcTarget| target.percent.map_or(0.0, f64::from);
        let moved = (percent(target) - percent(old)).abs() > SAME_PERCENT * percent(old);
        let bounds = |target: &GcTarget| (target.mode, target.percent_min, target.percent_max);
        let wishes = |target: &GcTarget| (target.collect, target.return_memory);
        said.state != view.state
            || bounds(target) != bounds(old)
            || wishes(target) != wishes(old)
            || (big && (change < 0.0 || passed >= LOOSER_EVERY))
            || (moved && passed >= CORRECTED_EVERY)
    }

    fn by_law(&mut self, seen: &Seen<'_>, mode: GcMode) -> Proposal {
        let bounds = self.spec.bounds();
        let view = match self.watch.look(seen, &bounds) {
            Ok(view) => view,
            Err(instead) => {
                self.said = self.said.filter(|_| instead.want == Want::Hold);
                return instead;
            }
        };
        let asked = self.excess.step(seen.now, Look::of(&view));
        let target = self.target(&view, asked, mode, seen);
        let reason = if asked.return_memory { view.over_budget() } else { view.reason };
        if !self.is_news(seen.now, &view, &target) {
            return Proposal::hold(reason);
        }
        let before = self.said.replace(Said { at: seen.now, state: view.state, target });
        let tighter = before.is_some_and(|said| target.is_tighter_than(&said.target));
        let action = if tighter { Action::Decrease } else { Action::Increase };
        Proposal::new(Want::Set(Value::Gc(target)), action, reason)
    }

    fn fixed(&self, seen: &Seen<'_>, percent: Option<u32>, share: Option<f64>) -> Proposal {
        let limit = share.map(|share| {
            let limit = seen.fresh(crate::signal::Signal::MemoryLimitBytes, STALE_AFTER)?;
            Ok(((share * limit) as u64).clamp(1, GcTarget::BYTES_LIMIT))
        });
        let memory_limit_bytes = match limit.transpose() {
            Ok(limit) => limit,
            Err(unknown) => return unknown,
        };
        let target = GcTarget { percent, memory_limit_bytes, ..GcTarget::fixed(100) };
        Proposal::new(Want::Set(Value::Gc(target)), Action::Hold, GcReason::Fixed)
    }
}

/// A percentage within the bounds that the owner of the knob allows.
fn bounded(percent: u32, seen: &Seen<'_>) -> u32 {
    let highest = seen.knob.max.max(1.0);
    f64::from(percent).max(seen.knob.min).min(highest).clamp(1.0, f64::from(GcTarget::PERCENT_LIMIT)) as u32
}

impl Policy for GcTargetPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        match self.spec.rule {
            Rule::Law(mode) => self.by_law(seen, mode),
            Rule::Fixed { percent, memory_limit } => self.fixed(seen, percent, memory_limit),
            Rule::Ratio(rule) => self.ratio.step(seen, &rule),
        }
    }

    fn is_safety(&self) -> bool {
        matches!(self.spec.rule, Rule::Law(_))
    }

    fn claim(&self) -> Option<Claim> {
        self.watch.claim()
    }

    fn hear(&mut self, others: Others) {
        self.watch.hear(others);
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::GcTarget(spec) = controller else { return false };
        self.spec = spec.clone();
        true
    }
}

#[cfg(test)]
mod tests;
