use tempfile::TempDir;

use super::*;

fn checked(file: Option<&str>, json: bool) -> (u8, String) {
    let dir = TempDir::new().unwrap();
    if let Some(file) = file {
        std::fs::write(dir.path().join(FILE), file).unwrap();
    }
    let mut out = Vec::new();
    let code = check(dir.path(), json, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap().replace(&dir.path().display().to_string(), "DIR"))
}

const PRESET: &str = include_str!("../../../../policies/presets/default.yaml");

#[test]
fn a_good_file_is_explained() {
    let (code, said) = checked(Some(PRESET), false);
    let (head, table) = said.split_once("\n\n").unwrap();
    assert_eq!(code, 0);
    assert!(head.starts_with("policy.yaml is good: `default`, revision "), "{head}");
    assert!(head.ends_with("\nmode enforce, tick 100ms, lease ttl 5s, hold 30s, decay 60s"), "{head}");
    let expected = "\
POLICY             CONTROLLER            KNOB           PARAMETERS
inbound            adaptive_concurrency  limit.inbound  min 4, max 2000, initial 50, latency_budget 0ms
inbound-memory     memory_cap            limit.inbound  start 75%, full 92%, floor 30%
inbound-scheduler  scheduler_cap         limit.inbound  runtime_delay 50ms, run_delay 5ms, cpu_some 25%, floor 30%
db-breaker         breaker               breaker.db     failure_rate.above 65%, failure_rate.window 60s, \
failure_rate.in_a_row 3, failure_rate.minimum_calls 20, failure_rate.confidence 70%, probe.exponential.base 1s, \
probe.exponential.cap 30s, probe.exponential.jitter 20%, half_open.concurrent 2, half_open.probes 10, \
half_open.successes 8, half_open.deadline 3s, half_open.patience 10s, mode enforce, consecutive 7, ramp 10s\n";
    assert_eq!(table, expected);
    assert_eq!(checked(Some(PRESET), true), (0, "[]\n".to_owned()));
}

#[test]
fn defaults_are_shown_as_well() {
    let file = "version: setpoint/v1\nname: a\npolicies:\n  - {name: a, breaker: {knob: breaker.b, consecutive: 3}}\n";
    let (_, said) = checked(Some(file), false);
    let row = "a       breaker     breaker.b  probe.exponential.base 1s, probe.exponential.cap 30s, \
               probe.exponential.jitter 20%, half_open.concurrent 2, half_open.probes 10, half_open.successes 8, \
               half_open.deadline 3s, half_open.patience 10s, mode enforce, consecutive 3, ramp 10s\n";
    assert!(said.ends_with(row), "{said}");
}

#[test]
fn l4_a_bad_file_is_refused_with_64_and_every_error() {
    let file = "version: setpoint/v1\nname: A\npolicies: []\n";
    let (code, said) = checked(Some(file), false);
    let expected = "\
policy.yaml:2:7: `name`: a name has 1 to 64 characters of a-z 0-9 - _ .
    2 | name: A
      |       ^
policy.yaml:3:1: `policies`: the list is empty; to see without acting, write a policy and `mode: observe`
    3 | policies: []
      | ^
";
    assert_eq!((code, said.as_str()), (64, expected));
    let (code, json) = checked(Some(file), true);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, 64);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(
        rows[0],
        serde_json::json!({
            "file": "policy.yaml", "line": 2, "column": 7, "severity": "error",
            "message": "`name`: a name has 1 to 64 characters of a-z 0-9 - _ .",
        })
    );
}

#[test]
fn l4_a_missing_file_is_refused() {
    assert_eq!(checked(None, false), (64, "policy.yaml: cannot open it in DIR: not found\n".to_owned()));
    let (code, json) = checked(None, true);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &rows[0]["line"], &rows[0]["column"]),
        (64, &serde_json::Value::Null, &serde_json::Value::Null)
    );
    let mut out = Vec::new();
    assert_eq!(check(Path::new("/nowhere/at all"), false, &mut out).unwrap(), 64);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "policy.yaml: cannot open the directory /nowhere/at all: not found\n"
    );
}

#[test]
fn two_of_a_kind_on_one_knob_are_a_warning() {
    let file = "version: setpoint/v1\nname: a\npolicies:\n  - {name: a, memory_cap: {knob: limit.a}}\n  - {name: b, memory_cap: {knob: limit.a}}\n";
    let warning = "a second `memory_cap` of `limit.a`, the first is on line 4: the stricter one wins";
    let (code, said) = checked(Some(file), false);
    assert_eq!(code, 0);
    assert!(said.starts_with(&format!("warning: policy.yaml:5:5: {warning}\n")), "{said}");
    let (code, json) = checked(Some(file), true);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &rows[0]["severity"], &rows[0]["message"]), (0, &"warning".into(), &warning.into()));
}
