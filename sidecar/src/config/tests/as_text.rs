//! The words for a file that is wrong as a file: empty, not ours, not YAML. And places that stay right whatever its line ends.

use super::{HEAD, compare, parse, refusal, with};

#[test]
fn l4_a_wrong_file_is_named_with_its_place() {
    let empty = "1:1: the file is empty: to see without acting, write a policy with `mode: observe`";
    let policy = "policies: [{name: a, memory_cap: {knob: limit.a}}]\n";
    compare(&[
        ("empty", String::new(), empty),
        ("blank", " \n\n\r\n".to_owned(), empty),
        ("only comments", "# limits: none\n".to_owned(), empty),
        ("only a marker", "---\n".to_owned(), "1:4: the file: expected a map, found nothing"),
        ("a list", "- a\n".to_owned(), "1:1: the file: expected a map, found a list"),
        ("a text", "enforce\n".to_owned(), "1:1: the file: expected a map, found `enforce`"),
        (
            "another version",
            "version: setpoint/v2\nshape: unknown\n".to_owned(),
            "1:10: `version`: this sidecar reads `setpoint/v1`, found `setpoint/v2`",
        ),
        (
            "what is no version hides nothing",
            "version: v1\nname: a\nshape: unknown\n".to_owned(),
            "1:1: the file needs the field `policies`\n\
             1:10: `version`: this sidecar reads `setpoint/v1`, found `v1`\n\
             3:1: unknown field `shape`, expected one of version, name, defaults, policies",
        ),
        (
            "nothing needed is there",
            "defaults: {}\n".to_owned(),
            "1:1: the file needs the field `version`\n\
             1:1: the file needs the field `name`\n\
             1:1: the file needs the field `policies`",
        ),
        (
            "no policies",
            "version: setpoint/v1\nname: a\npolicies: []\n".to_owned(),
            "3:1: `policies`: the list is empty; to see without acting, write a policy and `mode: observe`",
        ),
        (
            "policies without a value",
            "version: setpoint/v1\nname: a\npolicies:\n".to_owned(),
            "3:1: `policies`: expected a list, found nothing",
        ),
        (
            "policies as a map",
            "version: setpoint/v1\nname: a\npolicies:\n  name: a\n".to_owned(),
            "3:1: `policies`: expected a list, found a map",
        ),
        (
            "defaults",
            format!(
                "version: setpoint/v1\nname: a\ndefaults: {{mode: enfroce, tick: 10ms, lease: {{ttl: 2s, hold: 2h, decay: 5}}}}\n{policy}"
            ),
            "3:18: `mode`: unknown mode `enfroce`, did you mean `enforce`?\n\
             3:33: `tick`: must be between 50ms and 1s\n\
             3:52: `ttl`: must be between 3s (three beats of 1s) and 5m\n\
             3:62: `hold`: must be at most 1h\n\
             3:73: `decay`: unit missing: write 5ms or 5s",
        ),
        (
            "a mode that is none",
            format!("version: setpoint/v1\nname: a\ndefaults: {{mode: off}}\n{policy}"),
            "3:18: `mode`: unknown mode `off`, expected enforce, shadow or observe",
        ),
        (
            "a later section",
            format!("version: setpoint/v1\nname: a\nsignals: {{}}\n{policy}"),
            "3:1: `signals`: not supported by this version: remove it, the signals are built in",
        ),
        (
            "a field of another level",
            format!("version: setpoint/v1\nname: a\ntick: 100ms\n{policy}"),
            "3:1: unknown field `tick`, expected one of version, name, defaults, policies",
        ),
        (
            "a second document",
            format!("version: setpoint/v1\nname: a\n{policy}---\nversion: setpoint/v1\n"),
            "4:1: a second document: a policy file holds one",
        ),
    ]);
}

#[test]
fn l4_broken_syntax_is_named_with_its_place() {
    compare(&[
        ("tabs", format!("{HEAD}\t- name: a\n"), "4:2: a tab cannot indent: use spaces"),
        (
            "an open brace",
            with("memory_cap: {knob: limit.a, start: 75%\n  - name: b"),
            "6:9: expected `,` or `}`: is the `{` of line 5 closed?",
        ),
        ("a brace too many", with("memory_cap: {knob: limit.a}}"), "5:32: this bracket closes nothing"),
        ("an open quote", "version: setpoint/v1\nname: \"a".to_owned(), "2:7: the quote is never closed"),
        (
            "an open quote, more lines",
            "version: setpoint/v1\nname: \"a\npolicies: []\n".to_owned(),
            "3:1: wrong indentation inside quotes: is the quote above closed?",
        ),
        (
            "indented too little",
            format!("{HEAD}  - name: a\n   memory_cap: {{knob: limit.a}}\n"),
            "5:4: wrong indentation: expected `- ` of the list above",
        ),
        (
            "indented too much",
            "version: setpoint/v1\n  name: a\n".to_owned(),
            "2:7: a `:` is not allowed here: wrong indentation?",
        ),
        ("cut in a list", format!("{HEAD}  - name: a\n    memory_cap: {{kn"), "5:17: `{` is never closed"),
        ("a directive", format!("%YAML 1.2\n---\n{HEAD}"), "1:1: directives (`%NAME`) are not supported"),
        (
            "anchors and aliases",
            with("memory_cap: &m {knob: &k limit.a, start: *s}\n  - name: b\n    memory_cap: *m"),
            "5:20: anchors and aliases are not supported: write the value out\n\
             5:30: anchors and aliases are not supported: write the value out\n\
             5:46: anchors and aliases are not supported: write the value out\n\
             7:17: anchors and aliases are not supported: write the value out",
        ),
        ("a tag", with("memory_cap: {knob: !!str limit.a}"), "5:30: tags (`!name`) are not supported"),
        (
            "keys that are no text",
            with("? [a]\n    : b\n    ~: c\n    memory_cap: {knob: limit.a}"),
            "5:7: a field's name must be a text\n7:5: a field's name must be a text",
        ),
        (
            "a repeated field, and a syntax error below",
            with("memory_cap: {knob: limit.a, knob: limit.b}\n  - name: \"b"),
            "5:33: a second field `knob`, the first is on line 5\n7:1: wrong indentation inside quotes: is the quote above closed?",
        ),
    ]);
}

#[test]
fn line_ends_and_a_byte_order_mark_do_not_move_a_place() {
    let file = with("memory_cap: {knob: limit.a, start: 75}");
    let said = "5:40: `start`: unit missing: write 75%";
    for same in
        [file.clone(), file.replace('\n', "\r\n"), file.replace('\n', "\r"), format!("\u{feff}{file}")]
    {
        assert_eq!(refusal(&same), said, "{same:?}");
        assert!(parse(same.replace("75}", "75%}").as_bytes()).is_ok(), "{same:?}");
    }
}

#[test]
fn columns_count_characters() {
    let file = "version: setpoint/v1\nname: \"ü€𝄞\"\n\"ü€𝄞\": 1\npolicies: [{name: a, memory_cap: {knob: limit.a}}]\n";
    let said = "2:7: `name`: a name has 1 to 64 characters of a-z 0-9 - _ .\n\
                3:1: unknown field `ü€𝄞`, expected one of version, name, defaults, policies";
    assert_eq!(refusal(file), said);
}
