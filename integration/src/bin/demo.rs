//! `demo`: one service with and without Setpoint, through a bad minute.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use setpoint_integration::demo::screen::{Screen, can_redraw};
use setpoint_integration::demo::{self, Options, acts};
use setpoint_integration::process::sibling::sibling;
use setpoint_integration::process::{self, guarded};
use setpoint_integration::service::pool::Jitter;
use setpoint_integration::units::duration;

/// Runs one service twice, with and without Setpoint, through overload, a slow dependency, a CPU hog, a live edit of the policy
/// and the death of the sidecar. Takes about a minute. Exit code 1 when a promise is broken.
#[derive(Debug, Parser)]
struct Args {
    /// Also write the result as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A shortened story of about 20 seconds, for tests.
    #[arg(long)]
    quick: bool,
    /// Plain lines even on a terminal (also with NO_COLOR).
    #[arg(long)]
    plain: bool,
    /// Seed of arrivals and service times.
    #[arg(long, default_value = "1")]
    seed: u64,
    /// Workers of each service.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), default_value = "8")]
    workers: u16,
    /// Mean time that a job occupies a worker.
    #[arg(long, value_parser = duration, default_value = "20ms")]
    service_time: Duration,
    /// Spread of that time.
    #[arg(long, value_enum, default_value = "exp")]
    jitter: Jitter,
    /// An answer later than this is worthless.
    #[arg(long, value_parser = duration, default_value = "400ms")]
    deadline: Duration,
    /// The sidecar, when it does not lie beside this program.
    #[arg(long)]
    sidecar: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    guarded::become_what_was_asked().context("cannot become the program that was asked for")?;
    match std::env::args_os().nth(1) {
        Some(first) if first == acts::HOG => acts::hog(),
        _ => run(Args::parse()),
    }
}

/// One thread: the load has its own, and children must be spawned from a thread that lives as long as we do.
#[tokio::main(flavor = "current_thread")]
async fn run(args: Args) -> anyhow::Result<ExitCode> {
    process::raise_descriptor_limit();
    let options = Options {
        sidecar: args.sidecar.map_or_else(|| sibling("setpoint"), Ok)?,
        service: sibling("demo-service")?,
        own: std::env::current_exe()?,
        workers: args.workers,
        service_time: args.service_time,
        jitter: args.jitter,
        deadline: args.deadline,
        seed: args.seed,
        quick: args.quick,
    };
    #[expect(clippy::disallowed_methods, reason = "a command line's convention: https://no-color.org")]
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let screen = Screen::new(std::io::stdout(), can_redraw(args.plain, no_color));
    process::until_told(async {
        let report = demo::run(&options, screen).await?;
        print(&report.text())?;
        if let Some(path) = args.json {
            let json = serde_json::to_vec_pretty(&report)?;
            std::fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(report.kept())
    })
    .await
}

fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes())
}
