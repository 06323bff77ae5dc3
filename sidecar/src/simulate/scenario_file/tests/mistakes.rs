//! What is said about a mistake, and where.

use std::fmt::Write;

use super::{SHORT, refusal};

/// Each edit of a good file, and what is said about it.
const MISTAKES: [(&str, &str, &str); 49] = [
    ("version: setpoint/v1\n", "", "1:1: the file needs the field `version`"),
    ("setpoint/v1", "setpoint/v9", "1:10: `version`: expected `setpoint/v1`, found `setpoint/v9`"),
    ("kind: Scenario", "kind: Policy", "2:7: `kind`: expected `Scenario`, found `Policy`"),
    ("name: a", "name: a b", "3:7: `name`: a name has 1 to 64 characters of a-z A-Z 0-9 - _ ."),
    ("duration: 40s\n", "", "1:1: the file needs the field `duration`"),
    ("duration: 40s", "duration: 40", "4:11: `duration`: unit missing: write 40ms or 40s"),
    ("duration: 40s", "duration: 3h", "4:11: `duration`: must be between 100ms and 7200s"),
    (
        "duration",
        "duratoin",
        "1:1: the file needs the field `duration`\n4:1: unknown field `duratoin`, did you mean `duration`?",
    ),
    ("deadline:", "warm_up: 40s\ndeadline:", "6:10: `warm_up`: must end before the scenario does"),
    ("deadline:", "warm_up: 50s\ndeadline:", "6:10: `warm_up`: must be between 0ms and 40s"),
    ("deadline: 100ms\n", "", "1:1: the file needs one of deadline, classes"),
    ("deadline: 100ms", "deadline: 0ms", "6:11: `deadline`: must be between 1ms and 3600s"),
    (
        "server:",
        "classes: []\nserver:",
        "7:1: `classes` beside `deadline` on line 6: only one of them is allowed\n7:1: `classes`: must have 1 to 16 items",
    ),
    (
        "deadline: 100ms",
        "classes: [{name: a, share: 0.5, deadline: 1s}]",
        "6:1: `classes`: shares must sum to 1, found 0.5",
    ),
    (
        "deadline: 100ms",
        "classes: [{name: a, share: 1, deadline: 1s, priority: vip}]",
        "6:55: `priority`: unknown priority `vip`, expected critical, high, normal, low or background",
    ),
    (
        "deadline: 100ms",
        "classes: [{name: a, share: 1, deadline: 1s, size: 2}]",
        "6:45: unknown field `size`, expected one of name, share, priority, deadline, work",
    ),
    (
        "deadline: 100ms",
        "classes: [{name: a, share: 0.5, deadline: 1s}, {name: a, share: 0.5, deadline: 1s}]",
        "6:55: `name`: a second class `a`: names are unique",
    ),
    ("rate: 100", "rate: {every: 10s}", "5:11: `rate` needs the field `values`"),
    ("rate: 100", "rate: {every: 10s, values: [1, -2]}", "5:42: `values`: must be between 0 and 10000000"),
    (
        "rate: 100",
        "rate: {every: 10s, values: [1, 2, 3, 4, 5]}",
        "5:30: `values`: 5 values for 10s each are longer than the scenario",
    ),
    ("rate: 100", "rate: {every: 1ms, values: [1]}", "5:25: `every`: must be between 10ms and 3600s"),
    ("deadline:", "phases: [{at: 1s}]\ndeadline:", "6:15: `at`: the first must be 0s"),
    (
        "deadline:",
        "phases: [{at: 0s}, {at: 0s}]\ndeadline:",
        "6:25: `at`: must be later than the one before, 0ms",
    ),
    ("deadline:", "phases: [{at: 0s}, {at: 50s}]\ndeadline:", "6:25: `at`: must be between 0ms and 40s"),
    ("deadline:", "phases: [{at: 0s, kind: 300}]\ndeadline:", "6:25: `kind`: must be between 0 and 255"),
    ("deadline:", "phases: {at: 0s}\ndeadline:", "6:1: `phases`: expected a list, found a map"),
    ("rate: 100", "", "5:1: `clients` needs the field `rate`"),
    ("rate: 100", "rate: -1", "5:17: `rate`: must be between 0 and 10000000"),
    ("rate: 100", "rate: 1e3", "5:17: `rate`: expected a number such as 50, found `1e3`"),
    ("rate: 100", "rate: []", "5:11: `rate`: must have 1 to 2000 items"),
    (
        "rate: 100",
        "rate: [100, 200]",
        "5:18: an item of `rate`: expected a map, found `100`\n5:23: an item of `rate`: expected a map, found `200`",
    ),
    ("rate: 100", "rate: [{at: 0s}]", "5:18: an item of `rate` needs the field `value`"),
    (
        "rate: 100",
        "rate: 5000000",
        "5:11: `rate`: up to 200 million calls, with bursts, modulation and retries: at most 100 million are simulated",
    ),
    (
        "rate: 100",
        "rate: 1000000, retries: {attempts: 3, backoff: 1s}",
        "5:11: `rate`: up to 120 million calls, with bursts, modulation and retries: at most 100 million are simulated",
    ),
    (
        "rate: 100",
        "rate: 1, retries: {attempts: 1.5, backoff: 1s}",
        "5:40: `attempts`: must be a whole number",
    ),
    (
        "rate: 100",
        "rate: 1, bursts: {every: 1s, length: 2s, rate: 5}",
        "5:48: `length`: must not exceed `every`",
    ),
    (
        "rate: 100",
        "rate: 1, modulation: {factor: 2, high: 0s, low: 1s}",
        "5:50: `high`: must be between 1ms and 7200s",
    ),
    ("rate: 100", "rate: 1, even: yes", "5:26: `even`: expected true or false, found `yes`"),
    ("workers: 4", "workers: 0", "7:19: `workers`: must be between 1 and 100000"),
    (
        "workers: 4",
        "workers: 4, discipline: lifo",
        "7:34: `discipline`: expected fifo, processor_sharing or {usl: ...}, found `lifo`",
    ),
    ("workers: 4", "workers: 4, discipline: {usl: {sigma: 1}}", "7:35: `usl` needs the field `kappa`"),
    (
        "workers: 4",
        "workers: 4, pauses: {length: 1s, every: 1s}",
        "7:39: `length`: must be less than `every`",
    ),
    ("{exponential: 10ms}", "10ms", "7:22: `work`: expected a map, found `10ms`"),
    ("{exponential: 10ms}", "{fixed: 0s}", "7:22: `work`: must take 1us at least, on average"),
    (
        "{exponential: 10ms}",
        "{gamma: 1s}",
        "7:22: `work` needs one of fixed, exponential, erlang, lognormal, mixture\n7:29: unknown field `gamma`, expected one of fixed, exponential, erlang, lognormal, mixture",
    ),
    (
        "{exponential: 10ms}",
        "{mixture: [{share: 0.5, of: {fixed: 1ms}}]}",
        "7:29: `mixture`: shares must sum to 1, found 0.5",
    ),
    (
        "deadline:",
        "instances: [0.5, half]\ndeadline:",
        "6:1: `instances`: shares must sum to 1, found 0.5\n6:18: `instances`: expected a share such as 0.3 or 30%, found `half`",
    ),
    ("deadline:", "link: {loss: 200%}\ndeadline:", "6:14: `loss`: must be between 0% and 100%"),
    (
        "deadline:",
        "limit: {min: 5, max: 4, initial: 9}\ndeadline:",
        "6:22: `max`: min <= initial <= max must hold\n6:34: `initial`: min <= initial <= max must hold",
    ),
];

#[test]
fn every_mistake_is_named_with_its_place() {
    let mut different = String::new();
    for (from, to, expected) in MISTAKES {
        assert!(SHORT.contains(from), "{from}");
        let file = SHORT.replacen(from, to, 1);
        let said = refusal(&file);
        if said != expected {
            writeln!(different, "--- {from} -> {to}\n  expected\n{expected}\n  said\n{said}").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}
