//! A cgroup's memory, v1 and v2 in the same terms.
//!
//! The working set (usage less the page cache that would go first) is what cAdvisor and the kubelet use; plain usage grows to the limit
//! on any service that reads files. v1's `memory.stat` also names the smallest limit of ancestors that we cannot see.

use super::source::{Fault, Source, tightest};
use crate::discover::{Group, Version};
use crate::kept::Size;
use crate::parse::{self, MemoryStat};
use crate::sample::{LimitFrom, Memory};
use crate::window::Window;
use std::path::Path;
use std::time::Duration;

const SPAN: Duration = Duration::from_secs(1);

/// Reads the memory files of one group.
#[derive(Debug)]
pub(super) struct MemoryReader {
    version: Version,
    usage: Source,
    limits: Vec<Source>,
    highs: Vec<Source>,
    stat: Source,
    events: Source,
    kills: Option<Source>,
    hits: Window<1>,
    refaults: Window<1>,
    anon: Window<1>,
    major: Window<1>,
    hierarchical_limit: Option<u64>,
    values: Memory,
}

impl MemoryReader {
    pub(super) fn new(group: &Group) -> Self {
        let own = group.directory();
        let v1 = group.version == Version::V1;
        let name = |v1_name, v2_name| if v1 { v1_name } else { v2_name };
        let each = |file: &str| group.levels.iter().map(|level| Source::small(level, file)).collect();
        Self {
            version: group.version,
            usage: Source::small(own, name("memory.usage_in_bytes", "memory.current")),
            limits: each(name("memory.limit_in_bytes", "memory.max")),
            highs: if v1 { Vec::new() } else { each("memory.high") },
            stat: Source::new(own.join("memory.stat"), Size::Table),
            events: Source::small(own, name("memory.failcnt", "memory.events")),
            kills: v1.then(|| Source::small(own, "memory.oom_control")),
            hits: Window::new(),
            refaults: Window::new(),
            anon: Window::new(),
            major: Window::new(),
            hierarchical_limit: None,
            values: Memory::default(),
        }
    }

    pub(super) fn values(&self) -> Memory {
        self.values
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = (&Path, Fault)> {
        let one = [&self.usage, &self.stat, &self.events];
        let levels = self.limits.iter().chain(&self.highs).filter_map(Source::fault_of_level);
        one.into_iter().chain(&self.kills).filter_map(Source::fault).chain(levels)
    }

    /// The part that is read once a second; call it before [`read`](Self::read).
    pub(super) fn read_stat(&mut self, now: Duration) {
        let parse = if self.version == Version::V1 { parse::memory_stat_v1 } else { parse::memory_stat_v2 };
        let stat = self.stat.read(now, parse).ok();
        let highs = self.highs.iter_mut().map(|source| source.read(now, parse::memory_max));
        self.values.high_bytes = tightest(highs).ok().flatten();
        self.values.stat_at = stat.map(|_| now).or(self.values.stat_at);
        self.values.inactive_file_bytes = stat.map(|stat| stat.inactive_file_bytes);
        self.hierarchical_limit = stat.and_then(|stat| stat.hierarchical_limit_bytes);
        let stat = stat.unwrap_or_default();
        self.values.refaults_per_second = rate(&mut self.refaults, now, refaults(&stat));
        self.values.anon_refaults_per_second = rate(&mut self.anon, now, stat.refaults_anon);
        self.values.major_faults_per_second = rate(&mut self.major, now, stat.major_faults);
    }

    /// The part that is read on every call.
    pub(super) fn read(&mut self, now: Duration, node_total: Option<u64>) {
        let usage = self.usage.read(now, parse::memory_usage).ok();
        // Read in any case, so that after a group has gone all its files are tried again at the same time.
        let limit = self.limit(now, node_total).filter(|_| usage.is_some());
        let values = &mut self.values;
        values.at = usage.map(|_| now).or(values.at);
        values.usage_bytes = usage;
        values.limit_bytes = limit.map(|(bytes, _)| bytes);
        values.limit_from = limit.map(|(_, from)| from);
        values.working_set_bytes =
            usage.zip(values.inactive_file_bytes).map(|(usage, inactive)| usage.saturating_sub(inactive));
        let above_zero = values.limit_bytes.filter(|limit| *limit > 0);
        values.working_set_ratio =
            values.working_set_bytes.zip(above_zero).map(|(set, limit)| set as f64 / limit as f64);
        self.read_events(now);
    }

    fn limit(&mut self, now: Duration, node_total: Option<u64>) -> Option<(u64, LimitFrom)> {
        let parse = if self.version == Version::V1 { parse::v1_limit } else { parse::memory_max };
        let visible = tightest(self.limits.iter_mut().map(|source| source.read(now, parse))).ok()?;
        let cgroup =
            visible.into_iter().chain(self.hierarchical_limit).min().map(|bytes| (bytes, LimitFrom::Cgroup));
        let node = node_total.map(|bytes| (bytes, LimitFrom::Node));
        cgroup.into_iter().chain(node).min_by_key(|(bytes, _)| *bytes)
    }

    fn read_events(&mut self, now: Duration) {
        let (hits, kills) = match &mut self.kills {
            None => match self.events.read(now, parse::memory_events) {
                Ok(events) => (Some(events.high.saturating_add(events.max)), events.oom_kill),
                Err(_) => (None, None),
            },
            Some(source) => {
                let kills = source.read(now, parse::v1_oom_kills).ok().flatten();
                (self.events.read(now, parse::v1_failcnt).ok(), kills)
            }
        };
        self.values.events_at = hits.or(kills).map(|_| now).or(self.values.events_at);
        self.values.limit_hits_per_second = rate(&mut self.hits, now, hits);
        self.values.oom_kills = kills;
    }
}

/// Before Linux 5.9 only files have the counter.
fn refaults(stat: &MemoryStat) -> Option<u64> {
    let anon = stat.refaults_anon.unwrap_or(0);
    stat.refaults_file.map(|file| file.saturating_add(anon)).or(stat.refaults_anon)
}

fn rate(window: &mut Window<1>, now: Duration, total: Option<u64>) -> Option<f64> {
    window.push(now, total.map(|total| [total]));
    window.growth(SPAN).map(|growth| growth.per_second(0))
}
