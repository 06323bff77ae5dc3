use std::fmt::Write;

use super::*;
use crate::yaml::{Position, lines};

mod as_text;
mod breaker;
mod golden;
mod guards;
mod hostile;
mod mutation;
mod presets;
mod rates;
mod shipped;

/// Line 1 to 3 of a file whose policies follow.
const HEAD: &str = "version: setpoint/v1\nname: checkout\npolicies:\n";

/// The file with one policy, whose controller stands on line 5.
fn with(controller: &str) -> String {
    format!("{HEAD}  - name: a\n    {controller}\n")
}

/// What a file is refused for, one problem a line, without the file's name.
fn refusal(file: &str) -> String {
    match parse(file.as_bytes()) {
        Ok(loaded) => format!("accepted: {:?}", loaded.set),
        Err(errors) => errors.to_string().replace("policy.yaml:", ""),
    }
}

/// The controllers as they are listed in messages.
fn all_controllers() -> String {
    controllers::CONTROLLERS.map(|(name, _)| name).join(", ")
}

/// Compares all cases, so that a change of wording shows whole. `CONTROLLERS` stands for the list of them.
fn compare(cases: &[(&str, String, &str)]) {
    let mut different = String::new();
    for (what, file, expected) in cases {
        let said = refusal(file).replace(&all_controllers(), "CONTROLLERS");
        if said != *expected {
            writeln!(different, "--- {what}\n{file}\n  expected\n{expected}\n  said\n{said}").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}

/// Asserts that every place of a refusal exists in the file, and that they are in order.
fn assert_inside(bytes: &[u8], errors: &Problems) {
    let file = String::from_utf8_lossy(bytes);
    let lines = lines(&file);
    assert!(!errors.problems().is_empty());
    assert!(errors.problems().is_sorted_by_key(|problem| problem.at), "{errors}");
    for problem in errors.problems() {
        assert!(!problem.message.is_empty() && problem.message.chars().all(|c| !c.is_control()), "{problem}");
        let Some(Position { line, column }) = problem.at else { continue };
        let found = lines.get(line as usize - 1).unwrap_or_else(|| panic!("no such line: {problem}\n{file}"));
        assert!(
            (1..=found.chars().count() + 1).contains(&(column as usize)),
            "no such column: {problem}\n{file}"
        );
    }
}

/// The answer to any bytes is a sound set, or places inside the file.
fn sound(bytes: &[u8]) {
    match parse(bytes) {
        Ok(loaded) => {
            let set = &loaded.set;
            assert!(!set.policies.is_empty(), "never \"no limits\"");
            assert_eq!(loaded.parameters.len(), set.policies.len());
            assert_eq!(set.revision.len(), 64);
            let names: std::collections::BTreeSet<_> =
                set.policies.iter().map(|policy| &policy.name).collect();
            assert_eq!(names.len(), set.policies.len());
        }
        Err(errors) => {
            assert_inside(bytes, &errors);
            assert!(!errors.with_source().to_string().is_empty());
        }
    }
}
