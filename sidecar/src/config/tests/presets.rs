//! All presets: each is a good file with a page. Those that a service deploys as they are do what their pages promise: the file as
//! it is shipped, through the engine, before the simulator's plant.

mod batch_worker;
mod database_client;
mod grpc_service;
mod service;
mod web_service;

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use setpoint_policies::signal::Signal;
use setpoint_policies::sim::distribution::Distribution;
use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::peers::Fixed;
use setpoint_policies::sim::plant;
use setpoint_policies::sim::run::Run;
use setpoint_policies::sim::scenario::{Scenario, Steps};
use setpoint_policies::spec::PolicySet;

use super::parse;
use service::Service;

/// The presets that a service deploys as they are, and the limiters of each.
const SERVICES: [(&str, &[&str]); 4] = [
    ("web-service", &["inbound"]),
    ("grpc-service", &["rpc", "callee"]),
    ("database-client", &["db"]),
    ("batch-worker", &["jobs"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(file: &str) -> String {
    read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn preset(name: &str) -> String {
    text(&format!("policies/presets/{name}.yaml"))
}

/// The policies of a file without errors or warnings.
fn good(file: &str) -> Arc<PolicySet> {
    let loaded = parse(file.as_bytes()).unwrap_or_else(|errors| panic!("{errors}\n{file}"));
    assert_eq!(loaded.warnings, [], "{file}");
    loaded.set
}

fn service(name: &str, resource: &str) -> Service {
    Service::new(&good(&preset(name)), resource)
}

/// Runs it and shows what was decided, for whoever reads a failure.
fn run(scenario: &Scenario, law: impl Law + 'static) -> Run {
    let run = plant::run(scenario, 1, vec![Box::new(law)]);
    run.log.iter().for_each(|(at, _, text)| eprintln!("{:7.1} {text}", at.as_secs_f64()));
    run
}

fn unlimited(scenario: &Scenario) -> Run {
    plant::run(scenario, 1, vec![Box::new(Fixed::new(f64::INFINITY))])
}

/// When something was first logged from a moment on, seconds.
fn first(run: &Run, what: &str, from: f64) -> Option<f64> {
    let times = run.log.iter().filter(|(_, _, text)| text.contains(what)).map(|(at, ..)| at.as_secs_f64());
    times.into_iter().find(|at| *at >= from)
}

fn most_in_flight(run: &Run, from: f64, to: f64) -> f64 {
    run.between(from, to).iter().map(|slice| slice.in_flight).fold(0.0, f64::max)
}

fn rejected_ratio(run: &Run, from: f64, to: f64) -> f64 {
    let counts = run.counts(from, to);
    f64::from(counts.rejected) / f64::from(counts.arrived)
}

/// What a process reports that lacks nothing, and has two tasks for each call.
fn well(_: f64, in_flight: u64) -> Vec<(Signal, f64)> {
    vec![
        (Signal::MemoryLimitBytes, 1024.0 * 1024.0 * 1024.0),
        (Signal::MemoryWorkingSetRatio, 0.4 + in_flight as f64 * 1e-4),
        (Signal::RuntimeDelay, 0.001),
        (Signal::RunDelayPerSlice, 0.0002),
        (Signal::CpuSome, 0.05),
        (Signal::Tasks, 200.0 + 2.0 * in_flight as f64),
    ]
}

#[test]
fn every_preset_is_good_and_stands_in_the_index() {
    let index = text("docs/policies/README.md");
    let files = std::fs::read_dir(root().join("policies/presets")).unwrap();
    let names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|file| file.strip_suffix(".yaml").expect("a policy file").to_owned())
        .collect();
    assert!(names.len() >= 17, "{names:?}");
    for name in &names {
        let loaded = parse(preset(name).as_bytes()).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        assert_eq!(loaded.set.name, *name, "a file is named as what is in it");
        // It has two policies of a kind on one knob, and says why.
        assert_eq!(loaded.warnings.is_empty(), name != "field-report-pause-503", "{name}");
        assert!(index.contains(&format!("policies/presets/{name}.yaml")), "docs/policies/README.md: {name}");
    }
    for page in std::fs::read_dir(root().join("docs/policies")).unwrap() {
        let page = page.unwrap().file_name().into_string().unwrap();
        assert!(
            page == "README.md" || index.contains(&format!("({page}")),
            "docs/policies/README.md: {page}"
        );
    }
}

#[test]
fn the_page_of_a_service_names_every_policy_and_every_knob() {
    for (name, _) in SERVICES {
        let page = text(&format!("docs/policies/{name}.md"));
        assert!(page.contains(&format!("(../../policies/presets/{name}.yaml)")), "{name}");
        let set = good(&preset(name));
        let policies = set.policies.iter().map(|policy| policy.name.to_string());
        for word in policies.chain(set.knobs().iter().map(|knob| knob.to_string())) {
            assert!(page.contains(&format!("`{word}`")), "docs/policies/{name}.md does not name {word}");
        }
    }
}

/// The preset with the block for Go in force, and without the policies that it stands in for.
fn for_go(name: &str) -> Option<String> {
    let (mut lines, mut block, mut dropping) = (Vec::new(), false, false);
    let file = preset(name);
    for line in file.lines() {
        block = line.starts_with("  # Go:") || block && line.starts_with("  # ");
        if let Some(policy) = line.strip_prefix("  - name: ") {
            dropping = policy.ends_with("-memory") || policy.ends_with("-memory-room");
        }
        let inside = line.strip_prefix("  # ").filter(|inside| block && inside.starts_with(['-', ' ']));
        match inside {
            Some(inside) => lines.push(format!("  {inside}")),
            None if dropping && !line.trim_start().starts_with('#') => {}
            None => lines.push(line.to_owned()),
        }
    }
    file.contains("# Go:").then(|| lines.join("\n"))
}

#[test]
fn the_block_for_go_is_good_in_place_of_the_policies_that_it_names() {
    for name in ["web-service", "grpc-service", "batch-worker"] {
        let set = good(&for_go(name).expect("it has one"));
        let has = |controller: &str| set.policies.iter().any(|policy| policy.controller.name() == controller);
        assert!(["gc_target", "heap_cap", "parallelism"].iter().all(|controller| has(controller)), "{name}");
        assert!(!has("memory_cap") && !has("memory_ceiling"), "{name}");
    }
    assert_eq!(for_go("database-client"), None);
}

#[test]
fn the_database_goes_with_any_other() {
    let database = preset("database-client");
    let (_, policies) = database.split_once("\npolicies:\n").unwrap();
    for (name, _) in SERVICES.iter().filter(|(name, _)| *name != "database-client") {
        good(&format!("{}{policies}", preset(name)));
    }
}

/// 600 calls a second, for a minute, to something that could answer a thousand.
#[test]
fn a_service_that_is_well_is_left_alone() {
    for (name, resources) in SERVICES {
        for resource in resources {
            let mut scenario = Scenario::plain(10, Distribution::Exponential(0.01), vec![(0.0, 600.0)]);
            scenario.seconds = 60.0;
            let run = run(&scenario, service(name, resource).reports(well));
            assert_eq!(run.counts(0.0, 60.0).rejected, 0, "{name} {resource}");
            assert_eq!(first(&run, "alert", 0.0), None, "{name} {resource}");
            assert_eq!(first(&run, "breaker ", 0.0), None, "{name} {resource}");
        }
    }
}
