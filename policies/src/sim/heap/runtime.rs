//! A Go runtime's heap: when it collects, what that costs, and how much memory it holds.
//!
//! ```text
//! goal     = min(live + (live + roots) percent / 100, 0.97 (limit - overhead)), at least live
//! trigger  = where marking at a quarter of the threads ends at the goal, between 0.7 and 0.95 of the way to it
//! marking  : a quarter of the threads, and what idle ones there are; more (assists) where the goal would be missed; half
//!            of the CPU time at most once a bucket of one second per thread is full (the runtime's CPU limiter)
//! survives : what was alive when marking began, and all that was allocated meanwhile
//! ```
//!
//! A collection begins when somebody allocates, so when there are calls: one that idles keeps its garbage, whatever its
//! limit, until it is asked to collect.

use crate::envelope::Setting;

const MI: f64 = 1024.0 * 1024.0;
/// Overhead: code, caches, structures; a part of the heap for spans that are not full; a stack for each call.
const BASE_OVERHEAD: f64 = 12.0 * MI;
const SPAN_OVERHEAD: f64 = 0.03;
const STACK: f64 = 8.0 * 1024.0;
const ROOTS: f64 = MI;
const SMALLEST_HEAP: f64 = 4.0 * MI;
/// The runtime keeps this much more than the goal mapped, and unmaps the rest so fast.
const RETAINED: f64 = 1.1;
const SCAVENGED_PER_SECOND: f64 = 64.0 * MI;
/// What can be allocated beyond the goal of a collection that is late.
/// Fresh memory that can be touched at all.
const FRESH_PER_SECOND: f64 = 2000.0 * MI;
const MOST_CREDIT: f64 = 20.0 * MI;
const TRICKLE_PER_SECOND: f64 = 100.0 * MI;

/// A collection under way.
#[derive(Debug, Clone, Copy)]
struct Marking {
    work_left: f64,
    live_at_start: f64,
    allocated: f64,
}

/// The heap of one process. Bytes, CPU seconds.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Growth between collections over what is alive; infinite: off.
    pub ratio: f64,
    /// Soft limit; infinite: none.
    pub limit: f64,
    /// Found alive by the newest collection.
    pub live: f64,
    /// Objects, dead ones too.
    pub objects: f64,
    /// Mapped for objects.
    pub mapped: f64,
    /// Objects at the end of the newest marking, before they were swept.
    pub before_sweep: f64,
    /// Allocated so far.
    pub allocated: f64,
    /// Collections so far.
    pub cycles: u64,
    /// CPU time of collections so far, without idle threads.
    pub gc_seconds: f64,
    /// The newest collection whose CPU time was limited.
    pub limiter_cycle: u64,
    mark_cost: f64,
    calls: f64,
    threads: f64,
    bucket: f64,
    limited: bool,
    marking: Option<Marking>,
    /// A collection that was asked for, and whether pages go back after it.
    asked: Option<bool>,
    /// What the trickle has let through and nobody took.
    credit: f64,
    /// Bytes per second, lately.
    allocation: f64,
}

/// What a step may use and wants.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// CPU seconds for marking that count.
    pub marking: f64,
    /// CPU seconds of idle threads.
    pub idle: f64,
}

impl Runtime {
    /// A runtime as it starts: 100 percent, no limit.
    pub fn new(mark_cost: f64) -> Self {
        Self {
            ratio: 1.0,
            limit: f64::INFINITY,
            live: 0.0,
            objects: 0.0,
            mapped: 0.0,
            before_sweep: 0.0,
            allocated: 0.0,
            cycles: 0,
            gc_seconds: 0.0,
            limiter_cycle: 0,
            mark_cost,
            calls: 0.0,
            threads: 1.0,
            bucket: 0.0,
            limited: false,
            marking: None,
            asked: None,
            credit: 0.0,
            allocation: 0.0,
        }
    }

    /// Stacks and globals.
    pub const fn roots(&self) -> f64 {
        ROOTS
    }

    /// Neither objects nor free heap.
    pub fn overhead(&self) -> f64 {
        BASE_OVERHEAD + SPAN_OVERHEAD * self.objects + STACK * self.calls
    }

    /// What its own limit counts.
    pub fn memory(&self) -> f64 {
        self.mapped + self.overhead()
    }

    /// The size at which the running or next collection ends.
    pub fn goal(&self) -> f64 {
        let by_ratio =
            (self.live + (self.live + ROOTS) * self.ratio).max(SMALLEST_HEAP * self.ratio.min(1.0));
        by_ratio.min(0.97 * (self.limit - self.overhead())).max(self.live)
    }

    /// Bytes that calls may allocate at once in a step: up to the goal. Beyond it, who allocates has to help marking, and
    /// memory comes in a trickle; unless the CPU time for that is limited.
    pub fn room(&self, seconds: f64) -> f64 {
        if self.limited {
            return FRESH_PER_SECOND * seconds;
        }
        (self.goal() - self.objects).max(self.credit + TRICKLE_PER_SECOND * seconds)
    }

    /// Puts a setting in force.
    pub fn set(&mut self, setting: Setting) {
        if let Some(percent) = setting.percent {
            self.ratio = f64::from(percent) / 100.0;
        }
        if let Some(limit) = setting.memory_limit_bytes {
            self.limit = limit as f64;
        }
    }

    /// Asks for a collection, after which freed pages go back at once or at leisure.
    pub fn collect(&mut self, give_back: bool) {
        self.asked = Some(give_back);
    }

    /// CPU time for marking in a step of `seconds` on `threads`, of which `idle` would be idle.
    pub fn share(&mut self, seconds: f64, threads: f64, idle: f64) -> Share {
        self.threads = threads;
        let Some(marking) = &self.marking else { return Share { marking: 0.0, idle: 0.0 } };
        let left = (self.goal() - self.objects).max(0.0);
        let in_time =
            if self.allocation > 0.0 { marking.work_left * self.allocation / left.max(1.0) } else { 0.0 };
        let most = if self.limited { 0.5 } else { 0.9 };
        let share = in_time.clamp(0.25 * threads, most * threads) * seconds;
        let compulsory = share.min(marking.work_left);
        Share { marking: compulsory, idle: (idle * seconds).clamp(0.0, marking.work_left - compulsory) }
    }

    /// A step: `marking` as granted, `busy` CPU seconds of the application, bytes allocated, bytes alive at its end.
    /// True when a collection ended.
    pub fn step(
        &mut self,
        seconds: f64,
        share: Share,
        busy: f64,
        allocated: f64,
        alive: f64,
        calls: f64,
    ) -> bool {
        self.calls = calls;
        self.credit = (self.credit + TRICKLE_PER_SECOND * seconds - allocated).clamp(0.0, MOST_CREDIT);
        self.objects += allocated;
        self.allocated += allocated;
        self.allocation += (allocated / seconds - self.allocation) * (seconds / 0.1).min(1.0);
        self.gc_seconds += share.marking;
        self.fill_bucket(share.marking, busy, self.threads);
        let ended = match &mut self.marking {
            Some(marking) => {
                marking.work_left -= share.marking + share.idle;
                marking.allocated += allocated;
                marking.work_left <= 1e-9
            }
            None => false,
        };
        if ended {
            self.end_cycle();
        } else if self.marking.is_none() && (self.is_due() || self.asked.is_some()) {
            let live_at_start = alive.min(self.objects);
            let work_left = self.mark_cost * (live_at_start + ROOTS);
            self.marking = Some(Marking { work_left, live_at_start, allocated: 0.0 });
        }
        self.map(seconds);
        ended
    }

    fn is_due(&self) -> bool {
        self.calls > 0.0 && self.objects >= self.trigger()
    }

    fn end_cycle(&mut self) {
        let Some(marking) = self.marking.take() else { return };
        self.cycles += 1;
        if self.limited {
            self.limiter_cycle = self.cycles;
        }
        self.before_sweep = self.objects;
        self.live = (marking.live_at_start + marking.allocated).min(self.objects);
        self.objects = self.live;
        if self.asked.take() == Some(true) {
            self.mapped = self.objects;
        }
    }

    fn trigger(&self) -> f64 {
        let way = self.goal() - self.live;
        let marking = self.mark_cost * (self.live + ROOTS) / 0.5;
        (self.goal() - self.allocation * marking).clamp(self.live + 0.7 * way, self.live + 0.95 * way)
    }

    fn fill_bucket(&mut self, marking: f64, busy: f64, capacity: f64) {
        self.bucket = (self.bucket + marking - busy).clamp(0.0, capacity);
        self.limited = if self.limited { self.bucket > 0.0 } else { self.bucket >= capacity };
    }

    /// Maps what objects need, unmaps what nobody will.
    fn map(&mut self, seconds: f64) {
        let kept = (RETAINED * self.goal()).max(self.objects);
        if self.mapped > kept {
            self.mapped = (self.mapped - SCAVENGED_PER_SECOND * seconds).max(kept);
        }
        // Under its limit it unmaps before it maps.
        if self.calls > 0.0 {
            self.mapped = self.mapped.min((self.limit - self.overhead()).max(self.objects));
        }
        self.mapped = self.mapped.max(self.objects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a heap of `live` bytes that allocates `rate` bytes per second on two idle threads.
    fn cycles(ratio: f64, limit: f64, live: f64, rate: f64, seconds: f64) -> Runtime {
        let mut runtime = Runtime::new(1e-9);
        (runtime.ratio, runtime.limit) = (ratio, limit);
        let step = 0.005;
        runtime.step(step, Share { marking: 0.0, idle: 0.0 }, 0.0, live, live, 0.0);
        for _ in 0..(seconds / step) as u32 {
            let share = runtime.share(step, 2.0, 0.0);
            runtime.step(step, share, 0.1 * step, rate * step, live, 1.0);
        }
        runtime
    }

    #[test]
    fn cpu_time_of_collections_does_not_depend_on_the_live_heap() {
        let small = cycles(1.0, f64::INFINITY, 100.0 * MI, 200.0 * MI, 60.0);
        let large = cycles(1.0, f64::INFINITY, 400.0 * MI, 200.0 * MI, 60.0);
        assert!((small.gc_seconds / large.gc_seconds - 1.0).abs() < 0.3, "{small:?} {large:?}");
        let halved = cycles(2.0, f64::INFINITY, 100.0 * MI, 200.0 * MI, 60.0);
        assert!((small.gc_seconds / halved.gc_seconds - 2.0).abs() < 0.4, "{small:?} {halved:?}");
    }

    #[test]
    fn a_soft_limit_holds_the_memory_down_and_costs_collections() {
        let limit = 300.0 * MI;
        let held = cycles(8.0, limit, 100.0 * MI, 200.0 * MI, 30.0);
        assert!(held.memory() <= 1.02 * limit, "{}", held.memory() / MI);
        let tight = cycles(8.0, 140.0 * MI, 100.0 * MI, 200.0 * MI, 30.0);
        assert!(tight.cycles > 4 * held.cycles, "{} {}", tight.cycles, held.cycles);
    }
}
