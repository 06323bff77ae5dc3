//! `incidents`: two incidents of field reports, with and without Setpoint.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use setpoint_integration::incidents::{self, Args};
use setpoint_integration::process::{self, guarded};
use setpoint_integration::real::rig::Programs;

fn main() -> anyhow::Result<ExitCode> {
    guarded::become_what_was_asked().context("cannot become the program that was asked for")?;
    run(&Args::parse())
}

/// One thread: the load has its own, and children must be spawned from a thread that lives as long as we do.
#[tokio::main(flavor = "current_thread")]
async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    process::raise_descriptor_limit();
    let programs = Programs::beside_this()?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    process::until_told(incidents::run(args, &programs, &repository)).await
}
