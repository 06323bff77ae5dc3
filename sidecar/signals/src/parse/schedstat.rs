//! `/proc/PID/task/TID/schedstat`: what one thread ran, what it waited for a CPU, how often it got one.

use super::scan::{ParseError, Problem, number, single_line};
use std::time::Duration;

/// Counters of one thread since it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedStat {
    /// Time on a CPU.
    pub run: Duration,
    /// Time runnable but waiting for one; booked when the wait ends, so it comes in lumps. Includes quota throttling.
    pub delay: Duration,
    /// How many times the thread was given a CPU.
    pub slices: u64,
}

/// Parses a schedstat file: three numbers, the first two in nanoseconds.
///
/// # Errors
/// Unless the file is one line of exactly three numbers.
pub fn schedstat(bytes: &[u8]) -> Result<SchedStat, ParseError> {
    let mut tokens = single_line(bytes, "schedstat")?.split(|byte| *byte == b' ');
    let mut next = |field| number(tokens.next().unwrap_or_default(), field);
    let (run, delay, slices) = (next("run")?, next("delay")?, next("slices")?);
    if tokens.next().is_some() {
        return Err(Problem::Trailing.at("slices"));
    }
    Ok(SchedStat { run: Duration::from_nanos(run), delay: Duration::from_nanos(delay), slices })
}
