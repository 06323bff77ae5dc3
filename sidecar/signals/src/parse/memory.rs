//! The memory controller's files, cgroup v1 and v2.
//!
//! v1 has two sets of keys in `memory.stat`: plain ones for the group alone and `total_` ones that include its children. The usage and
//! the limit include children, so the `total_` ones are read, and the plain ones only where a kernel has no other.

use super::scan::{ParseError, Problem, key_value, lines, number, only_number, single_line, store};

/// From here on a v1 limit means "none": the kernel prints 2^63 rounded down to its page size.
const V1_NO_LIMIT: u64 = 1 << 62;

/// The parts of `memory.stat` that say how hard the kernel must work to keep the group within its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStat {
    /// Page cache not used lately: the kernel drops it first, so it does not count as needed.
    pub inactive_file_bytes: u64,
    /// Pages of files read again soon after they had been evicted.
    pub refaults_file: Option<u64>,
    /// Anonymous pages read back from swap soon after they had been evicted (Linux 5.9).
    pub refaults_anon: Option<u64>,
    /// Faults that had to wait for a disk.
    pub major_faults: Option<u64>,
    /// v1 only: the smallest limit of the group and all its ancestors, visible or not; `None` when there is none.
    pub hierarchical_limit_bytes: Option<u64>,
}

/// Parses v2 `memory.stat`. About 1-2 us, the file has some fifty lines.
///
/// # Errors
/// Without `inactive_file`, or when a line that is used is malformed.
pub fn memory_stat_v2(bytes: &[u8]) -> Result<MemoryStat, ParseError> {
    let mut seen = Keys::default();
    for line in lines(bytes, "memory.stat")? {
        let (key, value) = key_value(line);
        seen.take(key, value)?;
    }
    seen.finish()
}

/// Parses v1 `memory.stat`: the `total_` keys where there are any.
///
/// # Errors
/// Without `total_inactive_file` or `inactive_file`, or when a line that is used is malformed.
pub fn memory_stat_v1(bytes: &[u8]) -> Result<MemoryStat, ParseError> {
    let (mut group, mut total, mut limit) = (Keys::default(), Keys::default(), None);
    for line in lines(bytes, "memory.stat")? {
        let (key, value) = key_value(line);
        match key.strip_prefix(b"total_") {
            Some(key) => total.take(key, value)?,
            None if key == b"hierarchical_memory_limit" => {
                store(&mut limit, value, "hierarchical_memory_limit")?;
            }
            None => group.take(key, value)?,
        }
    }
    let hierarchical_limit_bytes = limit.filter(|bytes| *bytes < V1_NO_LIMIT);
    Ok(MemoryStat { hierarchical_limit_bytes, ..total.or(group).finish()? })
}

#[derive(Default)]
struct Keys {
    inactive_file: Option<u64>,
    refault: Option<u64>,
    refault_file: Option<u64>,
    refault_anon: Option<u64>,
    pgmajfault: Option<u64>,
}

impl Keys {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), ParseError> {
        match key {
            b"inactive_file" => store(&mut self.inactive_file, value, "inactive_file"),
            b"workingset_refault" => store(&mut self.refault, value, "workingset_refault"),
            b"workingset_refault_file" => store(&mut self.refault_file, value, "workingset_refault_file"),
            b"workingset_refault_anon" => store(&mut self.refault_anon, value, "workingset_refault_anon"),
            b"pgmajfault" => store(&mut self.pgmajfault, value, "pgmajfault"),
            _ => Ok(()),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            inactive_file: self.inactive_file.or(other.inactive_file),
            refault: self.refault.or(other.refault),
            refault_file: self.refault_file.or(other.refault_file),
            refault_anon: self.refault_anon.or(other.refault_anon),
            pgmajfault: self.pgmajfault.or(other.pgmajfault),
        }
    }

    fn finish(self) -> Result<MemoryStat, ParseError> {
        Ok(MemoryStat {
            inactive_file_bytes: self.inactive_file.ok_or(Problem::Missing.at("inactive_file"))?,
            // Before 5.9 there was one counter, and it counted file pages.
            refaults_file: self.refault_file.or(self.refault),
            refaults_anon: self.refault_anon,
            major_faults: self.pgmajfault,
            hierarchical_limit_bytes: None,
        })
    }
}

/// v2 `memory.events`: how often the group ran into a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEvents {
    /// Times that tasks were throttled for being over `memory.high`.
    pub high: u64,
    /// Times that usage was about to pass `memory.max`.
    pub max: u64,
    /// Times that an allocation failed at the limit.
    pub oom: u64,
    /// Processes killed (Linux 4.13).
    pub oom_kill: Option<u64>,
}

/// Parses v2 `memory.events`.
///
/// # Errors
/// Without `high`, `max` and `oom`, or when a line that is used is malformed.
pub fn memory_events(bytes: &[u8]) -> Result<MemoryEvents, ParseError> {
    let (mut high, mut max, mut oom, mut oom_kill) = (None, None, None, None);
    for line in lines(bytes, "memory.events")? {
        match key_value(line) {
            (b"high", value) => store(&mut high, value, "high")?,
            (b"max", value) => store(&mut max, value, "max")?,
            (b"oom", value) => store(&mut oom, value, "oom")?,
            (b"oom_kill", value) => store(&mut oom_kill, value, "oom_kill")?,
            _ => {}
        }
    }
    let present = |slot: Option<u64>, field| slot.ok_or(Problem::Missing.at(field));
    Ok(MemoryEvents {
        high: present(high, "high")?,
        max: present(max, "max")?,
        oom: present(oom, "oom")?,
        oom_kill,
    })
}

/// v2 `memory.current` and v1 `memory.usage_in_bytes`.
///
/// # Errors
/// Unless the file is one number.
pub fn memory_usage(bytes: &[u8]) -> Result<u64, ParseError> {
    only_number(bytes, "memory usage")
}

/// v2 `memory.max` and `memory.high`; `None` for `max`, no bound.
///
/// # Errors
/// Unless the file is one number or `max`.
pub fn memory_max(bytes: &[u8]) -> Result<Option<u64>, ParseError> {
    match single_line(bytes, "memory limit")? {
        b"max" => Ok(None),
        digits => number(digits, "memory limit").map(Some),
    }
}

/// v1 `memory.limit_in_bytes`; `None` for the kernel's largest number, no bound.
///
/// # Errors
/// Unless the file is one number.
pub fn v1_limit(bytes: &[u8]) -> Result<Option<u64>, ParseError> {
    Ok(Some(only_number(bytes, "memory.limit_in_bytes")?).filter(|bytes| *bytes < V1_NO_LIMIT))
}

/// v1 `memory.failcnt`: how often usage ran into the limit.
///
/// # Errors
/// Unless the file is one number.
pub fn v1_failcnt(bytes: &[u8]) -> Result<u64, ParseError> {
    only_number(bytes, "memory.failcnt")
}

/// v1 `memory.oom_control`: processes killed; `None` before Linux 4.13.
///
/// # Errors
/// When the file is empty or cut, or its `oom_kill` line is malformed.
pub fn v1_oom_kills(bytes: &[u8]) -> Result<Option<u64>, ParseError> {
    let mut kills = None;
    let mut known = false;
    for line in lines(bytes, "memory.oom_control")? {
        match key_value(line) {
            (b"oom_kill", value) => store(&mut kills, value, "oom_kill")?,
            (b"under_oom", _) => known = true,
            _ => {}
        }
    }
    if known || kills.is_some() { Ok(kills) } else { Err(Problem::Missing.at("under_oom")) }
}
