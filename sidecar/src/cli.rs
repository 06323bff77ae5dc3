//! The command line: the only place that reads the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::admin;
use crate::logging::Format;
use crate::record;

mod replay;
mod simulate;

pub use replay::Replay;
pub use simulate::Simulate;

/// Exit code of a run-time failure.
pub const EXIT_FAILURE: u8 = 1;
/// Exit code when another sidecar owns the socket.
pub const EXIT_HELD: u8 = 3;
/// Exit code of a bad command line, policy file or scenario file.
pub const EXIT_USAGE: u8 = 64;

/// Tunes a live service: signals in, explained setpoints out.
#[derive(Debug, Parser)]
#[command(
    name = "setpoint",
    version,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  setpoint run --config /etc/setpoint --socket /run/setpoint/setpoint.sock --state-dir /var/lib/setpoint
  setpoint check /etc/setpoint
  setpoint status
  setpoint simulate T01 --against all --plot
  setpoint replay recorded.ndjson --policy policy.yaml
  setpoint completions bash > /usr/share/bash-completion/completions/setpoint

Exit codes: 0 success, 1 run-time failure, 3 another sidecar owns the socket, 64 bad command line or file,
65 bad line of a recording"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the sidecar until SIGTERM or SIGINT; SIGHUP reads the policy file again
    Run(Box<Run>),
    /// Check a policy file: every error at once, with file, line and column; exit 64 if there is one
    Check(Check),
    /// Show what a running sidecar sees and does
    Status(Status),
    /// Run scenarios through the policies and the laws of other projects: no service, no waiting
    Simulate(Simulate),
    /// Run recorded or foreign snapshots through a policy file; each decision is a line, written at once
    Replay(Replay),
    /// Print the completion script of a shell
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  In a pod, beside one service (share the process namespace, or mount its cgroup, to read the service's own signals):
    setpoint run --config /etc/setpoint --socket /run/setpoint/setpoint.sock --admin 0.0.0.0:9847 --state-dir /var/lib/setpoint
  On a host, for the unit checkout.service, whose user is 1001:
    setpoint run --config /etc/setpoint --socket /run/setpoint/setpoint.sock --state-dir /var/lib/setpoint \\
      --cgroup /sys/fs/cgroup/system.slice/checkout.service --allow-uid 1001")]
pub struct Run {
    /// Directory of the policy file; it is watched, and may come to exist later
    #[arg(long, value_name = "DIR", env = "SETPOINT_CONFIG")]
    pub config: PathBuf,
    /// Unix socket for SDKs
    #[arg(long, value_name = "PATH", env = "SETPOINT_SOCKET")]
    pub socket: PathBuf,
    /// Address of /metrics, /livez and /status
    #[arg(long, value_name = "ADDR", env = "SETPOINT_ADMIN", default_value_t = admin::DEFAULT_ADDR)]
    pub admin: SocketAddr,
    /// Directory for the last good policy, which a restart with a bad policy file runs; made if absent
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Cgroup directory to watch, instead of that of --pid; without both, only the node's own pressure is read, and what SDKs
    /// report of themselves counts
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,
    /// Process to watch: its cgroup and the scheduling delay of its threads
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// Where the kernel's process files are
    #[arg(long, value_name = "PATH", default_value = "/proc")]
    pub proc: PathBuf,
    /// Where the kernel's system files are
    #[arg(long, value_name = "PATH", default_value = "/sys")]
    pub sys: PathBuf,
    /// User that may connect besides the sidecar's own; can be given more than once
    #[arg(long, value_name = "N")]
    pub allow_uid: Vec<u32>,
    /// Primary group that may connect besides the sidecar's own; can be given more than once
    #[arg(long, value_name = "N")]
    pub allow_gid: Vec<u32>,
    /// Record every snapshot as a line of JSON, for `setpoint replay`; what is there becomes FILE.1
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// FILE and FILE.1 together take no more than this, such as 512Mi
    #[arg(long, value_name = "SIZE", default_value = "256Mi", value_parser = record_max_bytes, requires = "record")]
    pub record_max_bytes: u64,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log: Format,
    /// Least important level to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value_t = tracing::Level::INFO)]
    pub log_level: tracing::Level,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Directory of the policy file, as for `run`; or a policy file of any name, `-` for standard input
    #[arg(value_name = "PATH", env = "SETPOINT_CONFIG")]
    pub config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The sidecar's admin address
    #[arg(long, value_name = "ADDR", env = "SETPOINT_ADMIN", default_value_t = admin::DEFAULT_ADDR)]
    pub admin: SocketAddr,
    /// Print the JSON of /status as it is
    #[arg(long)]
    pub json: bool,
}

/// A size with its unit, or plain bytes.
fn record_max_bytes(text: &str) -> Result<u64, String> {
    let bytes = match text.parse() {
        Ok(bytes) => bytes,
        Err(_) => setpoint_policies::units::bytes(text).map_err(|error| error.to_string())?,
    };
    if bytes >= record::LEAST_BYTES { Ok(bytes) } else { Err("must be at least 1Mi".to_owned()) }
}

impl Cli {
    /// The command line of this process; `Err` is the exit code after help or the error was printed.
    ///
    /// # Errors
    /// 0 after `--help` and `--version`, else [`EXIT_USAGE`].
    pub fn read() -> Result<Self, u8> {
        Self::try_parse().map_err(|error| {
            // Nobody is left to tell when even this cannot be printed.
            let _ = error.print();
            if error.use_stderr() { EXIT_USAGE } else { 0 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_of_run_is_read() {
        let line = "setpoint run --config /c --socket /s --admin 127.0.0.1:1 --state-dir /d --cgroup /g --pid 7 --proc /p \
                    --sys /y --allow-uid 1 --allow-uid 2 --allow-gid 3 --log json --log-level debug --record /r --record-max-bytes 2Mi";
        let cli = Cli::try_parse_from(line.split_whitespace()).expect("valid");
        let Command::Run(run) = cli.command else { panic!("not run") };
        assert_eq!((run.pid, run.allow_uid, run.allow_gid), (Some(7), vec![1, 2], vec![3]));
        assert_eq!((run.log, run.log_level), (Format::Json, tracing::Level::DEBUG));
        assert_eq!(run.proc, PathBuf::from("/p"));
        assert_eq!((run.record, run.record_max_bytes), (Some(PathBuf::from("/r")), 2 << 20));
    }

    #[test]
    fn bad_lines_are_errors() {
        for line in [
            "setpoint",
            "setpoint run",
            "setpoint run --config /c --socket /s --state-dir /d --pid 0",
            "setpoint x",
            "setpoint run --config /c --socket /s --state-dir /d --record /r --record-max-bytes 2M",
            "setpoint run --config /c --socket /s --state-dir /d --record /r --record-max-bytes 1000",
            "setpoint replay",
            "setpoint simulate",
            "setpoint simulate a.yaml --seeds 0",
        ] {
            let error = Cli::try_parse_from(line.split_whitespace()).expect_err(line);
            assert!(error.use_stderr(), "{line}");
        }
    }
}
