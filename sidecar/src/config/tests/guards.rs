//! The guards: presets say what they should, pages name every field, mistakes are told where they stand.

use std::time::Duration;

use setpoint_policies::controllers::memory_ceiling::MemoryCeiling;
use setpoint_policies::controllers::runtime_health::RuntimeHealth;
use setpoint_policies::controllers::slo::Slo;
use setpoint_policies::controllers::task_leak::TaskLeak;
use setpoint_policies::controllers::task_trend::TaskTrend;
use setpoint_policies::knob::KnobName;
use setpoint_policies::signal::Signal;
use setpoint_policies::spec::Controller;

use super::{parse, refusal, with};

const TASK_LEAK: &str = include_str!("../../../../policies/presets/field-report-task-leak.yaml");
const PAUSE_503: &str = include_str!("../../../../policies/presets/field-report-pause-503.yaml");
const SLO: &str = include_str!("../../../../policies/presets/field-report-slo.yaml");
const PAGES: [&str; 4] = [
    include_str!("../../../../docs/policies/task-leak.md"),
    include_str!("../../../../docs/policies/runtime-health.md"),
    include_str!("../../../../docs/policies/slo.md"),
    include_str!("../../../../docs/policies/memory-ceiling.md"),
];

fn controllers(file: &str) -> Vec<Controller> {
    let loaded = parse(file.as_bytes()).unwrap_or_else(|errors| panic!("{errors}\n{file}"));
    loaded.set.policies.iter().map(|policy| policy.controller.clone()).collect()
}

fn knob(name: &str) -> KnobName {
    KnobName::try_new(name).unwrap()
}

fn pause(signal: Signal) -> Controller {
    Controller::RuntimeHealth(
        RuntimeHealth::try_new(knob("health.ready"), signal, RuntimeHealth::ABOVE).unwrap(),
    )
}

#[test]
fn b3_b4_b5_b7_the_presets_say_exactly_this() {
    let guard = TaskLeak::new(knob("breaker.inbound")).holds(TaskLeak::HOLD, TaskLeak::FLOOR, 0.0).unwrap();
    let trend = TaskTrend::try_new(Some(19_800.0), TaskTrend::WARN_BEFORE, TaskTrend::WINDOW).unwrap();
    assert_eq!(controllers(TASK_LEAK), [Controller::TaskLeak(guard), Controller::TaskTrend(trend)]);
    assert_eq!(controllers(PAUSE_503), [pause(Signal::RuntimeDelay), pause(Signal::GcPause)]);
    let slo = Slo::try_new(knob("limit.inbound"), Duration::from_millis(200), 0.995).unwrap();
    assert_eq!(controllers(SLO), [Controller::Slo(slo)]);
}

#[test]
fn what_is_left_out_has_its_default() {
    let ceiling = MemoryCeiling::try_new(knob("limit.a"), MemoryCeiling::FILL, MemoryCeiling::FLOOR).unwrap();
    let trend = TaskTrend::try_new(None, TaskTrend::WARN_BEFORE, TaskTrend::WINDOW).unwrap();
    for (section, expected) in [
        ("task_leak: {knob: breaker.a}", Controller::TaskLeak(TaskLeak::new(knob("breaker.a")))),
        ("task_trend: {}", Controller::TaskTrend(trend)),
        ("runtime_health: {knob: health.ready}", pause(Signal::RuntimeDelay)),
        ("memory_ceiling: {knob: limit.a}", Controller::MemoryCeiling(ceiling)),
    ] {
        assert_eq!(controllers(&with(section)), [expected], "{section}");
    }
}

#[test]
fn every_field_is_on_its_page_and_every_example_loads() {
    for page in PAGES {
        let examples = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        for example in examples {
            controllers(&format!("version: setpoint/v1\nname: example\n{example}"));
        }
    }
    for (section, page) in [
        ("task_leak: {knob: breaker.a, zzzzzzzz: 1}", PAGES[0]),
        ("task_trend: {zzzzzzzz: 1}", PAGES[0]),
        ("runtime_health: {knob: health.ready, zzzzzzzz: 1}", PAGES[1]),
        ("slo: {resource: a, within: 1s, objective: 99%, zzzzzzzz: 1}", PAGES[2]),
        ("memory_ceiling: {knob: limit.a, zzzzzzzz: 1}", PAGES[3]),
    ] {
        let said = refusal(&with(section));
        let (_, fields) = said.rsplit_once("expected one of ").unwrap_or_else(|| panic!("{said}"));
        for field in fields.split(", ") {
            assert!(page.contains(&format!("| `{field}` |")), "{section}: no row for {field}");
        }
    }
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (section, expected) in [
        (
            "task_leak: {knob: limit.a}",
            "5:23: `knob`: `task_leak` moves a knob named `breaker.NAME`, found `limit.a`",
        ),
        ("task_leak: {knob: breaker.a, in_a_row: 0}", "5:44: `in_a_row`: must be between 1 and 20"),
        ("task_trend: {limit: 0}", "5:25: `limit`: must be between 1 and 100000000"),
        (
            "runtime_health: {knob: health.ready, signal: cpu}",
            "5:50: `signal`: expected runtime_delay or gc_pause",
        ),
        ("runtime_health: {knob: health.ready, hits: 9}", "5:48: `hits`: must be between 1 and of"),
        (
            "runtime_health: {knob: health.ready, apart: 5m}",
            "5:49: `longest`: must be above 0, at most 1h and at least apart, and is 60s by default",
        ),
        ("slo: {within: 1s, objective: 99%}", "5:5: `slo` needs the field `resource`"),
        (
            "slo: {resource: \"a b\", within: 1s, objective: 99%}",
            "5:21: `resource`: name must be 1 to 128 bytes of a-z A-Z 0-9 . _ - /",
        ),
        (
            "slo: {resource: a, within: 1s, objective: 100%}",
            "5:47: `objective`: must be between 50% and 99.999%",
        ),
        ("memory_ceiling: {knob: limit.a, fill: 99%}", "5:43: `fill`: must be between 10% and 98%"),
    ] {
        assert_eq!(refusal(&with(section)), expected, "{section}");
    }
}
