//! Options of `setpoint replay`.

use std::path::PathBuf;

use clap::Args;

/// Options of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line of input is one snapshot (docs/snapshot-format.md): what `setpoint run --record` writes, or signals of your own. The
engine is the one of the sidecar, so a whole recording gives the decisions that were made, and the alerts as they began,
worsened and ended.

Examples:
  What would this policy have done yesterday?
    setpoint replay /var/lib/setpoint/recorded.ndjson --policy policy.yaml --changes
  Signals of your own through a policy, decisions into your own actuator:
    my-signals | setpoint replay --policy policy.yaml --json --assume-applied | my-actuator

Exit codes: 0 success, 1 cannot read or write, 64 bad command line or policy file, 65 bad line")]
pub struct Replay {
    /// File of snapshots, one a line; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Policy file, or directory with a policy.yaml
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Print each decision and each alert as a line of JSON
    #[arg(long)]
    pub json: bool,
    /// Only decisions that change something, no holds; alerts are told all the same
    #[arg(long)]
    pub changes: bool,
    /// Skip bad lines; each of the first 20 is told on standard error
    #[arg(long)]
    pub keep_going: bool,
    /// Take it that what was decided is in force where a snapshot does not say; else the knob's baseline is
    #[arg(long)]
    pub assume_applied: bool,
}
