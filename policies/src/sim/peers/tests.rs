use super::*;

#[test]
fn names_are_unique_and_in_kebab_case() {
    let mut names: Vec<&str> = all().iter().map(|peer| peer.name).collect();
    assert!(
        names
            .iter()
            .all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all().len());
}
