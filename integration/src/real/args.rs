//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Plays scenarios on real processes and compares the figures with the simulator's.
///
/// A real service is the scenario's server, a real sidecar tunes it with the policy that the simulator uses, and beside it,
/// at the same time, the same calls go to the same service with the best limits in hindsight. Takes about 12 minutes and
/// wants a quiet machine; what else the machine did is in the output. With all scenarios and at least three repetitions it
/// also writes docs/scoreboard-real.md.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "scoreboard-real",
    after_help = "\
Examples:
  make scoreboard-real
  make scoreboard-real ARGS=\"--only A,G --repetitions 1\"
  make scoreboard-real ARGS=\"--json real.json --trace traces\"

Exit codes: 0 all scenarios are within 5 points of the simulator, 1 one is not or the run failed, 2 bad command line"
)]
pub struct Args {
    /// Also write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Scenarios, with a comma between two: names of policies/scenarios, or files that end in .yaml.
    #[arg(long, value_delimiter = ',', value_name = "NAME", default_values = DEFAULT)]
    pub only: Vec<String>,
    /// Runs of each scenario, with the seeds 1, 2, ...
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub repetitions: u64,
    /// Rates and workers of all scenarios times this, for a machine that is too small; the simulator gets the same.
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = factor)]
    pub scale: f64,
    /// Write every tenth of a second of every run, the sidecar's log and its recording (for `setpoint replay`) to files in
    /// this directory.
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
}

/// The scenarios that are played unless told otherwise.
pub const DEFAULT: [&str; 4] = ["A", "B", "G", "J"];
/// Fewest repetitions that are written to the docs.
const REPETITIONS: u64 = 3;

impl Args {
    /// Whether this is what the docs show.
    pub fn is_complete(&self) -> bool {
        self.only == DEFAULT && self.repetitions >= REPETITIONS && self.scale == 1.0
    }
}

fn factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=100.0).contains(&factor) { Ok(factor) } else { Err("not from 0.01 to 100".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_complete_only_as_a_whole() {
        Args::command().debug_assert();
        let complete =
            |line: &str| Args::try_parse_from(line.split_whitespace()).map(|args| args.is_complete());
        assert!(complete("scoreboard-real").unwrap() && complete("scoreboard-real --repetitions 5").unwrap());
        for part in ["--only A,B", "--repetitions 1", "--scale 0.5"] {
            assert!(!complete(&format!("scoreboard-real {part}")).unwrap(), "{part}");
        }
        for bad in ["--scale 0", "--scale x", "--repetitions 0", "--json"] {
            assert!(complete(&format!("scoreboard-real {bad}")).is_err(), "{bad}");
        }
    }
}
