//! Pure parsers, one per kernel file: bytes in, a small plain struct out, no allocation.
//!
//! They are strict on purpose. A number cut short is still a number, so a file that does not end in a newline is an error; a key
//! that occurs twice, a sign, a carriage return or a stray byte means that this is not the file we think it is. Keys that we
//! do not know are skipped, since kernels add them; keys that a kernel may lack are `Option`.

mod cpu;
mod meminfo;
mod memory;
mod psi;
mod scan;
mod schedstat;
mod state;

pub use cpu::{CpuStat, cfs_period, cfs_quota, cpu_max, cpu_stat_v1, cpu_stat_v2, cpuacct_usage};
pub use meminfo::{MemInfo, meminfo};
pub use memory::{
    MemoryEvents, MemoryStat, memory_events, memory_max, memory_stat_v1, memory_stat_v2, memory_usage,
    v1_failcnt, v1_limit, v1_oom_kills,
};
pub use psi::{Psi, psi};
pub use scan::{ParseError, Problem};
pub use schedstat::{SchedStat, schedstat};
pub use state::{STATE_WITHIN, is_blocked};

#[cfg(test)]
mod tests;
