//! `incidents`: two incidents of field reports, with and without Setpoint.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use setpoint_integration::incidents::{self, Args};
use setpoint_integration::process::guarded;
use setpoint_integration::real::rig::Programs;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<ExitCode> {
    // Children begin as this program: see `process::guarded`.
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == guarded::SUBCOMMAND => {
            Err(guarded::exec(rest)).context("cannot become the program that was asked for")
        }
        _ => run(&Args::parse()),
    }
}

/// One thread: the load has its own, and children must be spawned from a thread that lives as long as we do.
#[tokio::main(flavor = "current_thread")]
async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    setpoint_integration::process::raise_descriptor_limit();
    let programs = Programs::beside_this()?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        kept = incidents::run(args, &programs, &repository) => {
            Ok(if kept? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        // Leaving this block drops the arena, which kills and reaps all of its processes.
        _ = interrupted.recv() => Ok(ExitCode::from(130)),
        _ = terminated.recv() => Ok(ExitCode::from(143)),
    }
}
