//! A garbage-collection target: an envelope that the process evaluates by itself after each collection.
//!
//! The sidecar pushes a memory budget and bounds, not a percentage. A collection can be over in 100 ms, so a percentage
//! that crosses a process border is out of date when it arrives; what may be used of the memory limit is not. The
//! evaluation is a pure function of the envelope and of what the process knows of its heap, so that every SDK, the
//! simulator and embedded mode come to the same setting.
//!
//! ```text
//! room    = budget - overhead                                       what heap objects may fill
//! fits    = (0.97 room - live) / (live + roots)                     0.97: the runtime keeps 3 % of its limit free
//! ratio   = min(fits, frugal ? max(cost / (target x cpus), 0.4) : inf), within percent_min to percent_max
//! limit   = budget, or where  live + min (live + roots) > room:
//!           max(budget, min(overhead + live + min (live + roots), memory_limit))
//! percent = floor(100 ratio)
//! ```
//!
//! `cost` is allocation rate x CPU time of marking a byte: the CPU time per second that collections take at 100 %. It does
//! not depend on the size of the heap, which is why a share of CPU can be held without trying.
//!
//! The percentage carries the trade-off; the limit is the guard inside a cycle, where no loop can react. Beyond the budget
//! the limit may go as far as `memory_limit`, and never to memory that does not exist: a limit under the live heap would
//! have the runtime collect without end.
//!
//! What a setting leaves out is as it was when the process started. How it is applied: on the way down the limit first, then the percentage; on the way up the other way round. `collect` and
//! `return_memory` act once, when they turn true, and pages are given back at most every 30 s. Sources of the formulas:
//! Go's `mgcpacer.go`, its proposal 48409 and its guide to the collector.

/// The share of its limit that the runtime itself leaves to the heap.
const RUNTIME_SHARE: f64 = 0.97;
/// A frugal target never goes below this ratio.
const FRUGAL_LEAST: f64 = 0.4;

/// What the trade-off between memory and CPU time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GcMode {
    /// All of the budget, so as few collections as possible.
    #[default]
    Throughput,
    /// As much memory as a share of CPU time for collections needs.
    Frugal,
    /// A percentage, a limit or both, as given.
    Fixed,
}

impl GcMode {
    /// The name in policy files, logs and recordings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Frugal => "frugal",
            Self::Fixed => "fixed",
        }
    }
}

/// What garbage collection should aim at. Build it from [`GcTarget::budget`] or [`GcTarget::fixed`] and check changes with
/// [`GcTarget::checked`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GcTarget {
    /// The trade-off.
    pub mode: GcMode,
    /// What the runtime may use in all, bytes.
    pub budget_bytes: Option<u64>,
    /// [`GcMode::Fixed`]: the limit. Else how far the limit may go above the budget where the live heap needs it.
    pub memory_limit_bytes: Option<u64>,
    /// [`GcMode::Fixed`]: the percentage. Else what the sender expects to come out, or what was read back; for people.
    pub percent: Option<u32>,
    /// Lowest percentage.
    pub percent_min: u32,
    /// Highest percentage.
    pub percent_max: u32,
    /// [`GcMode::Frugal`]: the share of usable CPUs for collections.
    pub gc_cpu_target: f64,
    /// The share above which fewer calls should be admitted.
    pub gc_cpu_cap: f64,
    /// One collection, when it turns true.
    pub collect: bool,
    /// Freed pages go back to the system, when it turns true.
    pub return_memory: bool,
}

/// Why a target was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidGcTarget {
    /// No budget where the mode needs one.
    #[error("a budget is needed")]
    NoBudget,
    /// A fixed target without a percentage and without a limit.
    #[error("a percentage or a limit is needed")]
    Nothing,
    /// A budget or limit of zero or of more than 2^53 bytes.
    #[error("memory must be 1 byte to 8 PiB")]
    Bytes,
    /// A percentage outside 1 to 100,000, or bounds out of order.
    #[error("percentages must be 1 to 100000, the lowest first")]
    Percent,
    /// A share outside 0 to 1, or 0.
    #[error("shares must be above 0 and at most 1")]
    Share,
}

/// What a process knows of its heap when a collection has ended. Bytes; what is not known is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heap {
    /// Found alive by the newest collection; 0 before the first one.
    pub live: f64,
    /// Marked besides the heap.
    pub roots: f64,
    /// Memory under the runtime's limit that is neither object nor free heap.
    pub overhead: f64,
    /// CPU time per second that collections take at 100 percent.
    pub cost: Option<f64>,
    /// Usable CPUs: threads of the runtime or quota, whichever is less.
    pub cpus: Option<f64>,
}

/// What to set in the runtime; `None`: as the process had it at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setting {
    /// Growth of the heap between collections, percent of what is alive.
    pub percent: Option<u32>,
    /// Soft limit, bytes.
    pub memory_limit_bytes: Option<u64>,
}

impl GcTarget {
    /// Lowest percentage by default.
    pub const PERCENT_MIN: u32 = 15;
    /// Highest percentage by default.
    pub const PERCENT_MAX: u32 = 800;
    /// Default share of CPUs of a frugal target.
    pub const GC_CPU_TARGET: f64 = 0.05;
    /// Default share of CPUs above which fewer calls should be admitted.
    pub const GC_CPU_CAP: f64 = 0.20;
    /// Largest percentage at all.
    pub const PERCENT_LIMIT: u32 = 100_000;
    /// Largest budget and limit: whole numbers up to here are exact in every language.
    pub const BYTES_LIMIT: u64 = 1 << 53;

    /// All of `bytes`.
    pub const fn budget(bytes: u64) -> Self {
        Self { budget_bytes: Some(bytes), percent: None, ..Self::fixed(0) }.with_mode(GcMode::Throughput)
    }

    /// This percentage, and the limit from the start of the process: the baseline of a knob.
    pub const fn fixed(percent: u32) -> Self {
        Self {
            mode: GcMode::Fixed,
            budget_bytes: None,
            memory_limit_bytes: None,
            percent: Some(percent),
            percent_min: Self::PERCENT_MIN,
            percent_max: Self::PERCENT_MAX,
            gc_cpu_target: Self::GC_CPU_TARGET,
            gc_cpu_cap: Self::GC_CPU_CAP,
            collect: false,
            return_memory: false,
        }
    }

    /// The same with another trade-off.
    #[must_use]
    pub const fn with_mode(self, mode: GcMode) -> Self {
        Self { mode, ..self }
    }

    /// Checks every rule.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn checked(self) -> Result<Self, InvalidGcTarget> {
        let bytes = [self.budget_bytes, self.memory_limit_bytes];
        let percents = [self.percent, Some(self.percent_min), Some(self.percent_max)];
        let share = |share: f64| share > 0.0 && share <= 1.0;
        match self.mode {
            GcMode::Throughput if self.budget_bytes.is_none() => return Err(InvalidGcTarget::NoBudget),
            GcMode::Fixed if self.percent.is_none() && self.memory_limit_bytes.is_none() => {
                return Err(InvalidGcTarget::Nothing);
            }
            _ => {}
        }
        if bytes.into_iter().flatten().any(|bytes| !(1..=Self::BYTES_LIMIT).contains(&bytes)) {
            return Err(InvalidGcTarget::Bytes);
        }
        let outside = |percent: u32| !(1..=Self::PERCENT_LIMIT).contains(&percent);
        if percents.into_iter().flatten().any(outside) || self.percent_min > self.percent_max {
            return Err(InvalidGcTarget::Percent);
        }
        if share(self.gc_cpu_target) && share(self.gc_cpu_cap) {
            Ok(self)
        } else {
            Err(InvalidGcTarget::Share)
        }
    }

    /// What to set now. Total: whatever the numbers are, the percentage lies within its bounds.
    pub fn evaluate(&self, heap: &Heap) -> Setting {
        if self.mode == GcMode::Fixed {
            return Setting { percent: self.percent, memory_limit_bytes: self.memory_limit_bytes };
        }
        if !(heap.live > 0.0 && heap.roots >= 0.0 && heap.overhead >= 0.0) {
            return Setting { percent: None, memory_limit_bytes: self.budget_bytes };
        }
        let least = f64::from(self.percent_min) / 100.0;
        let most = f64::from(self.percent_max) / 100.0;
        let marked = heap.live + heap.roots;
        let room = self.budget_bytes.map(|budget| budget as f64 - heap.overhead);
        let fits = room.map_or(most, |room| (RUNTIME_SHARE * room - heap.live) / marked);
        let ratio = fits.min(self.frugal(heap)).max(least).min(most);
        Setting {
            percent: Some((100.0 * ratio + 1e-9).floor() as u32),
            memory_limit_bytes: self.budget_bytes.map(|budget| self.limit(budget, heap, least * marked)),
        }
    }

    /// The ratio at which collections take their target share of CPUs; infinite where that does not count.
    fn frugal(&self, heap: &Heap) -> f64 {
        match (self.mode, heap.cost, heap.cpus) {
            (GcMode::Frugal, Some(cost), Some(cpus)) if cost >= 0.0 && cpus > 0.0 => {
                (cost / (self.gc_cpu_target * cpus)).max(FRUGAL_LEAST)
            }
            _ => f64::INFINITY,
        }
    }

    fn limit(&self, budget: u64, heap: &Heap, least_growth: f64) -> u64 {
        let needed = (heap.overhead + heap.live + least_growth).ceil() as u64;
        if needed <= budget {
            budget
        } else {
            budget.max(needed.min(self.memory_limit_bytes.unwrap_or(budget)))
        }
    }

    /// Whether it leaves the runtime less memory than `other`.
    pub fn is_tighter_than(&self, other: &Self) -> bool {
        let bytes = |target: &Self| match target.mode {
            GcMode::Fixed => target.memory_limit_bytes,
            _ => target.budget_bytes,
        };
        let percent = |target: &Self| match target.mode {
            GcMode::Fixed => target.percent,
            _ => Some(target.percent_max),
        };
        let least = |number: Option<u64>| number.unwrap_or(u64::MAX);
        let key = |target: &Self| (least(bytes(target)), least(percent(target).map(u64::from)));
        key(self) < key(other)
    }
}

/// What a process sets when its lease has ended: 90 % of the memory limit less what others were last seen to use, and
/// the percentage from its start, at least 50. Never the last thing pushed for ever, and never nothing: a collector that
/// was tuned for a limit would run into the kernel's.
pub fn fallback(limit: u64, external: u64, percent_at_start: u32) -> Setting {
    let left = (0.9 * limit as f64) as u64;
    Setting {
        percent: Some(percent_at_start.max(50)),
        memory_limit_bytes: Some(left.saturating_sub(external).max(limit / 10).max(1)),
    }
}

#[cfg(test)]
mod tests;
