//! What must not be in any of our files: paths and hosts of whoever wrote it. A clone must mean the same everywhere.

use std::fs;
use std::path::Path;

/// Folders that are not ours.
const SKIPPED: &[&str] = &[".git", "target", "node_modules"];

/// Roots of somebody's own file tree. Split, so that this file passes its own test.
const PRIVATE_ROOTS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Marks of a package mirror.
const MIRRORS: &[&str] = &[
    concat!("art", "ifactory"),
    concat!("jf", "rog"),
    concat!("index", "-url"),
    concat!("replace", "-with"),
];

/// Calls `seen` with every file below `folder`, in a fixed order.
pub fn visit(folder: &Path, seen: &mut dyn FnMut(&Path)) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().expect("an entry has a name").to_string_lossy();
        if path.is_symlink() || SKIPPED.contains(&name.as_ref()) {
            continue;
        }
        if path.is_dir() { visit(&path, seen) } else { seen(&path) }
    }
}

/// The private marks in `text`. A root counts only where a path can start: `/proc/7/root/` is not private.
fn private_marks(text: &str) -> Vec<(usize, &'static str)> {
    let starts_path = |line: &str, at: usize| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.}>*".contains(c))
    };
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let roots = PRIVATE_ROOTS
            .iter()
            .filter(|root| line.match_indices(**root).any(|(at, _)| starts_path(line, at)));
        let lower = line.to_lowercase();
        let mirrors = MIRRORS.iter().filter(|mark| lower.contains(**mark));
        found.extend(roots.chain(mirrors).map(|mark| (number + 1, *mark)));
    }
    found
}

#[test]
fn no_file_names_a_private_path_or_mirror() {
    let (mut found, mut files) = (Vec::new(), 0);
    visit(&super::root(), &mut |path: &Path| {
        let Ok(text) = String::from_utf8(fs::read(path).unwrap()) else { return };
        files += 1;
        found.extend(
            private_marks(&text).into_iter().map(|(line, mark)| format!("{}:{line}: {mark}", path.display())),
        );
    });
    assert!(files > 30, "only {files} files seen");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_planted_private_path_is_found() {
    for root in PRIVATE_ROOTS {
        assert_eq!(private_marks(&format!("ok\nsee {root}somebody/notes.md")), [(2, *root)]);
        assert_eq!(private_marks(&format!("path = \"{root}x\"")), [(1, *root)]);
        assert_eq!(private_marks(&format!("/proc/7{root}sys, /proc/{{pid}}{root}sys")), []);
    }
    for mark in MIRRORS {
        assert_eq!(private_marks(&format!("https://mirror.{}/simple", mark.to_uppercase())), [(1, *mark)]);
    }
}

#[test]
fn every_locked_crate_comes_from_the_default_registry() {
    let lock = super::read("Cargo.lock");
    let sources: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
    assert!(!sources.is_empty());
    for source in sources {
        assert_eq!(source, "\"registry+https://github.com/rust-lang/crates.io-index\"");
    }
}

#[test]
fn the_architecture_stays_readable() {
    match fs::read_to_string(super::root().join("ARCHITECTURE.md")) {
        Ok(text) => assert!(text.lines().count() <= 250, "ARCHITECTURE.md is longer than 250 lines"),
        Err(error) => eprintln!("NOT CHECKED: ARCHITECTURE.md: {error}"),
    }
}
