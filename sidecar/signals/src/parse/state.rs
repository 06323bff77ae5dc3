//! `/proc/PID/task/TID/stat`, of which only the beginning is needed: whether a thread is stuck in the kernel.

use super::scan::{ParseError, Problem};

/// Bytes of the file that hold what is read here: a number, a name of at most 64 bytes in parentheses, a letter.
pub const STATE_WITHIN: usize = 128;

/// Whether a thread is in state D: it waits, and nothing can interrupt that (a disk, a network file system, memory that is read
/// back). The bytes may be cut short behind the state.
///
/// # Errors
/// Unless a letter by itself follows the name. The name may hold anything, parentheses too; no field after it does.
pub fn is_blocked(bytes: &[u8]) -> Result<bool, ParseError> {
    if bytes.is_empty() {
        return Err(Problem::Empty.at("stat"));
    }
    let name_ends = bytes.iter().rposition(|byte| *byte == b')').ok_or(Problem::Missing.at("name"))?;
    match &bytes[name_ends + 1..] {
        [b' ', state, b' ', ..] if state.is_ascii_alphabetic() => Ok(*state == b'D'),
        _ => Err(Problem::Missing.at("state")),
    }
}
