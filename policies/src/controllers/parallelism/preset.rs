//! Rules out of field reports, as reported (`raw`) and as they can be meant.
//!
//! | `follow` | as reported | as meant |
//! |---|---|---|
//! | `load` | load > 0.8: twice the cores; < 0.3: the cores | within the bounds of quota and affinity; up only unthrottled |
//! | `cores` | max(2, min(quota, 0.8 cores)) | min(affinity, ceil(quota)) |
//! | `sched_latency` | < 5 ms: min(cores, 4); 5 to 12 ms: the cores; > 15 ms: cores x 1.2, at most 8 | run delay per slice: < 5 ms: one more, > 15 ms: one less, within the bounds |
//!
//! Load is CPUs in use over cores. The latency was read from a constant of the kernel that newer ones do not have, and a file
//! that is not there was taken for zero; here a signal that is missing holds, then lets go. All look every five seconds.

use std::time::Duration;

use super::room::Room;
use super::{DECIDE_EVERY, ParallelismPolicy, STALE_AFTER};
use crate::policy::{Proposal, Seen};
use crate::reason::ParallelismReason;
use crate::signal::Signal;

/// What the number of threads follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Follow {
    /// The quota, and what comes of it.
    #[default]
    Quota,
    /// CPUs in use.
    Load,
    /// Cores and quota, once and for all.
    Cores,
    /// How late threads run.
    SchedLatency,
}

impl Follow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Quota, Self::Load, Self::Cores, Self::SchedLatency];

    /// The name in policy files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Load => "load",
            Self::Cores => "cores",
            Self::SchedLatency => "sched_latency",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|follow| follow.name() == name)
    }
}

impl ParallelismPolicy {
    pub(super) fn by_preset(&mut self, seen: &Seen<'_>) -> Proposal {
        let room = match Room::of(seen, self.spec.min, self.spec.max) {
            Ok(room) => room,
            Err(unknown) => return unknown,
        };
        let before = self.wanted.unwrap_or(seen.in_force.scalar() as u32);
        let found = match self.spec.follow {
            Follow::Quota | Follow::Cores => {
                let cores = ParallelismReason::Quota { cores: room.usable };
                Ok((if self.spec.raw { raw_cores(&room) } else { room.base }, cores))
            }
            Follow::Load => self.load(seen, &room, before),
            Follow::SchedLatency => self.sched_latency(seen, &room, before),
        };
        let (threads, reason) = match found {
            Ok(found) => found,
            Err(unknown) => return unknown,
        };
        let threads = threads.clamp(self.spec.min.unwrap_or(1), self.spec.max.unwrap_or(u32::MAX));
        let due = self.decided.is_none_or(|at| seen.now.since(at) >= DECIDE_EVERY);
        if self.wanted.is_some() && (!due || threads == before) {
            return Proposal::hold(reason);
        }
        self.change(seen.now, threads, reason)
    }

    fn load(&self, seen: &Seen<'_>, room: &Room, before: u32) -> Result<(u32, ParallelismReason), Proposal> {
        let load = seen.fresh(Signal::CpuUsedCores, STALE_AFTER)? / f64::from(room.cores);
        let threshold = if load < 0.3 { 0.3 } else { 0.8 };
        let reason = ParallelismReason::Load { ratio: load, threshold };
        let throttled = seen.fresh(Signal::ThrottledRatio, STALE_AFTER).is_ok_and(|ratio| ratio >= 0.01);
        let most = if self.spec.raw { 2 * room.cores } else { room.max };
        let least = if self.spec.raw { room.cores } else { room.base };
        let threads = match load {
            _ if load > 0.8 && (self.spec.raw || !throttled) => most,
            _ if load < 0.3 => least,
            _ => before,
        };
        Ok((threads, reason))
    }

    fn sched_latency(
        &self,
        seen: &Seen<'_>,
        room: &Room,
        before: u32,
    ) -> Result<(u32, ParallelismReason), Proposal> {
        let delay = seen.fresh(Signal::RunDelayPerSlice, STALE_AFTER)?;
        let reason =
            ParallelismReason::RunDelay { delay: Duration::try_from_secs_f64(delay).unwrap_or_default() };
        let threads = if self.spec.raw {
            raw_latency(delay, room.cores, before)
        } else if delay < 0.005 {
            before.saturating_add(1).clamp(room.min, room.max)
        } else if delay > 0.015 {
            before.saturating_sub(1).clamp(room.min, room.max)
        } else {
            before.clamp(room.min, room.max)
        };
        Ok((threads, reason))
    }
}

/// As reported, with a period that is not taken for 100 ms.
fn raw_cores(room: &Room) -> u32 {
    (room.usable.min(0.8 * f64::from(room.cores)) as u32).max(2)
}

fn raw_latency(delay: f64, cores: u32, before: u32) -> u32 {
    match delay {
        _ if delay < 0.005 => cores.min(4),
        _ if delay <= 0.012 => cores,
        // What is between 12 and 15 ms the report does not say.
        _ if delay <= 0.015 => before,
        _ => ((1.2 * f64::from(cores)) as u32).min(8),
    }
}
