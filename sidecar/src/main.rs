//! The `setpoint` binary: parse, build, run, drain, exit code. Everything else is the library, so that tests can embed it.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap::builder::PossibleValuesParser;
use setpoint::app::{RunError, Sidecar};
use setpoint::cli::{self, Cli, Command, EXIT_FAILURE, EXIT_HELD, EXIT_USAGE};
use setpoint::logging::{self, Log};
use setpoint::simulate::{Screen, SimulateError};
use setpoint::socket::SocketError;
use setpoint::yaml::Problems;
use setpoint::{admin, config, replay, show, simulate, status};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let code = Cli::read().map(|cli| match cli.command {
        Command::Run(options) => run(&options),
        Command::Check(options) => check(&options),
        Command::Status(options) => print(show_status(&options)),
        Command::Simulate(options) => simulate(&options),
        Command::Replay(options) => replay(&options),
        Command::Completions { shell } => print(completions(shell)),
    });
    ExitCode::from(code.unwrap_or_else(|code| code))
}

/// Runs the sidecar until it is told to stop.
fn run(options: &cli::Run) -> u8 {
    let log = match logging::install(options.log, options.log_level) {
        Ok(log) => log,
        Err(error) => return print(Err(anyhow::Error::new(error).context("cannot log"))),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.context("cannot start").and_then(|runtime| runtime.block_on(sidecar(options, &log)));
    let code = match ran {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "sidecar failed");
            match error.downcast_ref() {
                Some(RunError::Socket(SocketError::Held { .. })) => EXIT_HELD,
                _ => EXIT_FAILURE,
            }
        }
    };
    log.flush();
    code
}

async fn sidecar(options: &cli::Run, log: &Log) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let sidecar = Sidecar::bind(options)?;
    let reload = sidecar.reload();
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            reload.now().await;
        }
    });
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let log = log.clone();
    // A hung loop cannot be asked to leave in an orderly manner.
    let hung = move |tick| {
        tracing::error!(tick, "control loop hangs");
        log.flush();
        std::process::abort();
    };
    sidecar.run(options, hung, stop).await?;
    Ok(())
}

/// Runs scenarios.
fn simulate(options: &cli::Simulate) -> u8 {
    let mut out = std::io::stdout().lock();
    let terminal = out.is_terminal();
    let width = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
    let screen = Screen {
        width: if width == 0 { 100 } else { width },
        colours: terminal && !options.no_color,
        progress: std::io::stderr().is_terminal(),
    };
    match simulate::simulate(options, screen, &mut out) {
        Ok(()) => 0,
        Err(SimulateError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => 0,
        Err(error @ SimulateError::Refused(_)) => {
            // Nobody is left to tell when even this cannot be written.
            let _ = writeln!(std::io::stderr(), "{error}");
            EXIT_USAGE
        }
        Err(error) => print(Err(error.into())),
    }
}

/// Runs snapshots through a policy file.
fn replay(options: &cli::Replay) -> u8 {
    let policies = match config::load_path(&options.policy) {
        Ok(loaded) => loaded.set,
        Err(problems) => return refuse(&problems),
    };
    let how = replay::Options {
        json: options.json,
        changes: options.changes,
        keep_going: options.keep_going,
        assume_applied: options.assume_applied,
    };
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let replay = |input: &mut dyn BufRead, name: &str| {
        let replayed = replay::replay(input, name, policies, how, &mut out, &mut err);
        replayed.with_context(|| format!("cannot replay {name}"))
    };
    let replayed = if options.file.as_os_str() == "-" {
        replay(&mut std::io::stdin().lock(), "-")
    } else {
        let name = options.file.display().to_string();
        let file = File::open(&options.file).with_context(|| format!("cannot open {name}"));
        file.and_then(|file| replay(&mut BufReader::new(file), &name))
    };
    replayed.unwrap_or_else(|error| print(Err(error)))
}

/// Tells what is wrong with a file.
fn refuse(problems: &Problems) -> u8 {
    // Nobody is left to tell when even this cannot be written.
    let _ = writeln!(std::io::stderr(), "{}", problems.with_source());
    EXIT_USAGE
}

/// Checks the policy file.
fn check(options: &cli::Check) -> u8 {
    let mut out = std::io::stdout().lock();
    config::check(&options.config, options.json, &mut out).unwrap_or(EXIT_FAILURE)
}

fn show_status(options: &cli::Status) -> anyhow::Result<String> {
    let json = admin::client::get(options.admin, "/status")?;
    if options.json {
        return Ok(json + "\n");
    }
    let status: status::Status = serde_json::from_str(&json).context("the answer is no status")?;
    Ok(show::text(&status))
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<String> {
    let mut script = Vec::new();
    // Only here: anywhere else an unknown name is told with everything else that is wrong.
    let laws = PossibleValuesParser::new(simulate::law_names());
    let mut command = Cli::command().mut_subcommand("simulate", |simulate| {
        simulate.mut_arg("against", |against| against.value_parser(laws))
    });
    clap_complete::generate(shell, &mut command, "setpoint", &mut script);
    Ok(String::from_utf8(script)?)
}

/// Prints a result; gives the exit code.
fn print(result: anyhow::Result<String>) -> u8 {
    let (text, code) = match result {
        Ok(text) => (text, 0),
        Err(error) => {
            // Nobody is left to tell when even this cannot be written.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            return EXIT_FAILURE;
        }
    };
    // A reader that left early (`| head`) is no failure of ours.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}
