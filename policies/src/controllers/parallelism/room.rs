//! Between which numbers of threads there is a choice.

use std::time::Duration;

use super::STALE_AFTER;
use crate::policy::{Proposal, Seen};
use crate::signal::Signal;

/// A rate of throttling needs so long to be known.
const KNOWN_AFTER: Duration = Duration::from_secs(3);

/// Bounds and where to begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Room {
    pub min: u32,
    pub max: u32,
    /// As many as CPUs may be used.
    pub base: u32,
    /// CPUs that may be used.
    pub usable: f64,
    /// CPUs of the machine that the process may run on.
    pub cores: u32,
    /// There is a quota.
    pub quota: bool,
}

impl Room {
    /// # Errors
    /// What to propose instead when neither quota nor affinity is known.
    pub(super) fn of(seen: &Seen<'_>, min: Option<u32>, max: Option<u32>) -> Result<Self, Proposal> {
        let quota = seen.fresh(Signal::CpuQuotaCores, STALE_AFTER).ok().filter(|cores| *cores > 0.0);
        let affinity = seen.fresh(Signal::CpuAffinityCores, STALE_AFTER);
        let affinity = match (affinity, quota) {
            (Ok(cores), _) if cores >= 1.0 => cores,
            (Err(unknown), None) => return Err(unknown),
            // The owner's bound stands in for a machine that is not known.
            _ => seen.knob.max.max(1.0),
        };
        let usable = quota.map_or(affinity, |quota| quota.min(affinity));
        let up =
            |cores: f64| cores.min(affinity).ceil().clamp(1.0, f64::from(super::Parallelism::MOST)) as u32;
        let lowest = quota.map_or(affinity.min(2.0), |quota| quota.floor().max(1.0)).min(affinity) as u32;
        let highest = quota.map_or(affinity, |quota| (2.0 * quota).ceil());
        let owner = |threads: u32| f64::from(threads).max(seen.knob.min).min(seen.knob.max) as u32;
        let min = owner(min.unwrap_or_else(|| lowest.max(1))).max(1);
        let max = owner(max.unwrap_or_else(|| up(highest))).max(min);
        let base = up(usable).clamp(min, max);
        Ok(Self { min, max, base, usable, cores: up(affinity), quota: quota.is_some() })
    }
}

impl Room {
    /// Where to begin: with what is in force, as long as it can be seen whether that does harm. `None`: that may still become
    /// known.
    pub(super) fn start(&self, seen: &Seen<'_>) -> Option<u32> {
        let throttled = seen.fresh(Signal::ThrottledRatio, STALE_AFTER);
        match throttled {
            Ok(_) => Some((seen.in_force.scalar() as u32).clamp(self.base, self.max)),
            Err(_) if self.quota && seen.now.since(seen.since) < KNOWN_AFTER => None,
            _ => Some(self.base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::parallelism::tests::bench;

    #[test]
    fn g4_bounds_follow_quota_and_affinity() {
        let room = |quota: Option<f64>, affinity: Option<f64>| {
            let mut bench = bench();
            bench.set(Signal::CpuQuotaCores, quota);
            bench.set(Signal::CpuAffinityCores, affinity);
            bench.with_seen(|seen| Room::of(seen, None, None).map(|room| (room.min, room.base, room.max)))
        };
        for (quota, affinity, expected) in [
            (Some(2.0), Some(8.0), (2, 2, 4)),
            (Some(2.5), Some(8.0), (2, 3, 5)),
            (Some(0.5), Some(8.0), (1, 1, 1)),
            (Some(0.7), Some(8.0), (1, 1, 2)),
            (Some(16.0), Some(8.0), (8, 8, 8)),
            (None, Some(8.0), (2, 8, 8)),
            (None, Some(1.0), (1, 1, 1)),
            (Some(2.0), None, (2, 2, 4)),
            (Some(9.0), None, (9, 9, 16)),
            // A file that could not be parsed was once taken for zero cores.
            (Some(0.0), Some(8.0), (2, 8, 8)),
        ] {
            assert_eq!(room(quota, affinity), Ok(expected), "{quota:?} {affinity:?}");
        }
        assert!(room(None, None).is_err());
    }
}
