//! The one arrow of dependency, the purity of `policies` and the hygiene of the sources, kept by tests, not by review.
//!
//! ```text
//! policies  <-  proto  <-  sidecar
//!                      <-  client-sdk/rust          integration -> everything
//! ```
//! What is read is the *declared* dependencies (`cargo metadata --no-deps`) and not the resolved graph: they include every
//! target and feature, and need neither a download nor a choice of platform.

#[path = "arrows/hygiene.rs"]
mod hygiene;
#[path = "arrows/purity.rs"]
mod purity;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Who may depend on whom, for every kind of dependency. A crate that is not named here may not exist.
const ARROW: &[(&str, &[&str])] = &[
    ("setpoint-policies", &[]),
    ("setpoint-signals", &[]),
    ("setpoint-codegen", &[]),
    ("setpoint-proto", &["setpoint-policies"]),
    ("setpoint", &["setpoint-policies", "setpoint-proto", "setpoint-signals"]),
    ("setpoint-sdk", &["setpoint-policies", "setpoint-proto", "setpoint-signals"]),
    ("setpoint-fake-sidecar", &["setpoint-policies", "setpoint-proto"]),
    (
        "setpoint-integration",
        &["setpoint-policies", "setpoint-proto", "setpoint-signals", "setpoint", "setpoint-sdk"],
    ),
];

/// For tests only: whoever may depend on it has it as a dev-dependency.
const TESTS_ONLY: &[(&str, &[&str])] =
    &[("setpoint-sdk", &["setpoint-fake-sidecar"]), ("setpoint-integration", &["setpoint-fake-sidecar"])];

/// Crates that may depend on nothing foreign but this (tests may use more).
const FOREIGN: &[(&str, &[&str])] = &[("setpoint-policies", &["thiserror"]), ("setpoint-signals", &[])];

/// Allowed only behind a feature: the simulator's random numbers.
const OPTIONAL: &[(&str, &[&str])] = &[("setpoint-policies", &["fastrand"])];

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies one level below the root").into()
}

fn metadata() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--no-deps"])
        .current_dir(root())
        .output()
        .expect("cargo runs, it has built this test");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("cargo prints JSON")
}

fn allowed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(member, _)| *member == name).map(|(_, allowed)| *allowed)
}

/// Every declared dependency that the tables do not allow, as `from -> to (kind)`.
fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let from = package["name"].as_str().expect("a package has a name");
        let Some(arrow) = allowed(ARROW, from) else {
            found.push(format!("{from} is not in the arrow's table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("a package lists its dependencies") {
            let to = dependency["name"].as_str().expect("a dependency has a name");
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            let behind_a_feature = dependency["optional"] == json!(true)
                && allowed(OPTIONAL, from).is_some_and(|list| list.contains(&to));
            let fine = if ours.contains(&to) {
                let tests = kind == "dev" && allowed(TESTS_ONLY, from).is_some_and(|list| list.contains(&to));
                arrow.contains(&to) || tests
            } else {
                kind == "dev"
                    || behind_a_feature
                    || allowed(FOREIGN, from).is_none_or(|list| list.contains(&to))
            };
            if !fine {
                found.push(format!("{from} -> {to} ({kind})"));
            }
        }
    }
    found
}

#[test]
fn dependencies_follow_the_one_arrow() {
    assert_eq!(violations(&metadata()), Vec::<String>::new());
}

#[test]
fn a_planted_arrow_is_found() {
    let cases = [
        ("setpoint-policies", "setpoint-proto", json!("dev"), "setpoint-policies -> setpoint-proto (dev)"),
        ("setpoint-policies", "tokio", Value::Null, "setpoint-policies -> tokio (normal)"),
        ("setpoint-policies", "cc", json!("build"), "setpoint-policies -> cc (build)"),
        ("setpoint-signals", "libc", Value::Null, "setpoint-signals -> libc (normal)"),
        ("setpoint-proto", "setpoint-signals", Value::Null, "setpoint-proto -> setpoint-signals (normal)"),
        ("setpoint", "setpoint-sdk", json!("dev"), "setpoint -> setpoint-sdk (dev)"),
        ("setpoint-sdk", "setpoint", json!("dev"), "setpoint-sdk -> setpoint (dev)"),
        (
            "setpoint-sdk",
            "setpoint-fake-sidecar",
            Value::Null,
            "setpoint-sdk -> setpoint-fake-sidecar (normal)",
        ),
        ("setpoint", "setpoint-integration", json!("dev"), "setpoint -> setpoint-integration (dev)"),
    ];
    for (from, to, kind, expected) in cases {
        let mut planted = metadata();
        let packages = planted["packages"].as_array_mut().unwrap();
        let package = packages.iter_mut().find(|package| package["name"] == from).unwrap();
        package["dependencies"].as_array_mut().unwrap().push(json!({"name": to, "kind": kind}));
        assert_eq!(violations(&planted), [expected]);
    }
}

#[test]
fn a_crate_outside_the_table_is_found() {
    let mut planted = metadata();
    planted["packages"].as_array_mut().unwrap().push(json!({"name": "setpoint-extra", "dependencies": []}));
    assert_eq!(violations(&planted), ["setpoint-extra is not in the arrow's table"]);
}

#[test]
fn every_member_forbids_unsafe_code() {
    assert!(has_line(&read("Cargo.toml"), "[workspace.lints.rust]", r#"unsafe_code = "forbid""#));
    for package in metadata()["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let text = std::fs::read_to_string(manifest).unwrap();
        assert!(
            has_line(&text, "[lints]", "workspace = true"),
            "{manifest} does not take the workspace's lints"
        );
    }
}

/// Reads a file below the root.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether `line` stands in the TOML section headed `section`.
fn has_line(toml: &str, section: &str, line: &str) -> bool {
    let mut lines = toml.lines().map(str::trim).skip_while(|found| *found != section).skip(1);
    lines.by_ref().take_while(|found| !found.starts_with('[')).any(|found| found == line)
}
