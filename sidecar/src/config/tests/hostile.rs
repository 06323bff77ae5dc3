//! Files that mean harm, or that a broken tool wrote: refused with a place inside them, at bounded cost.

use super::{HEAD, Position, assert_inside, parse, refusal, sound, with};
use crate::yaml::LARGEST;

/// Each must be refused, for one reason at least.
fn nasty() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let fill = |part: &str| part.repeat(LARGEST / part.len());
    let laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(b'b'..=b'i').fold(String::new(), |file, name| {
            let (name, before) = (name as char, (name - 1) as char);
            file + &format!("{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}]\n")
        });
    let stairs = (0..40).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
    let crowd = (0..300).map(|n| format!("  - {{name: p{n}, memory_cap: {{knob: limit.a}}}}\n"));
    let crowd = HEAD.to_owned() + &crowd.collect::<String>();
    let alias = "anchors and aliases are not supported";
    vec![
        ("nothing", vec![], "is empty"),
        ("one NUL", b"\0".to_vec(), "control character U+0000"),
        ("NULs, as a crash leaves them", vec![0; 4096], "control character U+0000"),
        ("a NUL in a value", with("memory_cap: {knob: \"limit.a\0\"}").into(), "control character U+0000"),
        (
            "an escape for the terminal",
            with("memory_cap: {knob: \u{1b}[31m}").into(),
            "control character U+001B",
        ),
        ("an escaped escape", with("memory_cap: {knob: \"\\e[31m\"}").into(), "name must be"),
        ("an escaped escape as a field", with("\"\\e[2J\": 1").into(), "needs one of"),
        ("text that runs backwards", with("memory_cap: {knob: \"\u{202e}\"}").into(), "name must be"),
        ("latin-1", b"name: caf\xe9\n".to_vec(), "not UTF-8: byte 0xe9"),
        ("a cut character", b"name: \xe2\x82".to_vec(), "not UTF-8: byte 0xe2"),
        ("half a surrogate", with("memory_cap: {knob: \"\\ud800\"}").into(), "while parsing"),
        ("UTF-16", b"\xff\xfev\0e\0r\0".to_vec(), "looks like UTF-16"),
        ("a binary", b"\x7fELF\x02\x01\x01\0\0".to_vec(), "control character U+007F"),
        ("too large", vec![b'#'; LARGEST + 1], "is larger than 256 KiB"),
        ("large and blank", fill(" ").into(), "is empty"),
        ("large and comments", fill("# a\n").into(), "is empty"),
        ("billion laughs", laughs.into(), alias),
        ("an alias of itself", with("memory_cap: &a {knob: *a}").into(), alias),
        ("an alias of nothing", with("memory_cap: {knob: *a}").into(), alias),
        ("an alias as a field", with("*a : 1").into(), alias),
        ("many anchors", fill("- &a 1\n").into(), alias),
        ("many tags", fill("- !!str 1\n").into(), "tags (`!name`) are not supported"),
        ("deep lists", fill("[").into(), "nested more than 16 deep"),
        ("deep maps", fill("{a: ").into(), "nested more than 16 deep"),
        ("deep block lists", fill("- ").into(), "nested more than 16 deep"),
        ("deep keys", fill("? ").into(), "nested more than 16 deep"),
        ("deep stairs", stairs.into(), "nested more than 16 deep"),
        ("a wide list", format!("[{}", fill("a,")).into_bytes()[..LARGEST].to_vec(), "more than 10000"),
        (
            "a wide map",
            (0..15_000).map(|n| format!("k{n}: 1\n")).collect::<String>().into(),
            "more than 10000",
        ),
        ("a long line", fill("x").into(), "expected a map"),
        ("a long name", with(&format!("{}: 1", "x".repeat(1000))).into(), "needs one of"),
        (
            "a long value",
            with(&format!("memory_cap: {{knob: {}}}", "x".repeat(5000))).into(),
            "the name of a knob",
        ),
        (
            "a long number",
            with(&format!("memory_cap: {{knob: limit.a, start: {}%}}", "9".repeat(500))).into(),
            "a percentage",
        ),
        (
            "a number beyond",
            with(&format!("breaker: {{knob: breaker.a, consecutive: {}}}", "9".repeat(100))).into(),
            "a whole number",
        ),
        ("a quote over all", format!("\"{}", fill("a\n")).into_bytes()[..LARGEST].to_vec(), "quote"),
        ("many documents", fill("---\n").into(), "a second document"),
        ("many ends", fill("...\n").into(), "is empty"),
        ("a policy too many", crowd.into(), "more than 256 policies"),
        ("JSON, cut", br#"{"version": "setpoint/v1", "policies": [{"na"#.to_vec(), "is never closed"),
        ("a template that was not filled in", with("memory_cap: {{ .Values.cap }}").into(), "a field's name"),
        ("a merge conflict", format!("<<<<<<< HEAD\n{HEAD}").into(), "not allowed here"),
    ]
}

#[test]
fn l4_a_hostile_file_is_refused_with_a_place_inside_it() {
    for (what, bytes, reason) in nasty() {
        let errors = parse(&bytes).expect_err(what);
        assert!(errors.problems().iter().any(|problem| problem.message.contains(reason)), "{what}: {errors}");
        assert!(errors.problems().len() <= 100 && errors.with_source().to_string().len() < 100_000, "{what}");
        assert_inside(&bytes, &errors);
    }
}

#[test]
fn every_cut_of_a_hostile_file_is_answered() {
    for (_, bytes, _) in nasty() {
        for end in 0..bytes.len().min(300) {
            sound(&bytes[..end]);
        }
    }
}

#[test]
fn what_is_shown_cannot_drive_a_terminal() {
    let file = with("\"\\e[2J\\u202e\\n\": 1\n    memory_cap: {knob: limit.a}");
    let said = parse(file.as_bytes()).expect_err("an unknown field").to_string();
    let name = r"unknown field `\u{1b}[2J\u{202e}\n`";
    assert_eq!(
        said,
        format!(
            "policy.yaml:5:5: {name}, expected one of name, adaptive_concurrency, memory_cap, scheduler_cap, breaker, \
             gc_target, heap_cap, heap_drain, parallelism"
        )
    );
}

#[test]
fn of_very_many_problems_the_first_hundred_are_told_and_the_others_counted() {
    let fields = (0..150).map(|n| format!("    x{n}: 1\n")).collect::<String>();
    let file = format!("{HEAD}  - name: a\n    memory_cap: {{knob: limit.a}}\n{fields}");
    let errors = parse(file.as_bytes()).expect_err("unknown fields");
    assert_eq!(errors.problems().len(), 100);
    assert_eq!(errors.problems()[99].at, Some(Position { line: 105, column: 5 }));
    assert!(errors.to_string().ends_with("\nand 50 more"), "{errors}");
}

#[test]
fn json_is_yaml() {
    let file = r#"{"version": "setpoint/v1", "name": "a", "policies":
        [{"name": "a", "memory_cap": {"knob": "limit.a", "start": "75"}}]}"#;
    assert_eq!(refusal(file), "2:67: `start`: unit missing: write 75%");
    assert!(parse(file.replace("75", "75%").as_bytes()).is_ok());
}
