//! Options of `setpoint simulate`.

use std::path::PathBuf;

use clap::Args;
use setpoint_policies::sim::link::KNOB;

/// Options of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
A scenario is a file (docs/simulator.md), or the name of one that is built in (--list). Runs are deterministic: the same scenario,
laws and seed give the same figures on every machine.

Examples:
  How do our defaults do, and what does that look like?
    setpoint simulate T01 --plot
  Against every other law, as a page with pictures:
    setpoint simulate T01 T02 --against all --seeds 5 --html report.html
  My policy on my own service, for a script:
    setpoint simulate checkout.yaml --policy policy.yaml --json

Exit codes: 0 success, 1 run-time failure, 64 bad command line, policy file or scenario file")]
pub struct Simulate {
    /// Scenario files (- is standard input), or names of built-in scenarios
    #[arg(value_name = "SCENARIO", required_unless_present = "list")]
    pub scenarios: Vec<String>,
    /// Policy file for ours; its policies of one limit act. Without it: adaptive concurrency with its defaults
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The limit of the policy file that the simulated service has
    #[arg(long, value_name = "NAME", default_value = KNOB, requires = "policy")]
    pub knob: String,
    /// Laws of other projects to run as well: names, or all
    #[arg(long, value_name = "LAW,...", value_delimiter = ',')]
    pub against: Vec<String>,
    /// Runs per law, each with other random draws
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub seeds: u32,
    /// The first seed; the others follow
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long, conflicts_with = "plot")]
    pub json: bool,
    /// Draw limit, calls in flight, latency and goodput over time, and tell every decision: of ours, and of laws named one by one
    #[arg(long)]
    pub plot: bool,
    /// Write a page with pictures
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Leave out the best limits in hindsight, whose search takes most of the time with a scenario file; goodput is then not compared
    #[arg(long)]
    pub no_oracle: bool,
    /// No colours in --plot
    #[arg(long, env = "NO_COLOR", hide_env = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub no_color: bool,
    /// List the built-in scenarios and the laws
    #[arg(long, conflicts_with_all = ["scenarios", "json"])]
    pub list: bool,
}
