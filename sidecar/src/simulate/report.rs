//! What there is to tell: runs every law in every scenario and keeps the figures and one run as curves.

use setpoint_policies::sim::plant;
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::measure::Score;
use setpoint_policies::sim::score::oracle::{self, Oracle};
use setpoint_policies::sim::score::tally::Tally;

use super::laws::Entry;
use super::oracles::Known;
use super::series::Series;
use super::work::{Progress, on_all_cores};

/// Seeds of the search for the oracle's limits; laws run on others.
const SEARCH_SEEDS: [u64; 2] = [1_000_001, 1_000_002];

/// What to run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) scenarios: Vec<Scenario>,
    /// Ours first; without the oracle, which is a matter of its own.
    pub(super) laws: Vec<Entry>,
    pub(super) seeds: Vec<u64>,
    /// The oracle's limits that need no search; `None`: nothing is compared with an oracle.
    pub(super) oracles: Option<Known>,
}

/// What happened in a scenario.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) scenario: Scenario,
    pub(super) seeds: Vec<u64>,
    /// The oracle's limits by phase; infinite is none.
    pub(super) limits: Option<Vec<f64>>,
    /// The oracle first, if there is one; then ours.
    pub(super) laws: Vec<Outcome>,
}

/// How a law did.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) source: &'static str,
    pub(super) figures: Figures,
    /// The run of the first seed.
    pub(super) series: Series,
}

/// The figures of a law, all seeds together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figures {
    /// Answers in time, divided by the oracle's; `None` without one.
    pub(super) goodput_ratio: Option<f64>,
    /// Answers in time per second, after the warm-up.
    pub(super) goodput: f64,
    /// 99th percentile of the latency of admitted calls, seconds.
    pub(super) p99: Option<f64>,
    pub(super) false_reject_ratio: f64,
    /// Seconds; `None` = never, or without an oracle.
    pub(super) convergence: Option<f64>,
    pub(super) oscillation: f64,
    /// Share of the attempts of each class that were answered in time, after the warm-up.
    pub(super) classes: Vec<f64>,
    /// How well the limits of several instances fit their shares of the calls, 1 = perfectly; `None` of one, or without a limit.
    pub(super) fairness: Option<f64>,
}

impl Report {
    /// Whether more is offered in some phase than can be served.
    pub(super) fn overload(&self) -> bool {
        self.scenario.phases.iter().any(|phase| phase.overload)
    }
}

/// What the oracle found and how it did.
struct Best {
    oracle: Oracle,
    tally: Tally,
    outcome: Outcome,
}

/// Runs everything; the oracles first, because the others are compared with them.
pub(super) fn run(plan: Plan, progress: Progress) -> Vec<Report> {
    let Plan { scenarios, laws, seeds, oracles } = plan;
    let name = |scenario: &Scenario| scenario.name.clone();
    let best = oracles.map_or_else(Vec::new, |known| {
        let find = |scenario: &Scenario, far: &dyn Fn(&str)| Best::find(scenario, &known, &seeds, far);
        on_all_cores("finding the best limits:", progress, &scenarios, name, find)
    });
    let jobs: Vec<(usize, &Entry)> =
        (0..scenarios.len()).flat_map(|place| laws.iter().map(move |law| (place, law))).collect();
    let name = |(place, law): &(usize, &Entry)| format!("{} {}", scenarios[*place].name, law.name);
    let outcomes = on_all_cores("simulating:", progress, &jobs, name, |(place, law), _| {
        let (scenario, best) = (&scenarios[*place], best.get(*place));
        let (tally, series) = tally(scenario, law, best.map(|best| &best.oracle), &seeds);
        Outcome::of(scenario, law, &tally, best.map(|best| &best.tally), series)
    });
    let (mut outcomes, mut best) = (outcomes.into_iter(), best.into_iter());
    let report = |scenario| {
        let best = best.next();
        let limits = best.as_ref().map(|best| best.oracle.phases.clone());
        let oracle = best.map(|best| best.outcome);
        let laws = oracle.into_iter().chain(outcomes.by_ref().take(laws.len())).collect();
        Report { scenario, seeds: seeds.clone(), limits, laws }
    };
    scenarios.into_iter().map(report).collect()
}

impl Best {
    fn find(scenario: &Scenario, known: &Known, seeds: &[u64], far: &dyn Fn(&str)) -> Self {
        let tried = &mut |tried: usize| far(&format!("{tried} tried"));
        let oracle = known.find(scenario);
        let oracle = oracle.unwrap_or_else(|| oracle::search_and_tell(scenario, &SEARCH_SEEDS, tried));
        let law = Entry::oracle();
        let (tally, series) = tally(scenario, &law, Some(&oracle), seeds);
        let outcome = Outcome::of(scenario, &law, &tally, Some(&tally), series);
        Self { oracle, tally, outcome }
    }
}

/// All runs of a law, and the first of them as curves.
fn tally(scenario: &Scenario, law: &Entry, oracle: Option<&Oracle>, seeds: &[u64]) -> (Tally, Series) {
    let (mut tally, mut series) = (Tally::default(), Series::default());
    for (number, seed) in seeds.iter().enumerate() {
        let run = plant::run(scenario, *seed, law.laws(scenario, oracle, *seed));
        if number == 0 {
            series = Series::of(&run);
        }
        tally.add(scenario, run);
    }
    (tally, series)
}

impl Outcome {
    fn of(scenario: &Scenario, law: &Entry, tally: &Tally, oracle: Option<&Tally>, series: Series) -> Self {
        // Without an oracle what is measured against it means nothing and is left out.
        let score = Score::of(scenario, tally, oracle.unwrap_or(tally));
        let (from, to) = (scenario.warm_up, scenario.seconds);
        let goodput =
            f64::from(tally.counts(from, to).in_time) / (to - from) / tally.in_time.len().max(1) as f64;
        let figures = Figures {
            goodput_ratio: oracle.map(|_| score.goodput_ratio),
            goodput,
            p99: score.p99,
            false_reject_ratio: score.false_reject_ratio,
            convergence: oracle.and(score.convergence),
            oscillation: score.oscillation,
            classes: score.classes,
            fairness: score.fairness,
        };
        Self { name: law.name, source: law.source, figures, series }
    }
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;

    #[test]
    fn limits_that_are_known_are_not_searched() {
        let scenario = builtin::find("T16").expect("listed").expect("sound");
        let made_up = Oracle { phases: vec![1.0; scenario.phases.len()], single: 1.0 };
        let mut known = Known::default();
        known.insert(&scenario, &made_up);
        let limits = |known| {
            let laws = vec![Entry::ours(None)];
            let plan = Plan { scenarios: vec![scenario.clone()], laws, seeds: vec![1], oracles: known };
            run(plan, Progress { shown: false }).remove(0).limits
        };
        assert_eq!(limits(Some(known)), Some(made_up.phases.clone()));
        assert_ne!(limits(Some(Known::default())), Some(made_up.phases), "searched: nobody would find these");
        assert_eq!(limits(None), None);
    }
}
