//! The figures of real and simulated runs side by side.

use std::time::Duration;

use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::run::Run;
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::fixed::PhasedFixed;
use setpoint_policies::sim::score::measure::Score;
use setpoint_policies::sim::score::tally::Tally;

use super::machine::Busy;
use super::rig::Played;
use super::spread::Spread;

/// Points of goodput ÷ oracle's by which real and simulated figure may differ.
pub const POINTS: f64 = 5.0;

/// A law's run and the oracle's on the same calls.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Our law.
    pub ours: Run,
    /// The best limits.
    pub oracle: Run,
}

impl Pair {
    /// The simulator's.
    pub fn simulated(scenario: &Scenario, seed: u64, ours: Vec<Box<dyn Law>>, limits: &[f64]) -> Self {
        let run = |laws| setpoint_policies::sim::plant::run(scenario, seed, laws);
        Self { ours: run(ours), oracle: run(PhasedFixed::fleet(scenario, limits)) }
    }

    /// What happened on real processes.
    pub fn real(scenario: &Scenario, played: &Played) -> Self {
        Self { ours: played.tuned.run(scenario), oracle: played.by_hand.run(scenario) }
    }

    fn figures(&self, scenario: &Scenario) -> Figures {
        let (ours, oracle) = (tally(scenario, &self.ours), tally(scenario, &self.oracle));
        let score = Score::of(scenario, &ours, &oracle);
        Figures {
            oracle_p99: Score::of(scenario, &oracle, &oracle).p99,
            oracle_goodput: self.oracle.goodput(scenario.warm_up, scenario.seconds),
            score,
        }
    }
}

fn tally(scenario: &Scenario, run: &Run) -> Tally {
    let mut tally = Tally::default();
    tally.add(scenario, run.clone());
    tally
}

/// What came out of one run of both.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Of our law, by the oracle of the same kind of run.
    pub score: Score,
    /// The oracle's answers in time per second.
    pub oracle_goodput: f64,
    /// The oracle's p99, seconds.
    pub oracle_p99: Option<f64>,
}

/// One repetition.
#[derive(Clone, Debug)]
pub struct Repetition {
    /// The seed of its calls.
    pub seed: u64,
    /// In the simulator.
    pub simulated: Figures,
    /// On real processes.
    pub real: Figures,
    /// What the machine did meanwhile.
    pub busy: Busy,
    /// How late the load generators were at the 99th percentile.
    pub lateness: Option<Duration>,
    /// Calls that failed or were not sent.
    pub lost: usize,
    /// How often the SDK's reflex cut the limit.
    pub reflexes: u64,
}

impl Repetition {
    /// Judges a repetition.
    pub fn of(scenario: &Scenario, seed: u64, simulated: &Pair, real: &Pair, played: &Played) -> Self {
        let (tuned, by_hand) = (&played.tuned, &played.by_hand);
        Self {
            seed,
            simulated: simulated.figures(scenario),
            real: real.figures(scenario),
            busy: played.busy,
            lateness: tuned.lateness(0.99).max(by_hand.lateness(0.99)),
            lost: tuned.lost() + by_hand.lost(),
            reflexes: tuned.limits.last().map_or(0, |limit| limit.reflexes),
        }
    }

    /// Whether the machine was too busy with other things to believe it.
    pub fn is_disturbed(&self) -> bool {
        self.busy.is_disturbed(self.lateness) || self.lost > 0
    }
}

/// A scenario with all its repetitions.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What happens in it.
    pub about: String,
    /// The oracle's limits by phase.
    pub limits: Vec<f64>,
    /// At least one.
    pub repetitions: Vec<Repetition>,
}

impl Line {
    /// A figure of all repetitions in the simulator.
    pub fn simulated(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Spread {
        self.spread(|repetition| figure(&repetition.simulated))
    }

    /// A figure of all repetitions on real processes.
    pub fn real(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Spread {
        self.spread(|repetition| figure(&repetition.real))
    }

    /// A figure of all repetitions.
    pub fn spread(&self, figure: impl Fn(&Repetition) -> Option<f64>) -> Spread {
        Spread::of(self.repetitions.iter().map(figure))
    }

    /// Points by which the real goodput ÷ oracle's is above the simulated one, median by median.
    pub fn difference(&self) -> f64 {
        let ratio = |figures: &Figures| Some(figures.score.goodput_ratio);
        (self.real(ratio).median - self.simulated(ratio).median) * 100.0
    }

    /// Whether the two are close enough.
    pub fn is_close(&self) -> bool {
        self.difference().abs() <= POINTS
    }

    /// Repetitions that others disturbed.
    pub fn disturbed(&self) -> usize {
        self.repetitions.iter().filter(|repetition| repetition.is_disturbed()).count()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn figures(goodput_ratio: f64) -> Figures {
        let score = Score {
            goodput_ratio,
            by_seed: vec![goodput_ratio],
            p99: Some(0.1),
            false_reject_ratio: 0.01,
            convergence: None,
            oscillation: 0.1,
            phases: vec![1.0],
            classes: vec![1.0],
            fairness: None,
        };
        Figures { score, oracle_goodput: 800.0, oracle_p99: Some(0.09) }
    }

    /// A scenario with one undisturbed repetition.
    pub fn line(name: &str, simulated: f64, real: f64) -> Line {
        let repetition = Repetition {
            seed: 1,
            simulated: figures(simulated),
            real: figures(real),
            busy: Busy { ours_ratio: 0.1, others_ratio: 0.02, load_average: 0.5 },
            lateness: Some(Duration::from_millis(1)),
            lost: 0,
            reflexes: 0,
        };
        Line {
            name: name.to_owned(),
            about: "what happens".to_owned(),
            limits: vec![18.0, 25.0],
            repetitions: vec![repetition],
        }
    }

    #[test]
    fn close_is_five_points_in_either_direction_of_the_medians() {
        for (simulated, real, close) in [
            (0.98, 0.98, true),
            (0.98, 0.935, true),
            (0.98, 0.92, false),
            (0.92, 0.98, false),
            (0.9, 0.94, true),
        ] {
            let line = line("A", simulated, real);
            assert_eq!(line.is_close(), close, "{simulated} {real}");
            assert!((line.difference() - (real - simulated) * 100.0).abs() < 1e-9);
        }
        let mut median = line("A", 0.98, 0.5);
        median
            .repetitions
            .extend([line("A", 0.98, 0.97), line("A", 0.98, 0.97)].map(|l| l.repetitions[0].clone()));
        assert!(median.is_close(), "one bad run of three is not the median");
    }
}
