//! A cgroup's CPU use, throttling and quota, v1 and v2 in the same terms.

use super::source::{Fault, Source, tightest};
use crate::discover::{Group, Version};
use crate::parse::{self, CpuStat};
use crate::sample::Cpu;
use crate::window::{Window, micros};
use std::path::Path;
use std::time::Duration;

const SPAN: Duration = Duration::from_secs(1);

/// One level's quota.
#[derive(Debug)]
enum Quota {
    V2(Source),
    V1 { quota: Source, period: Source },
}

impl Quota {
    fn new(version: Version, level: &Path) -> Self {
        match version {
            Version::V2 => Self::V2(Source::small(level, "cpu.max")),
            Version::V1 => Self::V1 {
                quota: Source::small(level, "cpu.cfs_quota_us"),
                period: Source::small(level, "cpu.cfs_period_us"),
            },
        }
    }

    fn read(&mut self, now: Duration) -> Result<Option<f64>, Fault> {
        match self {
            Self::V2(source) => source.read(now, parse::cpu_max),
            Self::V1 { quota, period } => {
                let Some(quota) = quota.read(now, parse::cfs_quota)? else { return Ok(None) };
                let period = period.read(now, parse::cfs_period)?;
                Ok(Some(quota.as_secs_f64() / period.as_secs_f64()))
            }
        }
    }

    fn faults(&self) -> impl Iterator<Item = (&Path, Fault)> {
        let (first, second) = match self {
            Self::V2(source) => (source, None),
            Self::V1 { quota, period } => (quota, Some(period)),
        };
        [Some(first), second].into_iter().flatten().filter_map(Source::fault_of_level)
    }
}

/// Reads the CPU files of one group.
#[derive(Debug)]
pub(super) struct CpuReader {
    version: Option<Version>,
    stat: Option<Source>,
    usage: Option<Source>,
    quotas: Vec<Quota>,
    used: Window<1>,
    throttled: Window<3>,
    values: Cpu,
}

impl CpuReader {
    /// `cpuacct` is v1's separate hierarchy for use; either may be missing.
    pub(super) fn new(cpu: Option<&Group>, cpuacct: Option<&Group>) -> Self {
        let quotas =
            cpu.map(|group| group.levels.iter().map(|level| Quota::new(group.version, level)).collect());
        Self {
            version: cpu.map(|group| group.version),
            stat: cpu.map(|group| Source::small(group.directory(), "cpu.stat")),
            usage: cpuacct.map(|group| Source::small(group.directory(), "cpuacct.usage")),
            quotas: quotas.unwrap_or_default(),
            used: Window::new(),
            throttled: Window::new(),
            values: Cpu::default(),
        }
    }

    pub(super) fn values(&self) -> Cpu {
        self.values
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = (&Path, Fault)> {
        let files = self.stat.iter().chain(&self.usage).filter_map(Source::fault);
        files.chain(self.quotas.iter().flat_map(Quota::faults))
    }

    /// The part that is read once a second.
    pub(super) fn read_quota(&mut self, now: Duration) {
        if self.quotas.is_empty() {
            return;
        }
        let quota = tightest(self.quotas.iter_mut().map(|level| level.read(now)));
        self.values.quota_at = quota.as_ref().ok().map(|_| now).or(self.values.quota_at);
        self.values.quota_cores = quota.ok().flatten();
    }

    /// The part that is read on every call.
    pub(super) fn read(&mut self, now: Duration) {
        let parse = if self.version == Some(Version::V1) { parse::cpu_stat_v1 } else { parse::cpu_stat_v2 };
        let stat = self.stat.as_mut().and_then(|source| source.read(now, parse).ok());
        let usage = match &mut self.usage {
            Some(source) => source.read(now, parse::cpuacct_usage).ok(),
            None => stat.and_then(|stat| stat.usage),
        };
        self.use_of(now, usage);
        self.throttling_of(now, stat);
    }

    fn use_of(&mut self, now: Duration, usage: Option<Duration>) {
        self.used.push(now, usage.map(|usage| [micros(usage)]));
        self.values.at = usage.map(|_| now).or(self.values.at);
        self.values.used_cores = self.used.growth(SPAN).map(|growth| growth.per_second(0) / 1e6);
    }

    fn throttling_of(&mut self, now: Duration, stat: Option<CpuStat>) {
        let totals =
            stat.and_then(|stat| Some([stat.periods?, stat.throttled_periods?, micros(stat.throttled?)]));
        self.throttled.push(now, totals);
        self.values.throttled_at = totals.map(|_| now).or(self.values.throttled_at);
        let growth = self.throttled.growth(SPAN);
        // Without a period there was nothing to throttle: that is known, not missing.
        self.values.throttled_ratio = growth.map(|growth| growth.by[1] as f64 / growth.by[0].max(1) as f64);
        self.values.throttled_seconds_per_second = growth.map(|growth| growth.per_second(2) / 1e6);
    }
}
