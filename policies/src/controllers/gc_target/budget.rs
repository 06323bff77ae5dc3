//! How much memory a runtime may use.
//!
//! ```text
//! margin = max(24 MiB, 5 % limit, half of what is allocated while marking), at most 20 % of the limit
//! goal   = limit - external - margin                              split where several processes share the limit
//! budget = goal when it falls, else up by at most 10 % of the limit per second
//! ```
//!
//! The budget is paced and the percentage is not: after a burst, a percentage that may rise only slowly was seen to cost
//! seconds of doubled collections for no safety at all.
//!
//! Of several runtimes under one limit, each gets room in proportion to the square root of `price x live heap`: that is
//! where the sum of their CPU time is least (Kirisame et al., Optimal Heap Limits for Reducing Browser Memory Use, 2022).

use std::time::Duration;

use super::sense::Sensed;
use crate::claim::Others;
use crate::time::Timestamp;

const MI: f64 = 1024.0 * 1024.0;
const LEAST_MARGIN: f64 = 24.0 * MI;
const MARGIN_SHARE: f64 = 0.05;
/// A small limit or a very fast allocator must not leave the heap nothing.
const MOST_MARGIN_SHARE: f64 = 0.20;
/// The runtime gives a quarter of its CPUs to marking.
const MARKING_SHARE: f64 = 0.25;
const RISE_PER_SECOND: f64 = 0.10;
/// A wire cannot say "none at all".
const LEAST_BUDGET: f64 = MI;
/// Room of each runtime before the rest is split, as a share of its live heap.
const LEAST_ROOM: f64 = 0.15;

/// How long a marking takes, seconds; `cost` in CPU seconds per byte.
pub(super) fn marking(sensed: &Sensed, cost: Option<f64>) -> Option<f64> {
    cost.zip(sensed.cpus).map(|(cost, cpus)| cost * sensed.marked() / (MARKING_SHARE * cpus))
}

/// What is kept free of a limit. `allocation` in bytes per second, `marking` in seconds.
pub(super) fn margin(sensed: &Sensed, allocation: Option<f64>, marking: Option<f64>) -> f64 {
    let meanwhile = allocation.zip(marking).map_or(0.0, |(rate, seconds)| 0.5 * rate * seconds);
    LEAST_MARGIN.max(meanwhile).min(MOST_MARGIN_SHARE * sensed.limit).max(MARGIN_SHARE * sensed.limit)
}

/// This process's part of `total` bytes; `weight` as in its [`crate::claim::Claim`].
pub(super) fn part(total: f64, sensed: &Sensed, weight: f64, others: &Others) -> f64 {
    if others.processes == 0 {
        return total;
    }
    let fixed = sensed.overhead + sensed.live;
    let room = total - fixed - others.fixed;
    let live = (sensed.live + others.live).max(1.0);
    let least = LEAST_ROOM * live;
    if room <= least {
        return fixed + room * sensed.live / live;
    }
    let weights = weight + others.weight;
    let share = if weights > 0.0 { weight / weights } else { 1.0 / (f64::from(others.processes) + 1.0) };
    fixed + LEAST_ROOM * sensed.live + (room - least) * share
}

/// A budget that falls at once and rises slowly.
#[derive(Debug, Default)]
pub(super) struct Budget(Option<(Timestamp, f64)>);

impl Budget {
    /// The budget now, given where it should be.
    pub(super) fn step(&mut self, now: Timestamp, goal: f64, limit: f64) -> f64 {
        let risen = |(at, budget): (Timestamp, f64)| {
            budget + RISE_PER_SECOND * limit * now.since(at).min(Duration::from_secs(1)).as_secs_f64()
        };
        let budget = self.0.map_or(goal, |known| goal.min(risen(known))).max(LEAST_BUDGET);
        self.0 = Some((now, budget));
        budget
    }
}

#[cfg(test)]
mod tests;
