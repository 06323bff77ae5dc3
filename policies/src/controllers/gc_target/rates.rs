//! Rates out of totals: how fast is allocated, what marking a byte costs, and which share of the CPUs goes into it.
//!
//! CPU time per second of collections is `cost per byte x allocation rate / ratio`, whatever the size of the heap, so the
//! price of any budget is known before it is pushed. Under CPU contention the measured cost of a byte rises several times,
//! although the work is the same; hence a filter that follows it down at once and up slowly.

use std::collections::VecDeque;
use std::time::Duration;

use super::sense::Sensed;
use crate::time::Timestamp;

/// Time constant of the allocation rate, seconds.
const ALLOCATION_SECONDS: f64 = 0.7;
/// How much of a lower, and of a higher, cost is believed at once.
const COST_DOWN: f64 = 0.5;
const COST_UP: f64 = 0.05;
/// The share of CPUs is a mean over this long.
const SHARE_OVER: Duration = Duration::from_secs(2);
/// Readings that the mean keeps: one each 50 ms, the shortest tick.
const MOST_SHARES: usize = 41;

/// Totals at one instant.
#[derive(Debug, Clone, Copy)]
struct Point {
    at: Timestamp,
    total: f64,
}

/// The rates of one process.
#[derive(Debug, Default)]
pub(super) struct Rates {
    allocated: Option<Point>,
    /// Bytes per second.
    allocation: Option<f64>,
    /// At the newest collection: its number and the CPU seconds until then.
    cycle: Option<(f64, f64)>,
    /// CPU seconds per byte that is marked.
    cost: Option<f64>,
    seconds: VecDeque<Point>,
    limiter_cycle: Option<f64>,
    limiter_fired: bool,
}

impl Rates {
    /// Takes a new look; one that was seen before changes nothing.
    pub(super) fn update(&mut self, sensed: &Sensed) {
        self.update_allocation(sensed);
        self.update_cost(sensed);
        self.update_seconds(sensed);
        let before = std::mem::replace(&mut self.limiter_cycle, sensed.limiter_cycle);
        self.limiter_fired = before.zip(sensed.limiter_cycle).is_some_and(|(before, now)| now > before);
    }

    fn update_allocation(&mut self, sensed: &Sensed) {
        let Some(total) = sensed.allocated else { return };
        let last = self.allocated.replace(Point { at: sensed.at, total });
        let Some(last) = last else { return };
        let seconds = sensed.at.since(last.at).as_secs_f64();
        if seconds <= 0.0 || total < last.total {
            return;
        }
        let rate = (total - last.total) / seconds;
        let weight = 1.0 - (-seconds / ALLOCATION_SECONDS).exp();
        self.allocation = Some(self.allocation.map_or(rate, |known| known + weight * (rate - known)));
    }

    fn update_cost(&mut self, sensed: &Sensed) {
        let Some(now) = sensed.cycles.zip(sensed.gc_seconds) else { return };
        let Some((cycles, seconds)) = self.cycle else {
            self.cycle = Some(now);
            return;
        };
        if now.0 == cycles {
            return;
        }
        self.cycle = Some(now);
        let marked = sensed.marked() * (now.0 - cycles);
        if now.0 < cycles || now.1 < seconds || marked <= 0.0 {
            return;
        }
        let cost = (now.1 - seconds) / marked;
        self.cost =
            Some(self.cost.map_or(cost, |known| {
                known + if cost < known { COST_DOWN } else { COST_UP } * (cost - known)
            }));
    }

    fn update_seconds(&mut self, sensed: &Sensed) {
        let Some(total) = sensed.gc_seconds else { return };
        if self.seconds.back().is_some_and(|last| total < last.total || sensed.at < last.at) {
            self.seconds.clear();
        }
        if self.seconds.back().is_some_and(|last| last.at == sensed.at) {
            return;
        }
        self.seconds.push_back(Point { at: sensed.at, total });
        // The first one left is at least as old as the window is long, if there is one.
        let old_enough = |point: &Point| sensed.at.since(point.at) >= SHARE_OVER;
        while self.seconds.len() > MOST_SHARES || self.seconds.get(1).is_some_and(old_enough) {
            self.seconds.pop_front();
        }
    }

    /// Bytes per second; `None`: not known yet.
    pub(super) const fn allocation(&self) -> Option<f64> {
        self.allocation
    }

    /// CPU seconds per byte that is marked; `None`: not known yet.
    pub(super) const fn cost(&self) -> Option<f64> {
        self.cost
    }

    /// CPU seconds per second that collections take at 100 percent.
    pub(super) fn price(&self) -> Option<f64> {
        Some(self.allocation? * self.cost?)
    }

    /// Share of usable CPUs that collections took over the last two seconds.
    pub(super) fn share(&self, sensed: &Sensed) -> Option<f64> {
        let measured = || {
            let (first, last) = (self.seconds.front()?, self.seconds.back()?);
            let passed = last.at.since(first.at);
            (passed >= SHARE_OVER).then(|| (last.total - first.total) / passed.as_secs_f64())
        };
        measured().zip(sensed.cpus).map(|(seconds, cpus)| seconds / cpus).or(sensed.gc_ratio)
    }

    /// Whether the runtime limited the CPU time of a collection since the last look.
    pub(super) const fn limiter_fired(&self) -> bool {
        self.limiter_fired
    }
}
