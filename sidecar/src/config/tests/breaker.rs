//! What a breaker's section says when it is wrong, word for word; and the presets, run.

use super::*;

mod presets;

fn breaker(fields: &str) -> String {
    with(&format!("breaker: {{knob: breaker.a, {fields}}}"))
}

#[test]
fn l4_a_breaker_out_of_range_is_named_with_its_place() {
    compare(&[
        (
            "rates",
            breaker("failure_rate: {above: 0.5%, window: 1h}"),
            "5:54: `above`: must be between 1% and 100%\n\
             5:68: `window`: must be between 1s and 10m",
        ),
        (
            "windows in a row",
            breaker("failure_rate: {above: 50%, in_a_row: 11}"),
            "5:69: `in_a_row`: must be between 1 and 10",
        ),
        (
            "hits of windows",
            breaker("failure_rate: {above: 50%, hits: 4, of: 3}"),
            "5:65: `hits`: must be at least 1 and at most of",
        ),
        (
            "certainty",
            breaker("slow_call_rate: {above: 5%, slower_than: 1s, minimum_calls: 0, confidence: 101%}"),
            "5:92: `minimum_calls`: must be between 1 and 1000000\n\
             5:107: `confidence`: must be between 0% and 100%",
        ),
        (
            "count windows",
            breaker("failure_rate: {above: 50%, calls: 5}"),
            "5:66: `calls`: must be between 10 and 1000000",
        ),
        (
            "slow calls",
            breaker("slow_call_rate: {above: 5%, slower_than: 1h}"),
            "5:73: `slower_than`: must be between 1ms and 10m",
        ),
        (
            "slow calls in other words",
            breaker("slow_call_rate: {p95_above: 1us}"),
            "5:60: `p95_above`: must be between 1ms and 10m",
        ),
        (
            "waits",
            breaker("consecutive: 3, probe: {exponential: {base: 1ms, jitter: 80%}}"),
            "5:76: `base`: must be between 100ms and 1h\n\
             5:89: `jitter`: must be between 0% and 50%",
        ),
        (
            "probes",
            breaker("consecutive: 3, half_open: {concurrent: 9, probes: 101, deadline: 1ms, patience: 2h}"),
            "5:72: `concurrent`: must be between 1 and 8\n\
             5:83: `probes`: must be between 1 and 100\n\
             5:98: `deadline`: must be between 10ms and 10m\n\
             5:113: `patience`: must be between 100ms and 1h",
        ),
        (
            "more successes than probes",
            breaker("consecutive: 3, half_open: {probes: 5}"),
            "5:68: `successes`: must be at least 1 and at most probes, and is 8 by default",
        ),
        ("ramp", breaker("consecutive: 3, ramp: 1h"), "5:54: `ramp`: must be between 0s and 10m"),
        (
            "set",
            breaker("consecutive: 3, set: {name: pay, max_open: 0%}"),
            "5:75: `max_open`: must be between 1% and 100%",
        ),
    ]);
}

#[test]
fn l4_what_a_breaker_lacks_or_says_twice_is_named_with_its_place() {
    compare(&[
        (
            "nothing to trip it",
            breaker("ramp: 1s"),
            "5:5: a breaker needs consecutive, failure_rate or slow_call_rate",
        ),
        (
            "nothing to tell in shadow",
            breaker("mode: shadow"),
            "5:5: a breaker needs consecutive, failure_rate or slow_call_rate",
        ),
        (
            "a mode that is none",
            breaker("consecutive: 3, mode: forced-open"),
            "5:54: `mode`: unknown mode `forced-open`, did you mean `forced_open`?",
        ),
        (
            "another mode that is none",
            breaker("consecutive: 3, mode: 7"),
            "5:54: `mode`: unknown mode `7`, expected enforce, shadow, disabled or forced_open",
        ),
        (
            "a slow call rate without its latency",
            breaker("slow_call_rate: {above: 5%}"),
            "5:32: `slow_call_rate` needs the field `slower_than`",
        ),
        (
            "a latency twice",
            breaker("slow_call_rate: {p95_above: 1s, above: 5%, slower_than: 2s}"),
            "5:64: `above`: beside `p95_above`: only one of them is allowed\n\
             5:75: `slower_than`: beside `p95_above`: only one of them is allowed",
        ),
        (
            "two lengths",
            breaker("failure_rate: {above: 5%, window: 10s, calls: 100}"),
            "5:58: `window`: beside `calls`: only one of them is allowed",
        ),
        (
            "two numbers of windows",
            breaker("failure_rate: {above: 5%, in_a_row: 2, hits: 2, of: 3}"),
            "5:58: `in_a_row`: beside `of`: only one of them is allowed",
        ),
        (
            "hits of nothing",
            breaker("failure_rate: {above: 5%, hits: 2}"),
            "5:32: `failure_rate` needs the field `of`",
        ),
        (
            "nothing of windows",
            breaker("failure_rate: {above: 5%, of: 2}"),
            "5:32: `failure_rate` needs the field `hits`",
        ),
        (
            "a set without a share",
            breaker("consecutive: 3, set: {name: pay}"),
            "5:48: `set` needs the field `max_open`",
        ),
        (
            "a field of long ago",
            breaker("consecutive: 3, probes: 3"),
            "5:48: unknown field `probes`, did you mean `probe`?",
        ),
        (
            "everything at once",
            breaker(
                "mode: on, consecutive: 0, ramp: 1h, failure_rate: {above: 200%}, half_open: {succeses: 3}",
            ),
            "5:38: `mode`: unknown mode `on`, expected enforce, shadow, disabled or forced_open\n\
             5:55: `consecutive`: must be between 1 and 10000\n\
             5:90: `above`: must be between 0% and 100%\n\
             5:109: unknown field `succeses`, did you mean `successes`?",
        ),
    ]);
}

#[test]
fn a_mode_that_judges_nothing_needs_no_rule() {
    for mode in ["disabled", "forced_open"] {
        assert!(parse(breaker(&format!("mode: {mode}")).as_bytes()).is_ok(), "{mode}");
    }
}

#[test]
fn p95_above_says_the_same_in_other_words() {
    let [short, long] = ["{p95_above: 800ms, window: 30s}", "{above: 5%, slower_than: 800ms, window: 30s}"]
        .map(|rate| {
            parse(breaker(&format!("slow_call_rate: {rate}")).as_bytes()).expect("sound").set.policies.clone()
        });
    assert_eq!(short, long);
}
