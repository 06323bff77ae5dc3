//! Whatever the bytes are, the answer is a sound scenario or places inside the file, and never a panic.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{FULL, SHORT, sound};

/// The same cases in every run; more of them with `PROPTEST_CASES`.
fn seeded() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default() }
}

/// What is put in the place of some characters.
fn patch() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        proptest::sample::select(vec![
            "0",
            "-1",
            "9999999999",
            "0.0001",
            "1us",
            "24h",
            "[]",
            "{}",
            "~",
            "*a",
            "&a",
            ": ",
            "\n",
            "  ",
            "at",
            "value",
            "work",
            "{at: 0s, value: 1}",
            "inf",
            "NaN",
            "\u{0}",
            "ü",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,5}",
    ]
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn an_edited_scenario_is_sound_or_refused(
        edits in proptest::collection::vec((0..FULL.len(), 0..12usize, patch()), 1..4),
        short in any::<bool>(),
    ) {
        let mut chars: Vec<char> = if short { SHORT } else { FULL }.chars().collect();
        for (at, length, patch) in edits {
            let at = at % (chars.len() + 1);
            let end = (at + length).min(chars.len());
            chars.splice(at..end, patch.chars());
        }
        sound(chars.into_iter().collect::<String>().as_bytes());
    }

    #[test]
    fn a_number_anywhere_is_sound_or_refused(which in 0..60usize, number in "[-+]?[0-9]{1,12}(\\.[0-9]{1,9})?(us|ms|s|m|h|%)?") {
        let places: Vec<_> = FULL.match_indices(|c: char| c.is_ascii_digit()).collect();
        let (at, _) = places[which % places.len()];
        let end = FULL[at..].find([',', '}', ']', '\n']).map_or(FULL.len(), |end| at + end);
        sound(format!("{}{number}{}", &FULL[..at], &FULL[end..]).as_bytes());
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        sound(&bytes);
    }
}
