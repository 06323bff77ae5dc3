use setpoint_policies::knob::KnobName;
use setpoint_policies::spec::PolicySet;

use super::*;
use crate::config::parse;

const PRESETS: [(&str, &str); 6] = [
    ("heap-ratio", include_str!("../../../../../policies/presets/field-report-heap-ratio.yaml")),
    ("cgroup-75", include_str!("../../../../../policies/presets/field-report-cgroup-75.yaml")),
    ("gogc-static", include_str!("../../../../../policies/presets/field-report-gogc-static.yaml")),
    ("load", include_str!("../../../../../policies/presets/field-report-load.yaml")),
    ("sched-latency", include_str!("../../../../../policies/presets/field-report-sched-latency.yaml")),
    ("cgroup-cores", include_str!("../../../../../policies/presets/field-report-cgroup-cores.yaml")),
];

fn with(controller: &str) -> String {
    format!("version: setpoint/v1\nname: a\npolicies:\n  - name: a\n    {controller}\n")
}

fn loaded(file: &str) -> PolicySet {
    let loaded = parse(file.as_bytes()).unwrap_or_else(|errors| panic!("{errors}\n{file}"));
    assert_eq!(loaded.warnings, []);
    PolicySet::clone(&loaded.set)
}

fn refused(controller: &str) -> String {
    parse(with(controller).as_bytes()).expect_err("illegal").to_string().replace("policy.yaml:", "")
}

fn controller(file: &str) -> Controller {
    loaded(file).policies[0].controller.clone()
}

fn preset(name: &str) -> &'static str {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, file)| *file).expect("known")
}

/// The preset with its policy replaced by the one that is commented out: the rule as it was reported.
fn as_reported(name: &str) -> Controller {
    let (_, raw) = preset(name).split_once("# As reported:\n").expect("every preset has it");
    let raw: Vec<_> = raw.lines().map_while(|line| line.strip_prefix("# ")).collect();
    controller(&format!("version: setpoint/v1\nname: a\npolicies:\n{}\n", raw.join("\n")))
}

fn gc(rule: Rule) -> Controller {
    Controller::GcTarget(GcTargetSpec::try_new(named("gc"), rule).expect("sound"))
}

fn threads(follow: Follow, raw: bool) -> Controller {
    let spec = Parallelism::try_new(named("parallelism"), follow, raw, None, None);
    Controller::Parallelism(spec.expect("sound"))
}

#[test]
fn what_is_left_out_has_its_documented_default() {
    assert_eq!(controller(&with("gc_target: {}")), gc(Rule::Law(GcMode::Throughput)));
    let long = "gc_target: {knob: gc, mode: throughput, gc_cpu_cap: 20%, percent_min: 15, percent_max: 800, \
                restart_not_brownout: false}";
    assert_eq!(controller(&with(long)), gc(Rule::Law(GcMode::Throughput)));
    let frugal = "gc_target: {mode: frugal, gc_cpu_target: 5%}";
    assert_eq!(controller(&with(frugal)), gc(Rule::Law(GcMode::Frugal)));
    let inbound = KnobName::try_new("limit.inbound").unwrap();
    let cap = Controller::HeapCap(HeapCap::try_new(inbound, 0.2, 16.0).unwrap());
    assert_eq!(controller(&with("heap_cap: {knob: limit.inbound}")), cap);
    let drain = HeapDrain::try_new(named("drain"), 0.2, Duration::from_secs(60)).unwrap();
    assert_eq!(controller(&with("heap_drain: {knob: drain}")), Controller::HeapDrain(drain));
    assert_eq!(controller(&with("parallelism: {}")), threads(Follow::Quota, false));
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (section, expected) in [
        ("gc_target: {mode: fast}", "5:23: `mode`: must be throughput, frugal, fixed or ratio"),
        ("gc_target: {mode: fixed}", "5:5: `percent`: must be given, or memory_limit, in mode fixed"),
        ("gc_target: {mode: fixed, percent: 0}", "5:39: `percent`: must be between 1 and 100000"),
        ("gc_target: {of: usage}", "5:17: unknown field `of`, expected one of mode, knob, gc_cpu_cap"),
        ("gc_target: {gc_cpu_cap: 90%}", "5:29: `gc_cpu_cap`: must be between 2% and 50%"),
        ("gc_target: {gc_cpu_cap: 20}", "5:29: `gc_cpu_cap`: unit missing: write 20%"),
        (
            "gc_target: {percent_min: 900}",
            "5:30: `percent_max`: must be at most 100000 and at least percent_min, and is 800 by default",
        ),
        ("gc_target: {mode: ratio, of: usage}", "5:5: `gc_target` needs the field `above`"),
        (
            "gc_target: {mode: ratio, of: rss, above: 80%}",
            "5:34: `of`: must be live_over_goal, heap_over_goal, working_set or usage",
        ),
        ("heap_cap: {knob: gc}", "5:22: `knob`: `heap_cap` moves a knob named `limit.NAME`, found `gc`"),
        ("heap_drain: {}", "5:5: `heap_drain` needs the field `knob`"),
        ("heap_drain: {knob: drain, before: 0s}", "5:39: `before`: must be between 1s and 1h"),
        ("parallelism: {follow: gomaxprocs}", "5:27: `follow`: must be quota, load, cores or sched_latency"),
        ("parallelism: {raw: true}", "5:24: `raw`: must be false unless a report is followed"),
        ("parallelism: {min: 5, max: 4}", "5:32: `max`: must be at least min"),
        ("parallelism: {min: 1.5}", "5:24: `min`: expected a whole number such as 3, found `1.5`"),
    ] {
        let said = refused(section);
        assert!(said.starts_with(expected), "{section}\n  expected {expected}\n  said {said}");
    }
}

#[test]
fn g2_g3_g5_presets_of_field_reports_load() {
    for (name, file) in PRESETS {
        assert_eq!(loaded(file).name, format!("field-report-{name}"));
        assert!(file.contains("What is wrong with it"), "{name} has its critique");
    }
}

#[test]
fn g2_the_preset_of_the_heap_ratio_is_the_rule_without_the_phase_of_the_cycle() {
    let reported = RatioRule {
        of: Of::HeapOverGoal,
        above: 0.85,
        below: 0.85,
        drop: None,
        recovery: 0.0,
        every: Duration::from_secs(5),
        hold: Duration::ZERO,
        base: 100,
        bounds: (20, 200),
    };
    assert_eq!(as_reported("heap-ratio"), gc(Rule::Ratio(reported)));
    let meant = RatioRule {
        of: Of::LiveOverGoal,
        below: 0.75,
        recovery: 2.0,
        hold: Duration::from_secs(10),
        ..reported
    };
    assert_eq!(controller(preset("heap-ratio")), gc(Rule::Ratio(meant)));
}

#[test]
fn g3_the_preset_of_container_memory_has_hysteresis_and_does_not_count_cache() {
    let meant = RatioRule {
        of: Of::WorkingSet,
        above: 0.75,
        below: 0.65,
        drop: Some(40),
        recovery: 2.0,
        every: Duration::from_secs(1),
        hold: Duration::from_secs(10),
        base: 100,
        bounds: (20, 200),
    };
    assert_eq!(controller(preset("cgroup-75")), gc(Rule::Ratio(meant)));
    let reported = RatioRule {
        of: Of::Usage,
        below: 0.75,
        every: Duration::from_secs(10),
        hold: Duration::ZERO,
        ..meant
    };
    assert_eq!(as_reported("cgroup-75"), gc(Rule::Ratio(reported)));
}

#[test]
fn g5_the_presets_of_threads_are_bounded_and_the_reported_ones_are_not() {
    for (name, follow) in
        [("load", Follow::Load), ("sched-latency", Follow::SchedLatency), ("cgroup-cores", Follow::Cores)]
    {
        assert_eq!(controller(preset(name)), threads(follow, false), "{name}");
        assert_eq!(as_reported(name), threads(follow, true), "{name}");
    }
    let fixed = |percent, memory_limit| gc(Rule::Fixed { percent: Some(percent), memory_limit });
    assert_eq!(controller(preset("gogc-static")), fixed(80, Some(0.9)));
    assert_eq!(as_reported("gogc-static"), fixed(50, None));
}
