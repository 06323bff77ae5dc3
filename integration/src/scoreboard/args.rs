//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::units::duration;

/// Simulates every concurrency law in every scenario and compares them with an oracle: the best limits in hindsight.
///
/// Without options that narrow it down it also writes docs/scoreboard.md and its pictures.
#[derive(Debug, Clone, Parser)]
pub struct Args {
    /// Also write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Runs of each named scenario; short ones and quiet ones get more. Draws get two fewer, at least one.
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub seeds: u64,
    /// Only these scenarios, with a comma between two; a name ending in * stands for all that begin so.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub only: Vec<String>,
    /// Only these laws; the oracle always runs.
    #[arg(long, value_delimiter = ',', value_name = "LAW")]
    pub laws: Vec<String>,
    /// How many random scenarios.
    #[arg(long, default_value = "200", value_name = "N")]
    pub draws: u64,
    /// Number of the first random scenario; from 1001 on nobody has seen them.
    #[arg(long, default_value = "1", value_name = "S")]
    pub first_draw_seed: u64,
    /// A tenth of the draws and at most two seeds, to see whether all is well.
    #[arg(long)]
    pub quick: bool,
    /// From a report to the limit that follows from it, our law takes this much longer: half to the engine, half back.
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub lag: Duration,
    /// This share of the reports and pushes of our law is lost, each way.
    #[arg(long, default_value = "0", value_parser = share)]
    pub loss: f64,
    /// Searches the oracle's limits anew, even where they are known, and stores them.
    #[arg(long)]
    pub search: bool,
    /// Ratio of each phase, limits of the oracle, and more.
    #[arg(long, short)]
    pub verbose: bool,
}

impl Args {
    /// Whether this is the whole scoreboard, as it is printed in the docs.
    pub fn is_complete(&self) -> bool {
        let narrowed = !self.only.is_empty() || !self.laws.is_empty() || self.quick;
        let other = self.draws != 200 || self.first_draw_seed != 1 || !self.lag.is_zero() || self.loss > 0.0;
        !narrowed && !other
    }

    /// Runs of a scenario that has no reason for more.
    pub fn base_seeds(&self, named: bool) -> u64 {
        let seeds = if self.quick { self.seeds.min(2) } else { self.seeds };
        if named { seeds } else { seeds.saturating_sub(2).max(1) }
    }

    /// How many random scenarios there are.
    pub fn draws(&self) -> u64 {
        if self.quick { self.draws.div_ceil(10) } else { self.draws }
    }

    /// Whether a scenario is wanted.
    pub fn wants(&self, name: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        self.only.is_empty() || self.only.iter().any(fits)
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err("not a share from 0 to less than 1".to_owned()) }
}
