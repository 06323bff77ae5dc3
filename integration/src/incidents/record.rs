//! What was seen in one repetition.

use std::time::Duration;

use super::script::INCIDENT;
use crate::load::Tally;
use crate::real::machine::Busy;

/// What happened to one arm.
#[derive(Clone, Debug, Default)]
pub struct ArmRecord {
    /// For each phase and route, by the time at which a request was due.
    pub phases: Vec<Vec<Tally>>,
    /// Over the whole time, by the time at which an answer came.
    pub windows: Vec<Window>,
}

/// A quarter of a second of an arm.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Its end, since the start of the repetition.
    pub at: Duration,
    /// What happened on each route.
    pub routes: Vec<Tally>,
    /// Requests inside the service at its end.
    pub in_flight: Option<u64>,
}

/// One repetition with all its arms.
#[derive(Clone, Debug)]
pub struct Repetition {
    /// Of the load.
    pub seed: u64,
    /// How long each phase lasted.
    pub lasted: Vec<Duration>,
    /// In the order of the script.
    pub arms: Vec<ArmRecord>,
    /// What the machine did meanwhile.
    pub busy: Busy,
}

/// So many windows in a row make it well again: a second.
const WELL_FOR: usize = 4;
/// Share of the answers that come in time when it is well.
const WELL: f64 = 0.95;

impl Window {
    /// Whether most callers of a route got what they asked for, in time.
    fn is_well(&self, route: usize) -> bool {
        self.routes.get(route).is_some_and(|tally| {
            let ended = (tally.ok + tally.late + tally.rejected + tally.failed()) as f64;
            tally.ok as f64 >= WELL * ended && ended >= tally.scheduled as f64 / 2.0
        })
    }
}

impl ArmRecord {
    /// From the end of the incident to the first second in which a route was well; `None` when there was none.
    pub fn recovered_after(&self, route: usize, incident_ends: Duration) -> Option<Duration> {
        let after = self.windows.partition_point(|window| window.at <= incident_ends);
        let after = &self.windows[after..];
        let first =
            after.windows(WELL_FOR).position(|windows| windows.iter().all(|window| window.is_well(route)))?;
        match first.checked_sub(1) {
            None => Some(Duration::ZERO),
            Some(last_bad) => Some(after[last_bad].at.saturating_sub(incident_ends)),
        }
    }

    /// Most requests that were inside the service at once while a span of time lasted.
    pub fn most_in_flight(&self, from: Duration, to: Duration) -> Option<u64> {
        let inside = self.windows.iter().filter(|window| window.at > from && window.at <= to);
        inside.filter_map(|window| window.in_flight).max()
    }

    /// Requests that failed in a way that no limit causes, or were not sent.
    pub fn lost(&self) -> u64 {
        self.phases.iter().flatten().map(|tally| tally.failed() + tally.shed_by_client).sum()
    }
}

impl Repetition {
    /// How late the load generators were at the 99th percentile during the incident; the latest of them counts.
    pub fn lateness(&self) -> Option<Duration> {
        let tallies = self.arms.iter().filter_map(|arm| arm.phases.get(INCIDENT)).flatten();
        tallies.filter_map(|tally| tally.lateness(0.99)).max()
    }

    /// Whether the machine was too busy with other things to believe it.
    pub fn is_disturbed(&self) -> bool {
        self.busy.is_disturbed(self.lateness()) || self.arms.iter().any(|arm| arm.lost() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    fn window(quarter: u64, outcomes: &[(u32, Outcome)], in_flight: u64) -> Window {
        let mut tally = Tally::default();
        tally.scheduled = 10;
        for (count, outcome) in outcomes {
            (0..*count).for_each(|_| tally.record(*outcome, Duration::from_millis(5)));
        }
        let at = Duration::from_millis(250 * quarter);
        Window { at, routes: vec![tally], in_flight: Some(in_flight) }
    }

    fn arm(windows: &[&[(u32, Outcome)]]) -> ArmRecord {
        let windows = (1..).zip(windows).map(|(quarter, outcomes)| window(quarter, outcomes, quarter));
        ArmRecord { phases: Vec::new(), windows: windows.collect() }
    }

    const GOOD: &[(u32, Outcome)] = &[(10, Outcome::Ok)];
    const LATE: &[(u32, Outcome)] = &[(10, Outcome::Late)];
    const SHED: &[(u32, Outcome)] = &[(9, Outcome::Ok), (1, Outcome::Rejected)];
    const SILENT: &[(u32, Outcome)] = &[(4, Outcome::Ok)];

    #[test]
    fn recovered_is_the_first_whole_second_in_which_all_is_well() {
        let after = |windows: &[&[(u32, Outcome)]], end_ms| {
            arm(windows).recovered_after(0, Duration::from_millis(end_ms)).map(|after| after.as_millis())
        };
        assert_eq!(after(&[LATE, GOOD, GOOD, GOOD, GOOD], 250), Some(0));
        assert_eq!(after(&[LATE, LATE, GOOD, GOOD, GOOD, GOOD], 250), Some(250));
        assert_eq!(after(&[LATE, GOOD, GOOD, SHED, GOOD, GOOD, GOOD, GOOD], 250), Some(750));
        assert_eq!(
            after(&[GOOD, SILENT, GOOD, GOOD, GOOD, GOOD], 250),
            Some(250),
            "few answers are not well"
        );
        assert_eq!(after(&[GOOD, GOOD, GOOD, GOOD, LATE, GOOD, GOOD, GOOD], 1000), None);
        assert_eq!(after(&[], 0), None);
        assert_eq!(arm(&[GOOD; 9]).recovered_after(1, Duration::ZERO), None, "no such route");
    }

    #[test]
    fn the_most_in_flight_is_that_of_the_span() {
        let arm = arm(&[GOOD; 8]);
        let ms = Duration::from_millis;
        assert_eq!(arm.most_in_flight(ms(250), ms(1000)), Some(4));
        assert_eq!(arm.most_in_flight(ms(5000), ms(9000)), None);
    }
}
