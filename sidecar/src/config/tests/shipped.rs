//! What users copy works, and the reference names what the code reads.

use std::time::Duration;

use setpoint_policies::controllers::adaptive_concurrency::AdaptiveConcurrency;
use setpoint_policies::controllers::breaker::{Acts, BreakerSpec, Length, Rate, Trip, Windows};
use setpoint_policies::controllers::memory_cap::MemoryCap;
use setpoint_policies::controllers::scheduler_cap::SchedulerCap;
use setpoint_policies::knob::KnobName;
use setpoint_policies::lease::Lease;
use setpoint_policies::spec::{Controller, Mode, PolicySet};

use super::{parse, refusal, with};

const PRESET: &str = include_str!("../../../../policies/presets/default.yaml");
const REFERENCE: &str = include_str!("../../../../docs/policy-file.md");

fn loaded(file: &str) -> PolicySet {
    let loaded = parse(file.as_bytes()).unwrap_or_else(|errors| panic!("{errors}\n{file}"));
    assert_eq!(loaded.warnings, []);
    PolicySet::clone(&loaded.set)
}

#[test]
fn the_preset_says_exactly_this() {
    let set = loaded(PRESET);
    let knob = |name| KnobName::try_new(name).unwrap();
    let seconds = Duration::from_secs;
    let scheduler = SchedulerCap::try_new(
        knob("limit.inbound"),
        SchedulerCap::RUNTIME_DELAY,
        SchedulerCap::RUN_DELAY,
        SchedulerCap::CPU_SOME,
        SchedulerCap::FLOOR,
    );
    let scheduler = scheduler.unwrap();
    let expected = [
        (
            "inbound",
            Controller::AdaptiveConcurrency(
                AdaptiveConcurrency::try_new(knob("limit.inbound"), 4.0, 2000.0, Some(50.0), Duration::ZERO)
                    .unwrap(),
            ),
        ),
        (
            "inbound-memory",
            Controller::MemoryCap(MemoryCap::try_new(knob("limit.inbound"), 0.75, 0.92, 0.3).unwrap()),
        ),
        ("inbound-scheduler", Controller::SchedulerCap(scheduler)),
        (
            "db-breaker",
            Controller::Breaker(
                BreakerSpec::try_new(
                    knob("breaker.db"),
                    Acts::Enforce,
                    Trip {
                        consecutive: Some(7),
                        failure_rate: Some(
                            Rate::failures(0.65, Windows::try_new(Length::Time(seconds(60)), 3, 3).unwrap())
                                .unwrap(),
                        ),
                        slow_call_rate: None,
                    },
                )
                .unwrap()
                .into(),
            ),
        ),
    ];
    assert_eq!((set.mode, set.tick, set.lease), (Mode::Enforce, seconds(1) / 10, Lease::default()));
    let read: Vec<_> = set.policies.iter().map(|policy| (&*policy.name, policy.controller.clone())).collect();
    assert_eq!(read, expected);
}

#[test]
fn what_is_left_out_has_the_default_that_the_preset_shows() {
    // Without the preset's defaults, and without every parameter that has one.
    let short = "\
version: setpoint/v1
name: default
policies:
  - {name: inbound, adaptive_concurrency: {knob: limit.inbound, initial: 50}}
  - {name: inbound-memory, memory_cap: {knob: limit.inbound}}
  - {name: inbound-scheduler, scheduler_cap: {knob: limit.inbound}}
  - name: db-breaker
    breaker: {knob: breaker.db, failure_rate: {above: 65%, window: 60s, in_a_row: 3}, consecutive: 7}
";
    let (mut short, preset) = (loaded(short), loaded(PRESET));
    assert_ne!(short.revision, preset.revision);
    short.revision.clone_from(&preset.revision);
    assert_eq!(short, preset);
}

#[test]
fn the_examples_of_the_reference_load() {
    let examples: Vec<_> =
        REFERENCE.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        loaded(example);
    }
}

#[test]
fn the_reference_names_every_field() {
    let sections = [
        ("policies", "zzzzzzzz: 1".to_owned()),
        ("", with("zzzzzzzz: 1\n    memory_cap: {knob: limit.a}")),
        ("", with("adaptive_concurrency: {knob: limit.a, zzzzzzzz: 1}")),
        ("", with("memory_cap: {knob: limit.a, zzzzzzzz: 1}")),
        ("", with("scheduler_cap: {knob: limit.a, zzzzzzzz: 1}")),
        ("", with("breaker: {knob: breaker.a, consecutive: 1, zzzzzzzz: 1}")),
        ("", with("gc_target: {zzzzzzzz: 1}")),
        ("", with("gc_target: {mode: frugal, zzzzzzzz: 1}")),
        ("", with("gc_target: {mode: fixed, percent: 60, zzzzzzzz: 1}")),
        ("", with("gc_target: {mode: ratio, of: usage, above: 75%, zzzzzzzz: 1}")),
        ("", with("heap_cap: {knob: limit.a, zzzzzzzz: 1}")),
        ("", with("heap_drain: {knob: drain, zzzzzzzz: 1}")),
        ("", with("parallelism: {zzzzzzzz: 1}")),
        ("", with("adaptive_rate: {knob: rate.a, zzzzzzzz: 1}")),
        ("", with("fixed: {knob: pool.a, value: 1, zzzzzzzz: 1}")),
        ("", with("fixed: {knob: pool.a, cases: [{when: {zone: b}, value: 1, zzzzzzzz: 1}]}")),
        ("failure_rate.", with("breaker: {knob: breaker.a, failure_rate: {above: 1%, zzzzzzzz: 1}}")),
        (
            "slow_call_rate.",
            with("breaker: {knob: breaker.a, slow_call_rate: {p95_above: 1s, of: 1, hits: 1, zzzzzzzz: 1}}"),
        ),
        ("half_open.", with("breaker: {knob: breaker.a, consecutive: 1, half_open: {zzzzzzzz: 1}}")),
        ("set.", with("breaker: {knob: breaker.a, consecutive: 1, set: {zzzzzzzz: 1}}")),
        (
            "probe.exponential.",
            with("breaker: {knob: breaker.a, consecutive: 1, probe: {exponential: {zzzzzzzz: 1}}}"),
        ),
        (
            "probe.fixed.",
            with("breaker: {knob: breaker.a, consecutive: 1, probe: {fixed: {wait: 1s, zzzzzzzz: 1}}}"),
        ),
    ];
    for (path, file) in sections {
        let said = refusal(&file);
        let (_, fields) = said.rsplit_once("expected one of ").unwrap_or_else(|| panic!("{said}"));
        for field in fields.split(", ") {
            let name = format!("`{}{field}`", if path == "policies" { "" } else { path });
            assert!(REFERENCE.contains(&name), "docs/policy-file.md does not name {name}");
        }
    }
}
