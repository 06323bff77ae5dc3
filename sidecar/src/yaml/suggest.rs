//! "Did you mean": the known name that is closest to what was written.

/// Longer words are not compared, so that a hostile file costs nothing.
const LONGEST: usize = 40;

/// The name out of `known` that `written` is most likely a misspelling of, if one is close enough.
pub(crate) fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > LONGEST {
        return None;
    }
    let written = plain(written);
    let allowed = (written.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(&written, &plain(name)), name))
        .filter(|(distance, name)| *distance <= allowed && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `latencyBudget`, `latency-budget` and `latency_budget` are the same mistake.
fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_name_and_others_find_none() {
        let known = ["knob", "min", "max", "initial", "latency_budget"];
        for (written, name) in [
            ("mni", Some("min")),
            ("Max", Some("max")),
            ("inital", Some("initial")),
            ("latencyBudget", Some("latency_budget")),
            ("latency-bugdet", Some("latency_budget")),
            ("knobs", Some("knob")),
            ("window", None),
            ("x", None),
            ("", None),
            ("minminminminminminminminminminminminminmin", None),
        ] {
            assert_eq!(closest(written, known), name, "{written}");
        }
    }

    #[test]
    fn a_swap_of_neighbours_is_one_mistake() {
        let count = |a: &str, b: &str| distance(&plain(a), &plain(b));
        assert_eq!(
            [count("min", "mni"), count("min", "max"), count("", "abc"), count("abc", "abc")],
            [1, 2, 3, 0]
        );
    }
}
