//! Pressure stall information: `*.pressure` of a cgroup and `/proc/pressure/*`.
//!
//! Only `total=` is read. The averages follow a 2 s clock and show 18 % of a step after their first second; totals polled at the
//! loop's tick show a stall within a tick.

use super::scan::{ParseError, Problem, key_value, lines, store};
use std::time::Duration;

/// Accumulated stall time since the group was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Psi {
    /// Time in which at least one task waited.
    pub some: Duration,
    /// Time in which all tasks waited; `cpu` has no such line before Linux 5.13.
    pub full: Option<Duration>,
}

/// Parses a pressure file. Costs about 0.1 us.
///
/// # Errors
/// Without a whole `some` line with its `total=`, or when any line that is used is malformed.
pub fn psi(bytes: &[u8]) -> Result<Psi, ParseError> {
    let (mut some, mut full) = (None, None);
    for line in lines(bytes, "pressure")? {
        match key_value(line) {
            (b"some", rest) => total(&mut some, rest, "some total")?,
            (b"full", rest) => total(&mut full, rest, "full total")?,
            _ => {}
        }
    }
    let some = some.ok_or(Problem::Missing.at("some total"))?;
    Ok(Psi { some: Duration::from_micros(some), full: full.map(Duration::from_micros) })
}

fn total(slot: &mut Option<u64>, rest: &[u8], field: &'static str) -> Result<(), ParseError> {
    let mut seen = false;
    for token in rest.split(|byte| *byte == b' ') {
        if let Some(digits) = token.strip_prefix(b"total=") {
            store(slot, digits, field)?;
            seen = true;
        }
    }
    if seen { Ok(()) } else { Err(Problem::Missing.at(field)) }
}
