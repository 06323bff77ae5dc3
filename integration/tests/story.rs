//! The demo as a program: its quick story, and what is left behind when it is interrupted or killed.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use setpoint_integration::process::Process;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

fn demo(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(["--quick", "--plain", "--workers", "4", "--seed", "3"]);
    // Its own directory too: a demo killed with SIGKILL cannot remove it.
    command.env("TMPDIR", directory).stdout(Stdio::piped());
    command
}

#[tokio::test]
async fn quick_story_ends_with_table_and_json() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("result.json");
    let mut demo = Process::spawn("demo", demo(directory.path()).arg("--json").arg(&file)).unwrap();
    let mut text = Vec::new();
    while let Ok(line) = demo.line(PATIENCE).await {
        eprintln!("{line}");
        text.push(line);
    }
    demo.wait(PATIENCE).await.unwrap();
    let result: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();

    let names: Vec<_> =
        result["phases"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    let expected =
        ["warm-up", "overload", "recovery", "dependency-slow", "cpu-hog", "policy-edit", "sidecar-killed"];
    assert_eq!(names, expected);
    for name in expected {
        assert!(text.iter().any(|line| line.trim_start().starts_with(name)), "{name} is not in the table");
    }
    let unprotected =
        |phase: usize| result["phases"][phase]["unprotected"]["goodput_ratio"].as_f64().unwrap();
    assert!(unprotected(0) > 0.4, "calm: {}", unprotected(0));
    assert!(unprotected(1) < 0.5, "overload: {}", unprotected(1));
    assert!(unprotected(3) > 0.6, "restarted and well again: {}", unprotected(3));
    assert_eq!(result["failed_by_sidecar"], 0);
    assert!(result["decisions"].as_array().unwrap().len() >= 2, "one of each life: {}", result["decisions"]);
    for edit in result["edits"].as_array().unwrap() {
        assert!(edit["in_force_ms"].as_f64().unwrap() < 1000.0, "{edit}");
    }
    assert!(result["own_lateness_p99_ms"].as_f64().is_some());
}

/// Direct children of `parent` that run or could run.
fn children(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent_of = |pid: u32| stat(pid)?.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok();
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !matches!(
        stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next()),
        None | Some('Z' | 'X')
    )
}

/// Starts a demo, waits until it is under way, and ends it by `signal`.
async fn ended_by(signal: Signal) -> (Option<i32>, Vec<u32>) {
    let directory = TempDir::new().unwrap();
    let mut demo = Process::spawn("demo", &mut demo(directory.path())).unwrap();
    while !demo.line(PATIENCE).await.unwrap().contains("warm-up") {}
    let children = children(demo.id());
    assert_eq!(children.len(), 3, "the sidecar and two services");
    rustix::process::kill_process(Pid::from_raw(demo.id() as i32).unwrap(), signal).unwrap();
    let status = demo.wait(PATIENCE).await.unwrap();
    (status.code(), children)
}

#[tokio::test]
async fn ctrl_c_leaves_no_child() {
    let (code, children) = ended_by(Signal::INT).await;
    assert_eq!(code, Some(130));
    assert!(children.iter().all(|pid| !is_running(*pid)), "{children:?}");
}

#[tokio::test]
async fn a_killed_demo_leaves_no_child_either() {
    let (code, children) = ended_by(Signal::KILL).await;
    assert_eq!(code, None);
    // The kernel signals them when their parent is gone; that takes as long as their next turn on a core.
    while children.iter().any(|pid| is_running(*pid)) {
        tokio::task::yield_now().await;
    }
}
