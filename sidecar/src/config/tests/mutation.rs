//! Whatever the bytes are, the answer is a sound set or places inside the file, and never a panic.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{sound, with};

const PRESET: &str = include_str!("../../../../policies/presets/default.yaml");

/// The same cases in every run; more of them with `PROPTEST_CASES`.
fn seeded() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default() }
}

/// One edit of the preset, as a slip of the hand or a broken tool makes it.
#[derive(Debug, Clone)]
enum Edit {
    Remove(usize, usize),
    Insert(usize, char),
    Replace(usize, char),
    RepeatLine(usize),
    RemoveLine(usize),
    IndentLine(usize, usize),
    Cut(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let any_char = || {
        prop_oneof![
            4 => proptest::sample::select("{}[]:,-?&*!|>'\"%@#`~<. \n\r\t0159aemsxZ_\u{0}\u{feff}\u{85}ü€".chars().collect::<Vec<_>>()),
            1 => any::<char>(),
        ]
    };
    let place = || 0..PRESET.len();
    prop_oneof![
        (place(), 1..40usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (place(), any_char()).prop_map(|(at, c)| Edit::Insert(at, c)),
        (place(), any_char()).prop_map(|(at, c)| Edit::Replace(at, c)),
        place().prop_map(Edit::RepeatLine),
        place().prop_map(Edit::RemoveLine),
        (place(), 0..8usize).prop_map(|(at, width)| Edit::IndentLine(at, width)),
        place().prop_map(Edit::Cut),
    ]
}

fn edited(file: &str, edit: &Edit) -> String {
    let chars: Vec<char> = file.chars().collect();
    let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
    let line = |at: &usize| at % lines.len().max(1);
    let spot = |at: &usize| at % chars.len().max(1);
    let joined =
        |before: &[char], new: &[char], after: &[char]| [before, new, after].concat().into_iter().collect();
    if chars.is_empty() {
        return String::new();
    }
    match edit {
        Edit::Remove(at, length) => {
            let at = spot(at);
            joined(&chars[..at], &[], &chars[(at + length).min(chars.len())..])
        }
        Edit::Insert(at, c) => joined(&chars[..spot(at)], &[*c], &chars[spot(at)..]),
        Edit::Replace(at, c) => joined(&chars[..spot(at)], &[*c], &chars[spot(at) + 1..]),
        Edit::Cut(at) => joined(&chars[..spot(at)], &[], &[]),
        Edit::RepeatLine(at) => {
            let at = line(at);
            lines.insert(at, lines[at].clone());
            lines.join("\n")
        }
        Edit::RemoveLine(at) => {
            lines.remove(line(at));
            lines.join("\n")
        }
        Edit::IndentLine(at, width) => {
            let at = line(at);
            lines[at] = format!("{}{}", " ".repeat(*width), lines[at].trim_start());
            lines.join("\n")
        }
    }
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn l4_an_edited_preset_loads_or_is_refused_with_a_place_inside_it(edits in proptest::collection::vec(edit(), 1..5)) {
        let file = edits.iter().fold(PRESET.to_owned(), |file, edit| edited(&file, edit));
        sound(file.as_bytes());
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        sound(&bytes);
    }

    #[test]
    fn any_yaml_is_answered(file in "[\\[\\]{}:,?&*!|>'\"%@#~a-c0-2 \\n\\r\\t-]{0,300}") {
        sound(file.as_bytes());
        sound(with(&file).as_bytes());
    }

    #[test]
    fn any_value_is_answered(
        field in "knob|start|full|floor|above|window|fixed|[a-z]{1,8}",
        value in "[-+]?[0-9.]{0,6}[a-z%]{0,3}|\\PC{0,30}",
    ) {
        sound(with(&format!("memory_cap: {{knob: limit.a, {field}: {value}}}")).as_bytes());
        sound(with(&format!("breaker:\n      knob: breaker.a\n      failure_rate: {{{field}: {value:?}}}")).as_bytes());
    }
}
