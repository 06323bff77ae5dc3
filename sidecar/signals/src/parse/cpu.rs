//! The CPU controller's files, cgroup v1 and v2, in one shape: v1 counts throttled time in nanoseconds, v2 in microseconds.

use super::scan::{ParseError, Problem, key_value, lines, number, only_number, single_line, store};
use std::time::Duration;

/// CPU time used and refused since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// CPU time used by all tasks; in v1 this is in another file, so `None` here.
    pub usage: Option<Duration>,
    /// Enforcement periods in which the group wanted to run; `None` without the controller.
    pub periods: Option<u64>,
    /// Periods in which the group ran out of quota.
    pub throttled_periods: Option<u64>,
    /// Time spent out of quota, summed over CPUs: it can exceed the time that passed.
    pub throttled: Option<Duration>,
}

/// Parses v2 `cpu.stat`.
///
/// # Errors
/// Without `usage_usec`, or when a line that is used is malformed. The throttling fields may be absent.
pub fn cpu_stat_v2(bytes: &[u8]) -> Result<CpuStat, ParseError> {
    let mut usage = None;
    let stat = scan(bytes, |key, value| match key {
        b"usage_usec" => store(&mut usage, value, "usage_usec"),
        _ => Ok(()),
    })?;
    let usage = usage.ok_or(Problem::Missing.at("usage_usec"))?;
    Ok(CpuStat { usage: Some(Duration::from_micros(usage)), ..stat })
}

/// Parses v1 `cpu.stat`.
///
/// # Errors
/// Without `nr_periods`, or when a line that is used is malformed.
pub fn cpu_stat_v1(bytes: &[u8]) -> Result<CpuStat, ParseError> {
    let stat = scan(bytes, |_, _| Ok(()))?;
    if stat.periods.is_none() {
        return Err(Problem::Missing.at("nr_periods"));
    }
    Ok(stat)
}

fn scan(
    bytes: &[u8],
    mut other: impl FnMut(&[u8], &[u8]) -> Result<(), ParseError>,
) -> Result<CpuStat, ParseError> {
    let (mut periods, mut throttled, mut usec, mut nsec) = (None, None, None, None);
    for line in lines(bytes, "cpu.stat")? {
        match key_value(line) {
            (b"nr_periods", value) => store(&mut periods, value, "nr_periods")?,
            (b"nr_throttled", value) => store(&mut throttled, value, "nr_throttled")?,
            (b"throttled_usec", value) => store(&mut usec, value, "throttled_usec")?,
            (b"throttled_time", value) => store(&mut nsec, value, "throttled_time")?,
            (key, value) => other(key, value)?,
        }
    }
    let throttled_time = usec.map(Duration::from_micros).or(nsec.map(Duration::from_nanos));
    Ok(CpuStat { usage: None, periods, throttled_periods: throttled, throttled: throttled_time })
}

/// v1 `cpuacct.usage`: CPU time used by all tasks.
///
/// # Errors
/// Unless the file is one number (nanoseconds).
pub fn cpuacct_usage(bytes: &[u8]) -> Result<Duration, ParseError> {
    only_number(bytes, "cpuacct.usage").map(Duration::from_nanos)
}

/// v2 `cpu.max` as a number of cores; `None` for `max`, no quota.
///
/// # Errors
/// Unless the file is `quota period` or `max period`, both above zero.
pub fn cpu_max(bytes: &[u8]) -> Result<Option<f64>, ParseError> {
    let (quota, period) = key_value(single_line(bytes, "cpu.max")?);
    let period = above_zero(number(period, "cpu.max period")?, "cpu.max period")?;
    if quota == b"max" {
        return Ok(None);
    }
    let quota = above_zero(number(quota, "cpu.max quota")?, "cpu.max quota")?;
    Ok(Some(quota as f64 / period as f64))
}

/// v1 `cpu.cfs_quota_us`: run time per period; `None` for -1, no quota.
///
/// # Errors
/// Unless the file is -1 or one number above zero.
pub fn cfs_quota(bytes: &[u8]) -> Result<Option<Duration>, ParseError> {
    match single_line(bytes, "cpu.cfs_quota_us")? {
        b"-1" => Ok(None),
        digits => {
            let quota = above_zero(number(digits, "cpu.cfs_quota_us")?, "cpu.cfs_quota_us")?;
            Ok(Some(Duration::from_micros(quota)))
        }
    }
}

/// v1 `cpu.cfs_period_us`: how often the quota is renewed.
///
/// # Errors
/// Unless the file is one number above zero.
pub fn cfs_period(bytes: &[u8]) -> Result<Duration, ParseError> {
    let period = only_number(bytes, "cpu.cfs_period_us")?;
    above_zero(period, "cpu.cfs_period_us").map(Duration::from_micros)
}

fn above_zero(value: u64, field: &'static str) -> Result<u64, ParseError> {
    if value == 0 { Err(Problem::Zero.at(field)) } else { Ok(value) }
}
