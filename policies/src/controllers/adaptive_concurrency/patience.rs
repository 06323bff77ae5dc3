//! How long a call may take: from the deadline, where there is one, and from the latency floor.
//!
//! With a deadline the question is not how long calls wait but how many answers come too late, compared with how many do
//! without overload: in a service with a few very long calls the mean latency says little. So the share of the deadline
//! that a full limit may use up is learned from lateness.
//!
//! Without one nobody can say that an answer came too late, only that it took many times what is usual. Should calls take so
//! long without waiting, answers are still worth having, but the less the longer: otherwise a queue that is taken for a slow
//! dependency would be worth as much as a limit without one.

use super::belief::InTime;
use super::sample::Sample;

/// First guess of the share of the deadline that a full limit may use.
const SHARE: f64 = 0.42;
const SHARE_LOWEST: f64 = 0.40;
const SHARE_HIGHEST: f64 = 0.85;
/// A queue of more than this many floors helps nobody, whatever the deadline.
const FLOORS_MOST: f64 = 10.0;
/// ... but this long is always allowed, seconds: bursts of fast services.
const ALWAYS: f64 = 0.2;
/// So many floors are allowed where the deadline is short, as long as they fit into [`SHARE_HIGHEST`] of it.
const FLOORS_LEAST: f64 = 2.0;
/// Floors that a full limit may use up when no deadline is known, and where calls take longer than is bearable anyway.
const FLOORS_UNKNOWN: f64 = 4.0;
const FLOORS_LONG: f64 = 1.5;
/// A burst may last so many floors, and so many seconds at least.
const BURST_FLOORS: f64 = 4.0;
const BURST_LEAST: f64 = 0.05;

#[derive(Debug)]
pub(super) struct Patience {
    deadline: Option<f64>,
    /// Latency floor as seen.
    usual: Option<f64>,
    share: f64,
    /// Share of late answers without overload.
    usual_late: f64,
    weight: f64,
}

impl Patience {
    pub(super) const fn new(deadline: Option<f64>) -> Self {
        Self { deadline, usual: None, share: SHARE, usual_late: 0.0, weight: 0.0 }
    }

    pub(super) const fn set_deadline(&mut self, deadline: Option<f64>) {
        self.deadline = deadline;
    }

    pub(super) const fn deadline(&self) -> Option<f64> {
        self.deadline
    }

    /// Latency that a full limit may cause, seconds; 0 while nothing is known.
    pub(super) fn budget(&self, floor: Option<f64>) -> f64 {
        let floor = floor.unwrap_or(0.0);
        let Some(deadline) = self.deadline else {
            return (FLOORS_UNKNOWN * floor).min(self.bearable().max(FLOORS_LONG * floor));
        };
        let most = if floor > 0.0 { bearable(floor) } else { deadline };
        (self.share * deadline).min(most).max((FLOORS_LEAST * floor).min(SHARE_HIGHEST * deadline))
    }

    /// Which latencies are in time; `floor`: that of calls that do not wait.
    pub(super) fn in_time(&self, floor: f64, asked_for: f64) -> InTime {
        let budget = self.budget(Some(floor));
        let (budget, none) = match self.deadline {
            Some(deadline) => (budget.min(SHARE_HIGHEST * deadline), deadline),
            None => (budget, 2.0 * budget),
        };
        let all = budget.max(asked_for);
        let worth = if self.deadline.is_some() { 1.0 } else { (self.bearable() / floor).min(1.0) };
        InTime { all, none: none.max(1.2 * all), worth }
    }

    /// Latency beyond which answers are worth less when no deadline is known, seconds.
    fn bearable(&self) -> f64 {
        self.usual.map_or(f64::INFINITY, bearable)
    }

    /// Bursts up to this long are left to the queue.
    pub(super) fn burst(&self, floor: Option<f64>) -> f64 {
        let bearable = (BURST_FLOORS * floor.unwrap_or(0.0)).max(BURST_LEAST);
        self.deadline.unwrap_or_else(|| self.budget(floor)).min(bearable)
    }

    /// More late answers than without overload, as a share of all.
    pub(super) fn excess(&self, late_ratio: f64) -> f64 {
        late_ratio - self.usual_late
    }

    /// Whether calls take so long that something must be too much, even if none is rejected.
    pub(super) fn is_exceeded(&self, sample: &Sample, floor: Option<f64>) -> bool {
        let budget = self.budget(floor);
        if budget <= 0.0 || sample.in_flight() < 3.0 || sample.little() <= budget {
            return false;
        }
        if self.deadline.is_none() {
            return sample.latency() > 0.7 * budget || sample.age > 0.5 * budget;
        }
        let chance = 0.3 / sample.ended.max(1.0).sqrt();
        self.excess(sample.late_ratio()) > 0.05 + chance
            || (sample.little() > 1.3 * budget && sample.age > 0.5 * budget)
    }

    /// Takes the latency floor as seen.
    pub(super) const fn see_floor(&mut self, floor: Option<f64>) {
        self.usual = floor;
    }

    /// Takes a sample without overload.
    pub(super) fn see_calm(&mut self, sample: &Sample) {
        if sample.answered > 0.0 {
            self.weight =
                (self.weight + sample.answered).min((10.0 * sample.throughput()).clamp(50.0, 2000.0));
            let gain = (sample.answered / self.weight).min(1.0);
            self.usual_late += (sample.late_ratio() - self.usual_late) * gain;
        }
    }

    /// Takes a sample with the limit full: too many late answers ask for less, none at all allows more.
    pub(super) fn see_full(&mut self, sample: &Sample) {
        if self.deadline.is_none() || sample.answered < 10.0 {
            return;
        }
        let excess = self.excess(sample.late_ratio());
        if excess > 0.08 {
            self.share = (0.95 * self.share).max(SHARE_LOWEST);
        } else if excess < 0.01 {
            self.share = (1.03 * self.share).min(SHARE_HIGHEST);
        }
    }
}

/// A queue that may help, by latency floor, seconds.
fn bearable(floor: f64) -> f64 {
    (FLOORS_MOST * floor).max(ALWAYS)
}
