//! The figures of all repetitions, and whether the promises were kept.

use std::time::Duration;

use super::record::{ArmRecord, Repetition};
use super::script::{INCIDENT, Incident};
use crate::load::Tally;
use crate::real::spread::Spread;
use crate::units::milliseconds;

/// An incident with all its repetitions.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What was played.
    pub incident: Incident,
    /// How it went.
    pub repetitions: Vec<Repetition>,
}

/// A figure of one route in one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Median latency of good answers, in time or late, milliseconds.
    P50,
    /// 99th percentile of the same.
    P99,
    /// 99.9th percentile of the same.
    P999,
    /// Good answers in time per second.
    Goodput,
    /// Orderly rejections, percent of what was due.
    Rejected,
}

impl Figure {
    /// All, as they are told.
    pub const ALL: [Self; 5] = [Self::P50, Self::P99, Self::P999, Self::Goodput, Self::Rejected];

    /// Its name in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::P999 => "p999, ms",
            Self::Goodput => "in time, per second",
            Self::Rejected => "rejected, %",
        }
    }

    /// Its name in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::P50 => "p50_ms",
            Self::P99 => "p99_ms",
            Self::P999 => "p999_ms",
            Self::Goodput => "goodput_per_second",
            Self::Rejected => "rejected_percent",
        }
    }

    fn of(self, tally: &Tally, lasted: Duration) -> Option<f64> {
        let latency = |quantile| tally.latency(quantile).map(milliseconds);
        match self {
            Self::P50 => latency(0.5),
            Self::P99 => latency(0.99),
            Self::P999 => latency(0.999),
            Self::Goodput => Some(tally.ok as f64 / lasted.as_secs_f64()),
            Self::Rejected => Some(tally.rejected as f64 / tally.scheduled.max(1) as f64 * 100.0),
        }
    }
}

/// Something that is promised, and whether it was so.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// What.
    pub what: String,
    /// Whether.
    pub kept: bool,
}

impl Judged {
    /// Without repetitions so far.
    pub const fn new(incident: Incident) -> Self {
        Self { incident, repetitions: Vec::new() }
    }

    /// A figure of an arm.
    pub fn figure(&self, arm: usize, phase: usize, route: usize, figure: Figure) -> Spread {
        Spread::of(self.repetitions.iter().map(|repetition| {
            let tally = repetition.arms.get(arm)?.phases.get(phase)?.get(route)?;
            figure.of(tally, *repetition.lasted.get(phase)?)
        }))
    }

    /// Requests of an arm and a phase that never got an answer, or failed, in all repetitions.
    pub fn unanswered(&self, arm: usize, phase: usize) -> u64 {
        let tallies =
            self.repetitions.iter().filter_map(|repetition| repetition.arms.get(arm)?.phases.get(phase));
        tallies.flatten().map(|tally| tally.unanswered() + tally.failed() + tally.shed_by_client).sum()
    }

    /// Seconds from the end of the incident until a route of an arm was well again.
    pub fn recovery(&self, arm: usize, route: usize) -> Spread {
        let (_, ends) = self.incident.span();
        self.of_arm(arm, |record| Some(record.recovered_after(route, ends)?.as_secs_f64()))
    }

    /// Most requests inside the service of an arm while the incident lasted.
    pub fn most_in_flight(&self, arm: usize) -> Spread {
        let (begins, ends) = self.incident.span();
        self.of_arm(arm, |record| record.most_in_flight(begins, ends).map(|count| count as f64))
    }

    /// How many times the judged route's p99 is that of the arm with Setpoint, in the same repetition.
    pub fn p99_ratio(&self, arm: usize) -> Spread {
        let p99 = |record: &ArmRecord| record.phases.get(INCIDENT)?.get(self.incident.judged)?.latency(0.99);
        Spread::of(self.repetitions.iter().map(|repetition| {
            let (this, ours) = (p99(repetition.arms.get(arm)?)?, p99(repetition.arms.last()?)?);
            Some(this.as_secs_f64() / ours.as_secs_f64())
        }))
    }

    fn of_arm(&self, arm: usize, figure: impl Fn(&ArmRecord) -> Option<f64>) -> Spread {
        Spread::of(self.repetitions.iter().map(|repetition| figure(repetition.arms.get(arm)?)))
    }

    /// What is promised of the arm with Setpoint, by medians.
    pub fn promises(&self) -> Vec<Promise> {
        let (without, with) = (0, self.incident.arms.len() - 1);
        let median = |arm, figure| self.figure(arm, INCIDENT, self.incident.judged, figure).median;
        let recovery = |arm| self.recovery(arm, self.incident.judged).median;
        let (route, deadline) =
            (self.incident.routes[self.incident.judged], milliseconds(self.incident.deadline));
        let name = self.incident.phases[INCIDENT].name;
        let promise = |what, kept| Promise { what, kept };
        vec![
            promise(
                format!("{name}: p99 of {route} stays within {deadline:.0} ms"),
                median(with, Figure::P99) <= deadline,
            ),
            promise(
                format!("{name}: no fewer answers of {route} in time than without"),
                median(with, Figure::Goodput) >= median(without, Figure::Goodput),
            ),
            promise(
                format!("{route} is well again no later than without"),
                recovery(with) <= recovery(without),
            ),
        ]
    }

    /// Whether all of them were kept.
    pub fn kept(&self) -> bool {
        self.promises().iter().all(|promise| promise.kept)
    }

    /// Repetitions that others disturbed.
    pub fn disturbed(&self) -> usize {
        self.repetitions.iter().filter(|repetition| repetition.is_disturbed()).count()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::incidents::record::Window;
    use crate::incidents::script::incident;
    use crate::load::outcome::Outcome;
    use crate::real::machine::Busy;

    /// An arm that answers everything after so many milliseconds during the incident, and after 10 otherwise.
    fn arm(incident: &Incident, during_ms: u64) -> ArmRecord {
        let tally = |latency_ms: u64| {
            let latency = Duration::from_millis(latency_ms);
            let outcome = if latency <= incident.deadline { Outcome::Ok } else { Outcome::Late };
            let mut tally = Tally::default();
            tally.scheduled = 100;
            (0..100).for_each(|_| tally.record_sent(Duration::from_millis(1)));
            (0..100).for_each(|_| tally.record(outcome, latency));
            tally
        };
        let latencies = [10, during_ms, 10];
        let (begins, ends) = incident.span();
        let window = |quarter: u32| {
            let at = Duration::from_millis(250) * quarter;
            let latency =
                if at > begins && at <= ends + Duration::from_millis(during_ms) { during_ms } else { 10 };
            Window {
                at,
                routes: incident.routes.iter().map(|_| tally(latency)).collect(),
                in_flight: Some(latency),
            }
        };
        let quarters = (incident.length().as_millis() / 250) as u32;
        ArmRecord {
            phases: latencies.iter().map(|ms| incident.routes.iter().map(|_| tally(*ms)).collect()).collect(),
            windows: (1..=quarters).map(window).collect(),
        }
    }

    /// An undisturbed repetition in which the arm without Setpoint takes 3 s for an answer, and the others 50 ms.
    pub fn judged(name: &str) -> Judged {
        let incident = incident(name, false).unwrap();
        let arms = (0..incident.arms.len()).map(|index| arm(&incident, if index == 0 { 3000 } else { 50 }));
        let repetition = Repetition {
            seed: 1,
            lasted: incident.phases.map(|phase| phase.lasts).to_vec(),
            arms: arms.collect(),
            busy: Busy { ours_ratio: 0.1, others_ratio: 0.02, load_average: 0.5 },
        };
        Judged { incident, repetitions: vec![repetition] }
    }

    #[test]
    fn figures_ratios_and_promises() {
        for name in crate::incidents::script::NAMES {
            let mut judged = judged(name);
            let with = judged.incident.arms.len() - 1;
            let p99 = |arm| judged.figure(arm, INCIDENT, judged.incident.judged, Figure::P99).median.round();
            assert!((3000.0..3050.0).contains(&p99(0)) && p99(with) == 50.0, "{} {}", p99(0), p99(with));
            assert!(
                (59.0..61.0).contains(&judged.p99_ratio(0).median) && judged.p99_ratio(with).median == 1.0
            );
            let recovery = |arm| judged.recovery(arm, judged.incident.judged).median;
            assert_eq!((judged.most_in_flight(0).median, judged.most_in_flight(with).median), (3000.0, 50.0));
            assert_eq!((recovery(0), recovery(with)), (3.0, 0.0));
            assert_eq!(judged.unanswered(0, INCIDENT), 0);
            assert!(judged.kept(), "{:?}", judged.promises());
            judged.repetitions[0].arms.swap(0, with);
            let broken = judged.promises().iter().filter(|promise| !promise.kept).count();
            assert_eq!(broken, 3, "{:?}", judged.promises());
        }
    }
}
