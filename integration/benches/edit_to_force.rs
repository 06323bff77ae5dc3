//! From the edit of a policy file to the new limit in force inside a service: real sidecar, real socket, real SDK.
//!
//! `cargo bench -p setpoint-integration --bench edit_to_force [-- --edits 50 --json FILE]`. The limit is read in this process,
//! through the limiter that requests would go through, every half millisecond. Edits are made both ways that people use:
//! writing the file in place, and swapping the symbolic link of a mounted ConfigMap.

#[path = "harness/rows.rs"]
mod rows;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use rows::Common;
use setpoint_integration::process::{Process, sibling, wait};
use setpoint_sdk::{Limiter, Setpoint};

const GROUP: &str = "edit";
/// Well over the guard's cool-down, so that no edit waits for the one before.
const BETWEEN_EDITS: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Parser)]
struct Args {
    /// Edits of each kind.
    #[arg(long, default_value = "50")]
    edits: usize,
    #[command(flatten)]
    common: Common,
}

fn policy(limit: u32) -> String {
    format!(
        "version: setpoint/v1\nname: bench\npolicies:\n  - name: inbound\n    adaptive_concurrency: \
         {{knob: limit.inbound, min: {limit}, max: {limit}, initial: {limit}}}\n"
    )
}

fn write_in_place(config: &Path, limit: u32, _edit: usize) -> anyhow::Result<()> {
    Ok(fs::write(config.join("policy.yaml"), policy(limit))?)
}

/// What the kubelet does: a new directory, and one rename that moves `..data` to it.
fn swap_link(config: &Path, limit: u32, edit: usize) -> anyhow::Result<()> {
    let version = format!("..version_{edit}");
    fs::create_dir(config.join(&version))?;
    fs::write(config.join(&version).join("policy.yaml"), policy(limit))?;
    symlink(&version, config.join("..data_tmp"))?;
    fs::rename(config.join("..data_tmp"), config.join("..data"))?;
    if edit == 0 {
        fs::remove_file(config.join("policy.yaml"))?;
        symlink("..data/policy.yaml", config.join("policy.yaml"))?;
    }
    Ok(())
}

async fn in_force(limiter: &Limiter, limit: u32) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while (limiter.limit() - f64::from(limit)).abs() > 1e-9 {
        ensure!(began.elapsed() < PATIENCE, "the limit is {} and not {limit}", limiter.limit());
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    Ok(began.elapsed())
}

type Edit = fn(&Path, u32, usize) -> anyhow::Result<()>;

async fn measure(
    edits: usize,
    edit: Edit,
    config: &Path,
    limiter: &Limiter,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    for n in 0..edits {
        let limit = if n % 2 == 0 { 30 } else { 60 };
        // An offset that walks through the period of the loop, so that all phases of it are met.
        tokio::time::sleep(BETWEEN_EDITS + Duration::from_millis((n as u64 * 37) % 100)).await;
        edit(config, limit, n)?;
        times.push(in_force(limiter, limit).await?);
    }
    times.sort_unstable();
    Ok(times)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if !args.common.wants(GROUP) {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("config");
    fs::create_dir(&config)?;
    write_in_place(&config, 60, 0)?;
    let socket = directory.path().join("setpoint.sock");
    let program =
        sibling::sibling("setpoint").context("build it first: cargo build --profile bench -p setpoint")?;
    let mut command = Command::new(program);
    command.args(["run", "--admin", &wait::free_local_address()?.to_string()]);
    command
        .arg("--config")
        .arg(&config)
        .arg("--socket")
        .arg(&socket)
        .arg("--state-dir")
        .arg(directory.path());
    let _sidecar = Process::spawn("setpoint", command.stdout(Stdio::null()).stderr(Stdio::null()))?;

    let setpoint = Setpoint::builder("bench").socket(&socket).start();
    let limiter = setpoint.limiter("inbound").bounds(4, 500).baseline(50).register();
    in_force(&limiter, 60).await.context("a new sidecar learns for 10 s before it moves a limit")?;

    let mut rows = Vec::new();
    for (name, edit) in [("write", write_in_place as Edit), ("configmap-swap", swap_link)] {
        let times = measure(args.edits, edit, &config, &limiter).await?;
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
        let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
        eprintln!("{name:15} {} edits: p50 {p50:6.1} ms, p99 {p99:6.1} ms, max {max:6.1} ms", times.len());
        rows.push(serde_json::json!({
            "group": GROUP, "case": name, "threads": 1, "ns_min": at(0.0) * 1e6, "ns_median": p50 * 1e6,
            "ns_p90": at(0.9) * 1e6, "ns_p99": p99 * 1e6,
        }));
    }
    args.common.write(rows)
}
