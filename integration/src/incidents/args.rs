//! The command line.

use std::path::PathBuf;

use clap::Parser;

use super::script::{Incident, NAMES, incident};

/// Plays two incidents of field reports on real processes, with and without Setpoint: a regional spike of load (spike), and a
/// database that becomes slow until tasks pile up and work that does not touch it stands still (database).
///
/// All arms of a repetition run at the same time under the same load. Takes about 3 minutes, with --quick less than one, and wants
/// a quiet machine; what else the machine did is in the output. With both incidents and at least three repetitions it
/// also writes docs/incidents.md and its pictures.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "incidents",
    after_help = "\
Examples:
  make incidents
  make incidents ARGS=\"--quick\"
  make incidents ARGS=\"--only database --repetitions 1 --json incidents.json\"

Exit codes: 0 all promises were kept, 1 one was not or the run failed, 2 bad command line"
)]
pub struct Args {
    /// One repetition with shorter phases.
    #[arg(long)]
    pub quick: bool,
    /// Also write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Incidents, with a comma between two.
    #[arg(long, value_delimiter = ',', value_name = "NAME", default_values = NAMES, value_parser = NAMES)]
    pub only: Vec<String>,
    /// Runs of each incident, with the seeds 1, 2, ... Default: 3, with --quick 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub repetitions: Option<u64>,
}

/// Fewest repetitions that are written to the docs.
const REPETITIONS: u64 = 3;

impl Args {
    /// How often each incident is played.
    pub fn repetitions(&self) -> u64 {
        self.repetitions.unwrap_or(if self.quick { 1 } else { REPETITIONS })
    }

    /// What is played, in this order.
    pub fn incidents(&self) -> Vec<Incident> {
        let chosen = NAMES.into_iter().filter(|name| self.only.iter().any(|only| only == name));
        chosen.filter_map(|name| incident(name, self.quick)).collect()
    }

    /// Whether this is what the docs show.
    pub fn is_complete(&self) -> bool {
        !self.quick && self.incidents().len() == NAMES.len() && self.repetitions() >= REPETITIONS
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_complete_only_as_a_whole() {
        Args::command().debug_assert();
        let parse = |line: &str| Args::try_parse_from(format!("incidents {line}").split_whitespace());
        for (line, complete, repetitions, incidents) in [
            ("", true, 3, 2),
            ("--repetitions 5", true, 5, 2),
            ("--repetitions 2", false, 2, 2),
            ("--quick", false, 1, 2),
            ("--quick --repetitions 3", false, 3, 2),
            ("--only database", false, 3, 1),
            ("--only database,spike", true, 3, 2),
        ] {
            let args = parse(line).unwrap();
            let told = (args.is_complete(), args.repetitions(), args.incidents().len());
            assert_eq!(told, (complete, repetitions, incidents), "{line}");
        }
        for bad in ["--only flood", "--repetitions 0", "--json"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
