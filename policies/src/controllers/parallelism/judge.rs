//! Whether the last step made things better or worse.
//!
//! Good answers per second, and mean latency where those are as many, over ten seconds before and after. Where the load
//! was not the same, nothing can be said.

use std::sync::Arc;
use std::time::Duration;

use super::STALE_AFTER;
use crate::policy::Seen;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::window::Window;

const OVER: Duration = Duration::from_secs(10);
const SAME_LOAD: f64 = 0.10;
const WORSE: f64 = 0.97;
const BETTER: f64 = 1.03;
const SLOWER: f64 = 1.10;
const FASTER: f64 = 0.90;
/// What a late answer lacks of a good one: where all are late, more of them are still better.
const LATE: f64 = 0.9;
const TABU_FOR: Duration = Duration::from_secs(300);

/// Ten seconds.
#[derive(Debug, Clone, Copy)]
struct Measured {
    goodput: f64,
    load: f64,
    latency: f64,
}

/// A step under judgement.
#[derive(Debug)]
struct Case {
    at: Timestamp,
    from: u32,
    to: u32,
    before: Option<Measured>,
    start: Option<Arc<Totals>>,
}

/// What to do about the last step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Nothing,
    Judging(Duration),
    TakeBack { to: u32, before: f64, after: f64 },
}

/// Judges steps.
#[derive(Debug, Default)]
pub(super) struct Judge {
    start: Option<Arc<Totals>>,
    latest: Option<Arc<Totals>>,
    last: Option<Measured>,
    case: Option<Case>,
    tabu: Option<(u32, Timestamp)>,
}

impl Judge {
    /// Takes the newest counters.
    pub(super) fn update(&mut self, seen: &Seen<'_>) {
        let Ok(totals) = seen.fresh_totals(STALE_AFTER) else {
            (self.start, self.latest, self.last) = (None, None, None);
            return;
        };
        self.latest = Some(Arc::clone(totals));
        let start = self.start.get_or_insert_with(|| Arc::clone(totals));
        if start.at_nanos > totals.at_nanos {
            *start = Arc::clone(totals);
        }
        if Duration::from_nanos(totals.at_nanos - start.at_nanos) >= OVER {
            self.last = measured(start, totals);
            self.start = Some(Arc::clone(totals));
        }
    }

    /// A step begins.
    pub(super) fn begin(&mut self, at: Timestamp, from: u32, to: u32) {
        // Within the window that has just begun the old number was in force as well.
        let before = self.last.take();
        self.start.clone_from(&self.latest);
        self.case = Some(Case { at, from, to, before, start: self.latest.clone() });
    }

    /// The step was overtaken by something else.
    pub(super) fn forget(&mut self) {
        self.case = None;
        self.restart();
    }

    /// What was measured until now counts no more; a step under judgement begins only now.
    pub(super) fn restart(&mut self) {
        self.start.clone_from(&self.latest);
        if let Some(case) = &mut self.case {
            case.start.clone_from(&self.latest);
        } else {
            self.last = None;
        }
    }

    /// Whether there is something to compare with.
    pub(super) const fn can_judge(&self) -> bool {
        self.last.is_some()
    }

    /// Whether this number was taken back a moment ago.
    pub(super) fn is_tabu(&self, now: Timestamp, threads: u32) -> bool {
        self.tabu.is_some_and(|(tabu, at)| tabu == threads && now.since(at) < TABU_FOR)
    }

    /// What to do about the last step; one that `must_prove` itself is taken back unless it is better.
    pub(super) fn verdict(&mut self, now: Timestamp, must_prove: bool) -> Verdict {
        let Some(case) = &self.case else { return Verdict::Nothing };
        let passed = now.since(case.at);
        if passed < OVER {
            return Verdict::Judging(OVER.saturating_sub(passed));
        }
        let after =
            case.start.as_ref().zip(self.latest.as_ref()).and_then(|(start, end)| measured(start, end));
        let (from, to) = (case.from, case.to);
        let compared = case.before.zip(after);
        self.case = None;
        let bad = match compared {
            Some((before, after)) => before.is_worse(&after) || (must_prove && !before.is_better(&after)),
            None => must_prove,
        };
        if !bad {
            return Verdict::Nothing;
        }
        self.tabu = Some((to, now));
        let goodput = |measured: Option<Measured>| measured.map_or(0.0, |measured| measured.goodput);
        Verdict::TakeBack {
            to: from,
            before: goodput(compared.map(|(before, _)| before)),
            after: goodput(compared.map(|(_, after)| after)),
        }
    }
}

impl Measured {
    fn same_load(&self, after: &Self) -> bool {
        (after.load - self.load).abs() <= SAME_LOAD * self.load
    }

    fn is_worse(&self, after: &Self) -> bool {
        let slower = after.goodput < BETTER * self.goodput && after.latency > SLOWER * self.latency;
        self.same_load(after) && (after.goodput < WORSE * self.goodput || slower)
    }

    fn is_better(&self, after: &Self) -> bool {
        let faster = after.goodput >= WORSE * self.goodput && after.latency < FASTER * self.latency;
        self.same_load(after) && (after.goodput >= BETTER * self.goodput || faster)
    }
}

fn measured(start: &Totals, end: &Totals) -> Option<Measured> {
    let window = Window::between(start, end)?;
    let arrived = end.arrived.wrapping_sub(start.arrived);
    let late = end.late.wrapping_sub(start.late);
    Some(Measured {
        goodput: (window.completed as f64 - LATE * late as f64).max(0.0) / window.seconds,
        load: arrived as f64 / window.seconds,
        latency: window.mean_latency.unwrap_or(0.0),
    })
}
