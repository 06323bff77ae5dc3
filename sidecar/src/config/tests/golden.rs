//! The words for every mistake in a policy. An operator reads them at night: change them with care.

use super::{HEAD, compare, parse, with};

#[test]
fn l4_a_wrong_value_is_named_with_its_place() {
    compare(&[
        ("no unit", with("memory_cap: {knob: limit.a, start: 75}"), "5:40: `start`: unit missing: write 75%"),
        (
            "a share",
            with("memory_cap: {knob: limit.a, full: 0.9}"),
            "5:39: `full`: unit missing: write 90%, or 0.9% if you mean that",
        ),
        (
            "wrong unit",
            with("memory_cap: {knob: limit.a, floor: 30 percent}"),
            "5:40: `floor`: unknown unit `percent`, expected one of %",
        ),
        (
            "wrong kind of unit",
            with("scheduler_cap: {knob: limit.a, run_delay: 5%}"),
            "5:47: `run_delay`: unknown unit `%`, expected one of us, ms, s, m, h",
        ),
        (
            "no unit of time",
            with("scheduler_cap: {knob: limit.a, run_delay: 5}"),
            "5:47: `run_delay`: unit missing: write 5ms or 5s",
        ),
        (
            "out of range",
            with("scheduler_cap: {knob: limit.a, run_delay: 1us}"),
            "5:47: `run_delay`: must be between 100us and 10s",
        ),
        (
            "negative",
            with("adaptive_concurrency: {knob: limit.a, min: -4}"),
            "5:48: `min`: must be between 1 and 1000000",
        ),
        (
            "not a number",
            with("adaptive_concurrency: {knob: limit.a, min: .nan, max: 1e3, initial: four}"),
            "5:48: `min`: expected a number such as 50, found `.nan`\n\
             5:59: `max`: expected a number such as 50, found `1e3`\n\
             5:73: `initial`: expected a number such as 50, found `four`",
        ),
        (
            "wrong type",
            with("adaptive_concurrency: {knob: limit.a, min: \"4\", max: [1], initial: {a: 1}}"),
            "5:48: `min`: expected a number such as 50, found the text `4`\n\
             5:58: `max`: expected a number such as 50, found a list\n\
             5:72: `initial`: expected a number such as 50, found a map",
        ),
        (
            "no value",
            with("memory_cap: {knob: limit.a, start: , full: ~, floor: null}"),
            "5:33: `start`: expected a percentage such as 75%, found nothing\n\
             5:42: `full`: expected a percentage such as 75%, found nothing\n\
             5:51: `floor`: expected a percentage such as 75%, found nothing",
        ),
        (
            "a count that is none",
            with("breaker: {knob: breaker.a, consecutive: 2.5, half_open: {probes: -1}}"),
            "5:45: `consecutive`: expected a whole number such as 3, found `2.5`\n\
             5:70: `probes`: expected a whole number such as 3, found `-1`",
        ),
        (
            "max below min",
            with("adaptive_concurrency: {knob: limit.a, min: 100, max: 50}"),
            "5:58: `max`: must be at most 1000000 and at least min",
        ),
        (
            "min above the default of max",
            with("adaptive_concurrency: {knob: limit.a, min: 3000}"),
            "5:48: `max`: must be at most 1000000 and at least min, and is 2000 by default",
        ),
        (
            "initial outside",
            with("adaptive_concurrency: {knob: limit.a, initial: 2}"),
            "5:52: `initial`: must be between min and max",
        ),
        (
            "two rules broken",
            with("memory_cap: {knob: limit.a, start: 95%, full: 90%, floor: 0%}"),
            "5:51: `full`: must be at most 100% and above start\n\
             5:63: `floor`: must be between 1% and 100%",
        ),
        (
            "knob of another kind",
            with("breaker: {knob: limit.a, consecutive: 3}"),
            "5:21: `knob`: `breaker` moves a knob named `breaker.NAME`, found `limit.a`",
        ),
        (
            "knob without a name",
            with("memory_cap: {knob: limit.}"),
            "5:24: `knob`: `memory_cap` moves a knob named `limit.NAME` or `memory.NAME`, found `limit.`",
        ),
        (
            "knob that is no name",
            with("memory_cap: {knob: limit a}"),
            "5:24: `knob`: name must be 1 to 128 bytes of a-z A-Z 0-9 . _ - /",
        ),
        (
            "fixed wait",
            with("breaker: {knob: breaker.a, consecutive: 3, probe: {fixed: {wait: 2h}}}"),
            "5:70: `wait`: must be between 100ms and 1h",
        ),
    ]);
}

#[test]
fn l4_a_wrong_field_is_named_with_its_place() {
    compare(&[
        (
            "misspelt",
            with("memory_cap: {knob: limit.a, strat: 75%, Floor: 30%, ful-l: 90%}"),
            "5:33: unknown field `strat`, did you mean `start`?\n\
             5:45: unknown field `Floor`, did you mean `floor`?\n\
             5:57: unknown field `ful-l`, did you mean `full`?",
        ),
        (
            "unknown",
            with("memory_cap: {knob: limit.a, window: 3s}"),
            "5:33: unknown field `window`, expected one of knob, start, full, floor",
        ),
        ("missing", with("memory_cap: {start: 75%}"), "5:5: `memory_cap` needs the field `knob`"),
        (
            "missing in a section",
            with("breaker: {knob: breaker.a, failure_rate: {window: 30s}}"),
            "5:32: `failure_rate` needs the field `above`",
        ),
        (
            "repeated",
            with("memory_cap: {knob: limit.a, knob: limit.b}"),
            "5:33: a second field `knob`, the first is on line 5",
        ),
        (
            "nothing to trip it",
            with("breaker: {knob: breaker.a}"),
            "5:5: a breaker needs consecutive, failure_rate or slow_call_rate",
        ),
        (
            "no way to probe",
            with("breaker: {knob: breaker.a, consecutive: 3, probe: {}}"),
            "5:48: `probe` needs one of exponential, fixed",
        ),
        (
            "two ways to probe",
            with("breaker: {knob: breaker.a, consecutive: 3, probe: {fixed: {wait: 1s}, exponential: {}}}"),
            "5:75: `exponential` beside `fixed` on line 5: only one of them is allowed",
        ),
        (
            "a section that is none",
            with("breaker: {knob: breaker.a, failure_rate: 65%}"),
            "5:32: `failure_rate`: expected a map, found `65%`",
        ),
        (
            "a merge key",
            with("<<: {a: b}\n    memory_cap: {knob: limit.a}"),
            "5:5: unknown field `<<`, expected one of name, CONTROLLERS",
        ),
    ]);
}

#[test]
fn l4_a_wrong_policy_is_named_with_its_place() {
    compare(&[
        ("no controller", format!("{HEAD}  - name: a\n"), "4:5: policy `a` needs one of CONTROLLERS"),
        (
            "misspelt controller",
            with("memroy_cap: {knob: limit.a}"),
            "5:5: unknown field `memroy_cap`, did you mean `memory_cap`?",
        ),
        (
            "two controllers",
            with("memory_cap: {knob: limit.a}\n    breaker: {knob: limit.a}"),
            "6:5: `breaker` beside `memory_cap` on line 5: only one of them is allowed\n\
             6:21: `knob`: `breaker` moves a knob named `breaker.NAME`, found `limit.a`",
        ),
        (
            "wrong indentation",
            with("memory_cap:\n    knob: limit.a"),
            "5:5: `memory_cap`: expected a map, found nothing\n\
             6:5: unknown field `knob`, expected one of name, CONTROLLERS",
        ),
        (
            "duplicate name",
            with("memory_cap: {knob: limit.a}\n  - name: a\n    memory_cap: {knob: limit.b}"),
            "6:11: `name`: a second policy `a`, the first is on line 4",
        ),
        (
            "bad names",
            format!(
                "{HEAD}  - name: A\n    memory_cap: {{knob: limit.a}}\n  - memory_cap: {{knob: limit.a}}\n"
            ),
            "4:11: `name`: a name has 1 to 64 characters of a-z 0-9 - _ .\n\
             6:5: the policy needs the field `name`",
        ),
        ("no map", format!("{HEAD}  - inbound\n"), "4:5: the policy: expected a map, found `inbound`"),
    ]);
}

#[test]
fn l4_all_errors_of_a_file_are_told_at_once_in_order_and_with_their_lines() {
    let file = "\
version: setpoint/v1
nmae: checkout
policies:
  - name: inbound
    adaptive_concurrency: {knob: limit.inbound, min: 100, max: 50}
  - name: memory
    memory_cap:
      knob: limit.inbound
      start: 75
  - name: inbound
    breaker: {knob: breaker.db, failure_rate: {above: 65%, windwo: 60s}, consecutive: 0}
defaults: {tick: 5ms}
";
    let said = parse(file.as_bytes()).expect_err("it is full of errors").with_source().to_string();
    let expected = "\
policy.yaml:1:1: the file needs the field `name`
    1 | version: setpoint/v1
      | ^
policy.yaml:2:1: unknown field `nmae`, did you mean `name`?
    2 | nmae: checkout
      | ^
policy.yaml:5:64: `max`: must be at most 1000000 and at least min
    5 |     adaptive_concurrency: {knob: limit.inbound, min: 100, max: 50}
      |                                                                ^
policy.yaml:9:14: `start`: unit missing: write 75%
    9 |       start: 75
      |              ^
policy.yaml:10:11: `name`: a second policy `inbound`, the first is on line 4
   10 |   - name: inbound
      |           ^
policy.yaml:11:60: unknown field `windwo`, did you mean `window`?
   11 |     breaker: {knob: breaker.db, failure_rate: {above: 65%, windwo: 60s}, consecutive: 0}
      |                                                            ^
policy.yaml:11:87: `consecutive`: must be between 1 and 10000
   11 |     breaker: {knob: breaker.db, failure_rate: {above: 65%, windwo: 60s}, consecutive: 0}
      |                                                                                       ^
policy.yaml:12:18: `tick`: must be between 50ms and 1s
   12 | defaults: {tick: 5ms}
      |                  ^";
    assert_eq!(said, expected);
}
