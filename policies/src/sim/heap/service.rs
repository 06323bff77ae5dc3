//! The service's calls: they wait, compute, keep memory alive, and are counted as an SDK counts them.

use std::collections::VecDeque;

use fastrand::Rng;

use super::scenario::Workload;
use crate::totals::{SQUARE_UNIT_NANOS, Totals};

/// Calls that came in the same step.
#[derive(Debug, Clone)]
struct Cohort {
    calls: u32,
    came: f64,
    /// When it got its memory; infinite before.
    began: f64,
    /// CPU seconds that each still needs.
    work: f64,
}

/// What a step of CPU time did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// CPU seconds used.
    pub used: f64,
    /// Bytes allocated.
    pub allocated: f64,
}

/// The calls in flight.
#[derive(Debug)]
pub struct Service {
    workload: Workload,
    cohorts: VecDeque<Cohort>,
    in_flight: u32,
    /// Of these, the ones that have got their memory.
    begun: u32,
    /// As the SDK's limiter counts.
    pub totals: Totals,
    /// Latencies of answers since the end of the warm-up, seconds, and how many calls each.
    pub latencies: Vec<(f32, u32)>,
    /// Calls that came, and that were answered in time, since the end of the warm-up.
    pub arrived: u64,
    /// See `arrived`.
    pub in_time: u64,
    /// No call is taken any more.
    pub draining: bool,
}

impl Service {
    /// A service without calls.
    pub fn new(workload: &Workload) -> Self {
        Self {
            workload: workload.clone(),
            cohorts: VecDeque::new(),
            in_flight: 0,
            begun: 0,
            totals: Totals::default(),
            latencies: Vec::new(),
            arrived: 0,
            in_time: 0,
            draining: false,
        }
    }

    /// Calls in flight.
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Calls come within a step; at most `limit` may be in flight.
    pub fn arrive(&mut self, now: f64, seconds: f64, limit: f64, rng: &mut Rng) {
        let came = poisson(self.workload.rate.at(now) * seconds, rng);
        let counted = now >= self.workload.warm_up;
        self.arrived += u64::from(if counted { came } else { 0 });
        self.totals.arrived += u64::from(came);
        if self.draining {
            return;
        }
        let room = (limit.max(0.0) as u32).saturating_sub(self.in_flight);
        let admitted = came.min(room);
        self.totals.limited |= came > room;
        self.totals.rejected[2] += u64::from(came - admitted);
        self.totals.admitted += u64::from(admitted);
        self.totals.admit_time_sum =
            self.totals.admit_time_sum.wrapping_add(nanos(now).wrapping_mul(u64::from(admitted)));
        self.in_flight += admitted;
        self.totals.in_flight_peak = self.totals.in_flight_peak.max(u64::from(self.in_flight));
        if admitted > 0 {
            let work = self.workload.work;
            self.cohorts.push_back(Cohort { calls: admitted, came: now, began: f64::INFINITY, work });
        }
    }

    /// Calls that came get the memory that they keep, in their order, as long as there is `room`; gives the bytes.
    pub fn begin(&mut self, now: f64, room: f64) -> f64 {
        let first = self.cohorts.partition_point(|cohort| cohort.began.is_finite());
        let mut taken = 0.0;
        for cohort in self.cohorts.iter_mut().skip(first) {
            let bytes = f64::from(cohort.calls) * self.workload.held;
            if taken + bytes > room {
                break;
            }
            cohort.began = now;
            self.begun += cohort.calls;
            taken += bytes;
        }
        taken
    }

    /// Calls that want a CPU now.
    pub fn runnable(&self, now: f64) -> u32 {
        self.waited(now).map(|cohort| cohort.calls).sum()
    }

    fn waited(&self, now: f64) -> impl Iterator<Item = &Cohort> {
        let wait = self.workload.wait;
        self.cohorts.iter().take_while(move |cohort| cohort.began + wait <= now)
    }

    /// Shares CPU seconds among the runnable calls, alike, each at most one CPU; those that are done leave.
    pub fn compute(&mut self, now: f64, seconds: f64, mut available: f64) -> Done {
        let mut done = Done::default();
        let (wait, work, garbage) = (self.workload.wait, self.workload.work, self.workload.garbage);
        // Twice, so that what the finished ones leave over is used.
        for _ in 0..2 {
            let runnable = self.runnable(now);
            if runnable == 0 || available <= 0.0 {
                break;
            }
            let each = (available / f64::from(runnable)).min(seconds);
            for cohort in self.cohorts.iter_mut().take_while(|cohort| cohort.began + wait <= now) {
                let used = each.min(cohort.work);
                cohort.work -= used;
                done.used += used * f64::from(cohort.calls);
                available -= used * f64::from(cohort.calls);
            }
            self.finish(now + seconds);
        }
        done.allocated = done.used / work * garbage;
        done
    }

    fn finish(&mut self, now: f64) {
        let mut kept = VecDeque::with_capacity(self.cohorts.len());
        for cohort in std::mem::take(&mut self.cohorts) {
            if cohort.work > 1e-12 {
                kept.push_back(cohort);
            } else {
                self.count(&cohort, now);
            }
        }
        self.cohorts = kept;
    }

    fn count(&mut self, cohort: &Cohort, now: f64) {
        let (calls, latency) = (u64::from(cohort.calls), now - cohort.came);
        let in_time = latency <= self.workload.deadline;
        self.in_flight -= cohort.calls;
        self.begun -= cohort.calls;
        let totals = &mut self.totals;
        totals.completed += calls;
        totals.late += if in_time { 0 } else { calls };
        totals.release_time_sum = totals.release_time_sum.wrapping_add(nanos(now).wrapping_mul(calls));
        totals.latency_sum = totals.latency_sum.wrapping_add(nanos(latency).wrapping_mul(calls));
        totals.success_latency_sum = totals.latency_sum;
        let units = latency * 1e9 / SQUARE_UNIT_NANOS as f64;
        totals.success_latency_sq_sum += (units * units) as u64 * calls;
        if now >= self.workload.warm_up {
            self.latencies.push((latency as f32, cohort.calls));
            self.in_time += if in_time { calls } else { 0 };
        }
    }

    /// Bytes that the calls in flight keep alive.
    pub fn held(&self) -> f64 {
        f64::from(self.begun) * self.workload.held
    }

    /// A percentile, 0 to 1, of the latencies, seconds.
    pub fn percentile(&self, rank: f64) -> Option<f64> {
        let mut all = self.latencies.clone();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let calls: u64 = all.iter().map(|(_, calls)| u64::from(*calls)).sum();
        let mut left = (calls as f64 * rank).ceil() as u64;
        let found = all.iter().find(|(_, calls)| {
            left = left.saturating_sub(u64::from(*calls));
            left == 0
        });
        found.map(|(latency, _)| f64::from(*latency))
    }
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// A Poisson number by Knuth's product; means of a step are small.
fn poisson(mean: f64, rng: &mut Rng) -> u32 {
    let floor = (-mean).exp();
    let (mut product, mut count) = (rng.f64(), 0);
    while product > floor {
        product *= rng.f64();
        count += 1;
    }
    count
}
