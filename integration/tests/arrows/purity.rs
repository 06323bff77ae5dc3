//! `policies` is a function of its arguments: no clock, no I/O, no lock, no thread, no randomness.
//!
//! Clippy's bans (policies/clippy.toml) see types and methods; this scan of the words also sees what they cannot: a module
//! imported whole, an attribute, a `static mut`. Comments and string literals do not count, so prose may name the words.

use std::fs;
use std::path::Path;

/// Token sequences that may not occur. `rand` is a word of its own: `operand` is fine.
const FORBIDDEN: &[&str] = &[
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "rand",
    "tokio",
    "thread_local",
    "static mut",
    "std :: env",
    "std :: fs",
    "std :: net",
    "std :: process",
    "std :: thread",
];

/// The forbidden sequences in `source`, each with its line (from 1).
fn impurities(source: &str) -> Vec<(usize, &'static str)> {
    let tokens = flatten_std_groups(tokens(&code_only(source)));
    let words: Vec<&str> = tokens.iter().map(|(_, word)| word.as_str()).collect();
    let starts = |at: usize, sequence: &str| {
        sequence.split(' ').enumerate().all(|(ahead, part)| words.get(at + ahead) == Some(&part))
    };
    let mut found = Vec::new();
    for (at, (line, _)) in tokens.iter().enumerate() {
        found.extend(
            FORBIDDEN.iter().filter(|sequence| starts(at, sequence)).map(|sequence| (*line, *sequence)),
        );
    }
    found
}

/// Words, `::` and single marks, each with its line (from 1).
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = match first {
                _ if word > 0 => word,
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            found.push((number + 1, rest[..length].to_owned()));
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// Turns `std::{fs, time::Duration}` into `std::fs`, `std::time`, `std::Duration`: too many names, never too few.
fn flatten_std_groups(tokens: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let mut flat = Vec::with_capacity(tokens.len());
    let (mut depth, mut before) = (0_usize, [String::new(), String::new()]);
    for (line, token) in tokens {
        match token.as_str() {
            "{" if depth > 0 || before == ["std", "::"] => depth += 1,
            "}" if depth > 0 => depth -= 1,
            _ if depth > 0 => flat.extend(["std", "::", token.as_str()].map(|part| (line, part.to_owned()))),
            _ => flat.push((line, token.clone())),
        }
        before.rotate_left(1);
        before[1] = token;
    }
    flat
}

/// The source with comments and the contents of literals blanked; lines stay where they were.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match skipped(rest) {
            0 => {
                code.push(first);
                first.len_utf8()
            }
            length => {
                code.push(' ');
                code.extend(rest[..length].chars().filter(|c| *c == '\n'));
                length
            }
        };
        rest = &rest[length..];
    }
    code
}

/// The length of the comment or literal that `rest` starts with, 0 when it starts with code.
fn skipped(rest: &str) -> usize {
    let until =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return until(hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('"'), ..) => quoted(rest, '"'),
        (Some('\''), Some('\\'), _) | (Some('\''), Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, pair) in rest.as_bytes().windows(2).enumerate() {
        match pair {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return at + 2,
            b"*/" => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn policies_are_pure() {
    let mut found = Vec::new();
    super::hygiene::visit(&super::root().join("policies/src"), &mut |path: &Path| {
        let source = fs::read_to_string(path).unwrap();
        found.extend(
            impurities(&source).into_iter().map(|(line, word)| format!("{}:{line}: {word}", path.display())),
        );
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_planted_impurity_is_found() {
    let cases: &[(&str, &[(usize, &str)])] = &[
        ("fn f() {\n    let now = Instant::now();\n}", &[(2, "Instant")]),
        ("use std::time::{Duration, SystemTime};", &[(1, "SystemTime")]),
        ("use std::fs;", &[(1, "std :: fs")]),
        ("use std::{fmt, fs::File};", &[(1, "std :: fs")]),
        ("use std::{\n    sync::{Arc, Mutex},\n    thread,\n};", &[(2, "Mutex"), (3, "std :: thread")]),
        ("let a = std :: env :: var(\"A\");", &[(1, "std :: env")]),
        ("use std::net::IpAddr; use tokio::time;", &[(1, "std :: net"), (1, "tokio")]),
        ("static  mut COUNT: u64 = 0;", &[(1, "static mut")]),
        ("thread_local! { static A: u8 = 0; }", &[(1, "thread_local")]),
        ("let u = \"http://x\"; let x: u8 = rand::random();", &[(1, "rand")]),
        ("let c = '\"'; let l: RwLock<&'static str>;", &[(1, "RwLock")]),
        ("/* a /* nested */ comment */ use std::process;", &[(1, "std :: process")]),
        ("let s = r#\"a \" b\"#; std::thread::yield_now();", &[(1, "std :: thread")]),
    ];
    for (source, expected) in cases {
        assert_eq!(impurities(source), *expected, "{source}");
    }
}

#[test]
fn prose_and_longer_words_are_not_impure() {
    let cases = [
        "/// Never `Instant::now()`.\nfn f(operand: f64) {}",
        "/* std::fs and\n a Mutex */ fn f() {}",
        "let text = \"a Mutex \\\" and tokio\";",
        "let text = r\"SystemTime\";",
        "let brands = 1; // rand",
        "use std::{collections::BTreeMap, fmt}; mod env {}",
        "static NAME: &str = \"x\"; let mut a = 1;",
    ];
    for source in cases {
        assert_eq!(impurities(source), [], "{source}");
    }
}

#[test]
fn policies_repeat_every_ban_of_the_root() {
    let paths = |file: &str| -> Vec<String> {
        let quoted = |line: &str| Some(line.split_once("path = \"")?.1.split_once('"')?.0.to_owned());
        super::read(file).lines().filter_map(quoted).collect()
    };
    let (root, stricter) = (paths("clippy.toml"), paths("policies/clippy.toml"));
    assert!(root.len() > 5, "the root's bans were not found: {root:?}");
    for path in root {
        assert!(
            stricter.contains(&path),
            "policies/clippy.toml replaces the root's file but does not ban {path}"
        );
    }
}
