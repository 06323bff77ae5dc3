//! `/proc/meminfo`: what the node has and what it could still give.

use super::scan::{ParseError, Problem, key_value, lines, store};

/// The two lines of meminfo that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemInfo {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`: what can be had without swapping; absent before Linux 3.14.
    pub available_bytes: Option<u64>,
}

/// Parses meminfo.
///
/// # Errors
/// Without `MemTotal`, or when a line that is used is not `digits kB`.
pub fn meminfo(bytes: &[u8]) -> Result<MemInfo, ParseError> {
    let (mut total, mut available) = (None, None);
    for line in lines(bytes, "meminfo")? {
        match key_value(line) {
            (b"MemTotal:", rest) => kilobytes(&mut total, rest, "MemTotal")?,
            (b"MemAvailable:", rest) => kilobytes(&mut available, rest, "MemAvailable")?,
            _ => {}
        }
    }
    let total_bytes = total.ok_or(Problem::Missing.at("MemTotal"))?;
    Ok(MemInfo { total_bytes, available_bytes: available })
}

fn kilobytes(slot: &mut Option<u64>, rest: &[u8], field: &'static str) -> Result<(), ParseError> {
    let digits = rest.trim_ascii_start().strip_suffix(b" kB").ok_or(Problem::Unit.at(field))?;
    store(slot, digits, field)?;
    *slot = match *slot {
        Some(value) => Some(value.checked_mul(1024).ok_or(Problem::Overflow.at(field))?),
        None => None,
    };
    Ok(())
}
