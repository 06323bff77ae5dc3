//! The incidents of `make incidents` as tests: the spike in virtual time, the slow database on real processes.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use setpoint::simulate::scenario_file;
use setpoint_integration::process::Process;
use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::link::{Connected, default_policies};
use setpoint_policies::sim::plant;
use setpoint_policies::sim::run::Run;
use setpoint_policies::sim::scenario::Scenario;
use setpoint_policies::sim::score::fixed::PhasedFixed;
use tempfile::TempDir;

/// The spike of `setpoint_integration::incidents`: 80 % of capacity, 120 %, 80 %.
const SPIKE: &str = "version: setpoint/v1
kind: Scenario
name: spike
duration: 40s
warm_up: 15s
clients: {rate: [{at: 0s, value: 800}, {at: 20s, value: 1200}, {at: 28s, value: 800}]}
deadline: 200ms
server: {workers: 8, work: {exponential: 8ms}}
limit: {min: 8, max: 2000, initial: 50}
";
/// Seconds of the spike.
const SPIKE_FROM_TO: (f64, f64) = (20.0, 28.0);

fn p99_ms(run: &Run, from: f64, to: f64) -> f64 {
    run.percentile(0.99, from, to).unwrap() * 1e3
}

fn ours(scenario: &Scenario, seed: u64) -> Run {
    let law: Box<dyn Law> =
        Box::new(Connected::new(scenario, &Arc::new(default_policies(scenario)), 0, seed));
    plant::run(scenario, seed, vec![law])
}

#[test]
fn p3_a_regional_spike_does_not_take_p99_from_45_ms_to_1200_ms() {
    let scenario = scenario_file::parse("spike.yaml", SPIKE.as_bytes()).unwrap();
    let (from, to) = SPIKE_FROM_TO;
    for seed in 1..=5 {
        let without = plant::run(&scenario, seed, PhasedFixed::fleet(&scenario, &[1e9]));
        let with = ours(&scenario, seed);
        let calm = p99_ms(&without, 15.0, from);
        assert!((30.0..75.0).contains(&calm), "seed {seed}: {calm} ms before the spike");
        let (without, with) = (p99_ms(&without, from, to), p99_ms(&with, from, to));
        assert!(without > 900.0, "seed {seed}: {without} ms without");
        assert!(with < 200.0, "seed {seed}: {with} ms with");
    }
}

#[test]
fn p3_the_spike_costs_hardly_an_answer_that_there_is_capacity_for() {
    let scenario = scenario_file::parse("spike.yaml", SPIKE.as_bytes()).unwrap();
    let (from, to) = SPIKE_FROM_TO;
    for seed in 1..=5 {
        let goodput = ours(&scenario, seed).goodput(from, to);
        assert!(goodput > 900.0, "seed {seed}: {goodput} of 1,000 per second in time");
    }
}

/// Plays it as a user would, and reads its JSON.
async fn quick(incident: &str) -> Value {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("incidents.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_incidents"));
    command.args(["--quick", "--only", incident, "--json"]).arg(&file);
    let mut run =
        Process::spawn("incidents", command.env("TMPDIR", directory.path()).stdout(Stdio::piped())).unwrap();
    let patience = Duration::from_secs(120);
    while let Ok(line) = run.line(patience).await {
        eprintln!("{line}");
    }
    run.wait(patience).await.unwrap();
    serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
}

#[tokio::test]
async fn p4_a_slow_database_does_not_pile_up_tasks_until_pages_wait() {
    let result = quick("database").await;
    let arms = result["incidents"]["database"]["arms"].as_array().unwrap();
    let (without, with) = (&arms[0], arms.last().unwrap());
    let median = |value: &Value| value["median"].as_f64().unwrap();
    // The runtime has 512 threads for work that blocks: beyond them everybody waits.
    assert!(median(&without["most_in_flight"]) > 600.0, "{without}");
    assert!(median(&with["most_in_flight"]) < 300.0, "{with}");
    let page = |arm: &Value| median(&arm["phases"]["slow"]["routes"]["/page"]["p99_ms"]);
    // It is seconds against milliseconds; a machine that does other work slows both.
    assert!(page(without) > 3.0 * page(with), "{} against {}", page(without), page(with));
    assert_eq!(with["phases"]["slow"]["routes"]["/page"]["rejected_percent"]["median"], 0.0);
}
