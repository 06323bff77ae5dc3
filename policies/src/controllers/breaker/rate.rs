//! A share of calls over windows: those that failed, or those that took too long.
//!
//! Every window is the difference of two exact sums. An average weighted by arrival times, the usual shortcut, would trip
//! earlier the busier a service is. Marks lie a tenth of a window apart, and with each new mark the rule looks back over its
//! windows, which lie side by side and end at that mark: so a rule is judged ten times per window, and is off its definition
//! by a tenth of a window at most, wherever in time a fault begins.
//!
//! **Calls that hang.** A call that never returns is never counted, and a callee that takes calls and answers none would look
//! as if nobody called it. The sums tell all the same: of the calls that had been admitted at `now - slower_than`, those that
//! have not been released by now are slow already. There are at least `admitted(now - slower_than) - released(now)` of them,
//! whichever calls it were that were released. So the rule keeps a short history of one sum, and nothing is paid per call.
//!
//! A process that was stopped makes every call look slow. The interval of a stall, and the one after it in which those calls
//! end, are left out of slow shares.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::windows::{Length, Windows, exceeds};
use crate::reason::BreakerReason;
use crate::spec::InvalidConfig;
use crate::totals::Totals;

/// Trips when a share of calls is above a threshold in enough windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    above: f64,
    slower_than: Option<Duration>,
    windows: Windows,
}

impl Rate {
    /// Of the calls that ended in failure or overload; `above` 0.01 to 1.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn failures(above: f64, windows: Windows) -> Result<Self, InvalidConfig> {
        if !(0.01..=1.0).contains(&above) {
            return Err(InvalidConfig::OutOfRange { field: "above", range: "between 1% and 100%" });
        }
        Ok(Self { above, slower_than: None, windows })
    }

    /// Of the calls that took longer than `slower_than` (1 ms to 10 min), or are in flight for longer.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn slow_calls(above: f64, slower_than: Duration, windows: Windows) -> Result<Self, InvalidConfig> {
        if !(Duration::from_millis(1)..=Duration::from_secs(600)).contains(&slower_than) {
            return Err(InvalidConfig::OutOfRange { field: "slower_than", range: "between 1ms and 10m" });
        }
        Ok(Self { slower_than: Some(slower_than), ..Self::failures(above, windows)? })
    }

    /// The latency that it watches.
    pub const fn slower_than(&self) -> Option<Duration> {
        self.slower_than
    }
}

/// A recovery is judged by so many calls at the least: with fewer, one bad call would decide.
const FEWEST: u64 = 10;
/// The history of admissions has so many entries for the watched latency.
const ENTRIES: u64 = 16;

/// The sums at one instant, since the rule began.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    at_nanos: u64,
    calls: u64,
    bad: u64,
    /// Calls that hang, at that instant.
    hanging: u64,
}

/// A rule at work.
#[derive(Debug)]
pub(super) struct RateRule {
    spec: Rate,
    newest: Option<Arc<Totals>>,
    now: Mark,
    marks: VecDeque<Mark>,
    /// When how many calls had been admitted, oldest first.
    admitted: VecDeque<(u64, u64)>,
    /// The process stalled then.
    stalled_at_nanos: Option<u64>,
    after_stall: bool,
    /// What the windows at the newest mark said.
    tripped: Option<BreakerReason>,
}

impl RateRule {
    pub(super) const fn new(spec: Rate) -> Self {
        let now = Mark { at_nanos: 0, calls: 0, bad: 0, hanging: 0 };
        Self {
            spec,
            newest: None,
            now,
            marks: VecDeque::new(),
            admitted: VecDeque::new(),
            stalled_at_nanos: None,
            after_stall: false,
            tripped: None,
        }
    }

    pub(super) const fn spec(&self) -> &Rate {
        &self.spec
    }

    /// Forgets what was before: what follows is judged on its own.
    pub(super) fn begin(&mut self, totals: &Arc<Totals>) {
        *self = Self::new(self.spec);
        self.take(totals);
    }

    /// Takes in the newest counters; says why, when the windows that end now, or ended last, trip.
    pub(super) fn judge(&mut self, totals: &Arc<Totals>) -> Option<BreakerReason> {
        if self.take(totals) && self.mark() {
            self.tripped = self.look_back();
        }
        self.tripped
    }

    /// What the calls since the last reset say, `excused` bad ones left out: for a recovery, which cannot wait for windows.
    pub(super) fn renewed(&self, excused: u64) -> Option<BreakerReason> {
        let Mark { calls, bad, hanging, .. } = self.now;
        let (calls, bad) = (calls + hanging, bad.saturating_sub(excused) + hanging);
        let fails = calls >= FEWEST && exceeds(bad, calls, self.spec.above, Windows::CONFIDENCE);
        fails.then(|| self.reason(bad, calls, 1, 1))
    }

    /// Whether the process counts what this rule is about.
    pub(super) fn is_counted(&self) -> bool {
        let newest = self.newest.as_deref();
        newest
            .is_none_or(|totals| self.spec.slower_than.is_none_or(|after| totals.slow_calls(after).is_some()))
    }

    /// Adds what is new to the sums; false where nothing is.
    fn take(&mut self, totals: &Arc<Totals>) -> bool {
        if self.newest.as_ref().is_some_and(|newest| newest.at_nanos > totals.at_nanos) {
            *self = Self::new(self.spec); // A clock that has jumped back.
        }
        let Some(earlier) = self.newest.replace(Arc::clone(totals)) else {
            self.now.at_nanos = totals.at_nanos;
            self.marks.push_back(self.now);
            self.remember(totals);
            return false;
        };
        if earlier.at_nanos == totals.at_nanos {
            return false;
        }
        self.now.at_nanos = totals.at_nanos;
        let stalled = earlier.stall_nanos != totals.stall_nanos;
        let tainted = std::mem::replace(&mut self.after_stall, stalled) || stalled;
        self.stalled_at_nanos = if stalled { Some(totals.at_nanos) } else { self.stalled_at_nanos };
        if !(tainted && self.spec.slower_than.is_some()) {
            let count = |pick: fn(&Totals) -> u64| pick(totals).wrapping_sub(pick(&earlier));
            let failed = count(|t| t.failed).wrapping_add(count(|t| t.dropped));
            let calls = count(|t| t.completed).wrapping_add(failed);
            self.now.calls += calls;
            self.now.bad += match self.spec.slower_than {
                None => failed,
                // Never more than there were, whatever happened to what is watched in between.
                Some(after) => slow_between(&earlier, totals, after).min(calls),
            };
        }
        self.remember(totals);
        self.now.hanging = self.hanging(totals);
        true
    }

    /// Makes a mark when one is due.
    fn mark(&mut self) -> bool {
        let windows = &self.spec.windows;
        let since = |mark: &Mark| end_of(windows, &self.now).saturating_sub(end_of(windows, mark));
        let due = self.marks.back().is_none_or(|last| since(last) >= windows.step());
        if due {
            self.marks.push_back(self.now);
        }
        due
    }

    /// Goes back window by window and counts those that are bad.
    fn look_back(&mut self) -> Option<BreakerReason> {
        let Windows { hits, of, .. } = self.spec.windows;
        let (mut end, mut looked, mut found, mut newest) = (self.marks.len() - 1, 0, 0, None);
        for _ in 0..of {
            let Some(start) = self.start_of(end) else { break };
            let (from, to) = (self.marks[start], self.marks[end]);
            let (calls, bad) = (to.calls - from.calls + to.hanging, to.bad - from.bad + to.hanging);
            if self.spec.windows.counts(bad, calls, self.spec.above) {
                found += 1;
                newest = newest.or(Some((bad, calls)));
            }
            (end, looked) = (start, looked + 1);
        }
        if looked == of {
            // No later window begins before these.
            self.marks.drain(..end);
        }
        let (bad, calls) = newest?;
        (found >= hits).then(|| self.reason(bad, calls, found, of))
    }

    /// The newest mark that is a whole window before that one.
    fn start_of(&self, end: usize) -> Option<usize> {
        let windows = &self.spec.windows;
        let border = end_of(windows, &self.marks[end]).checked_sub(windows.whole())?;
        self.marks.range(..end).rposition(|mark| place(windows, mark) <= border)
    }

    fn remember(&mut self, totals: &Totals) {
        let Some(after) = self.spec.slower_than else { return };
        let step = nanos(after) / ENTRIES;
        if self.admitted.back().is_none_or(|(at, _)| totals.at_nanos - at >= step) {
            self.admitted.push_back((totals.at_nanos, totals.admitted));
        }
        let border = totals.at_nanos.saturating_sub(nanos(after));
        while self.admitted.get(1).is_some_and(|(at, _)| *at <= border) {
            self.admitted.pop_front();
        }
    }

    /// Calls that are in flight for longer than the watched latency, at the least.
    fn hanging(&self, totals: &Totals) -> u64 {
        let Some(after) = self.spec.slower_than.map(nanos) else { return 0 };
        let Some(border) = totals.at_nanos.checked_sub(after) else { return 0 };
        let stalled = self.stalled_at_nanos.is_some_and(|at| at >= border);
        let then = self.admitted.front().filter(|(at, _)| *at <= border && !stalled);
        let lower = then.map_or(0, |(_, admitted)| admitted.wrapping_sub(totals.released()).cast_signed());
        u64::try_from(lower).unwrap_or(0)
    }

    fn reason(&self, bad: u64, calls: u64, hits: u32, of: u32) -> BreakerReason {
        let (ratio, threshold) = (bad as f64 / calls.max(1) as f64, self.spec.above);
        match self.spec.slower_than {
            None => BreakerReason::FailureRate { ratio, threshold, calls, hits, of },
            Some(slower_than) => {
                let hanging = self.now.hanging;
                BreakerReason::SlowCallRate { ratio, threshold, calls, slower_than, hanging, hits, of }
            }
        }
    }
}

/// Where a window that ends at a mark ends: calls that hang count as calls.
const fn end_of(windows: &Windows, mark: &Mark) -> u64 {
    match windows.length {
        Length::Time(_) => mark.at_nanos,
        Length::Calls(_) => mark.calls + mark.hanging,
    }
}

/// Where a mark lies, in the unit of the windows.
const fn place(windows: &Windows, mark: &Mark) -> u64 {
    match windows.length {
        Length::Time(_) => mark.at_nanos,
        Length::Calls(_) => mark.calls,
    }
}

fn slow_between(earlier: &Totals, later: &Totals, after: Duration) -> u64 {
    let counted = earlier.slow_calls(after).zip(later.slow_calls(after));
    counted.map_or(0, |(before, now)| now.wrapping_sub(before))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
