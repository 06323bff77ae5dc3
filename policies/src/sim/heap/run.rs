//! A run: a workload, a tuner, a seed, and what came of it.

use fastrand::Rng;

use super::container::Quota;
use super::peers::Tuner;
use super::runtime::{Runtime, Share};
use super::scenario::Workload;
use super::service::Service;
use super::setpoint::Setpoint;

/// Length of a step, seconds.
pub const STEP: f64 = 0.005;
/// A second in which collections take more of the CPUs than this is bad.
const BAD_SHARE: f64 = 0.30;

/// Who tunes.
#[expect(missing_debug_implementations, reason = "a tuner is whatever implements the trait")]
pub enum Hand {
    /// A tuner inside the process.
    Inside(Box<dyn Tuner>),
    /// Our engine, with a tuner for what it leaves alone.
    Setpoint(Box<Setpoint>, Box<dyn Tuner>),
}

/// Everything that moves.
#[derive(Debug)]
pub struct World {
    /// Seconds since the start.
    pub now: f64,
    /// Its heap.
    pub runtime: Runtime,
    /// Its calls.
    pub service: Service,
    /// Its CPU quota.
    pub quota: Quota,
    /// Memory limit, bytes.
    pub limit: f64,
    /// Working set, bytes.
    pub working: f64,
    /// Threads that run application code.
    pub threads: u32,
    /// Calls that may be in flight.
    pub calls: f64,
    /// CPU seconds used so far.
    pub used: f64,
    /// How long runnable calls wait for a thread at worst, seconds; fades.
    pub wait: f64,
    /// Threads that hang in the kernel.
    pub blocked: f64,
}

/// What came of a run. Times in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// When the kernel killed it.
    pub killed_at: Option<f64>,
    /// When it had drained.
    pub drained_at: Option<f64>,
    /// When it was told to drain.
    pub told_at: Option<f64>,
    /// Collections since the warm-up.
    pub cycles: u64,
    /// CPU time of collections over that of usable CPUs, since the warm-up.
    pub gc_ratio: f64,
    /// Seconds in which collections took over 30 % of usable CPUs.
    pub bad_seconds: u32,
    /// Share of calls since the warm-up that were answered in time.
    pub in_time: f64,
    /// Calls answered in time since the warm-up.
    pub answered: u64,
    /// Latency.
    pub p50: f64,
    /// Latency.
    pub p99: f64,
    /// Highest working set over the limit.
    pub peak: f64,
    /// Share of time that the process was throttled, since the warm-up.
    pub throttled: f64,
    /// Setpoints put in force.
    pub pushes: u32,
    /// Soft limit of the runtime and memory limit, every tenth of a second.
    pub limits: Vec<(f64, f64)>,
    /// Threads, every tenth of a second.
    pub threads: Vec<u32>,
}

/// Runs a workload.
pub fn run(workload: &Workload, mut hand: Hand, seed: u64) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let mut world = World::new(workload);
    let mut tally = Tally::default();
    let (Hand::Inside(tuner) | Hand::Setpoint(_, tuner)) = &mut hand;
    tuner.start(&mut world.runtime, world.limit);
    for step in 0..(workload.seconds / STEP) as u64 {
        world.now = step as f64 * STEP;
        let collected = world.step(workload, &mut rng);
        if collected {
            let (Hand::Inside(tuner) | Hand::Setpoint(_, tuner)) = &mut hand;
            tuner.collected(world.now, &mut world.runtime);
        }
        if let Hand::Setpoint(setpoint, _) = &mut hand {
            setpoint.step(step, &mut world);
        }
        tally.step(step, workload, &world);
        if world.working > world.limit {
            tally.outcome.killed_at = Some(world.now);
            tally.lose(workload, &mut world, &mut rng);
            break;
        }
        if world.service.draining {
            tally.outcome.told_at.get_or_insert(world.now);
            if world.service.in_flight() == 0 {
                tally.outcome.drained_at = Some(world.now);
                break;
            }
        }
    }
    let pushes = if let Hand::Setpoint(setpoint, _) = &hand { setpoint.pushes() } else { 0 };
    tally.finish(workload, &world, pushes)
}

impl World {
    fn new(workload: &Workload) -> Self {
        Self {
            now: 0.0,
            runtime: Runtime::new(workload.mark_cost),
            service: Service::new(workload),
            quota: Quota::new(workload.quota),
            limit: workload.limit.at(0.0),
            working: 0.0,
            threads: workload.threads,
            calls: f64::INFINITY,
            used: 0.0,
            wait: 0.0,
            blocked: 0.0,
        }
    }

    /// CPUs that can be used.
    pub fn cpus(&self, workload: &Workload) -> f64 {
        f64::from(self.threads).min(workload.cores).min(workload.quota.unwrap_or(f64::INFINITY))
    }

    fn step(&mut self, workload: &Workload, rng: &mut Rng) -> bool {
        let now = self.now;
        self.service.arrive(now, STEP, self.calls, rng);
        let begun = self.service.begin(now, self.runtime.room(STEP));
        let threads = f64::from(self.threads).min(workload.cores);
        // A thread that hangs in the kernel takes its place along.
        let places = 1.0 + workload.stall;
        let runnable = f64::from(self.service.runnable(now));
        let running = runnable.min(threads / places);
        let share = self.runtime.share(STEP, threads, (threads - running * places).max(0.0));
        let marking = share.marking + share.idle;
        let room = ((threads * STEP - marking) / places).max(0.0);
        let wanted = (runnable * STEP).min(room) + marking;
        let granted = self.quota.take(wanted, STEP);
        let part = if wanted > 0.0 { granted / wanted } else { 1.0 };
        let share = Share { marking: share.marking * part, idle: share.idle * part };
        let before = self.grown(workload, now);
        let done = self.service.compute(now, STEP, (room * part).min(runnable * STEP * part));
        self.used += done.used + share.marking + share.idle;
        self.blocked = done.used / STEP * workload.stall;
        let stood = STEP * (1.0 - part) + (runnable - running).max(0.0) / threads.max(1.0) * workload.work;
        self.wait = stood.max(self.wait * (1.0 - STEP));
        let allocated = begun + done.allocated + before;
        let alive = workload.kept.at(now) + self.burst(workload, now) + self.service.held();
        let calls = f64::from(self.service.in_flight());
        let ended = self.runtime.step(STEP, share, done.used, allocated, alive, calls);
        self.limit = workload.limit.at(now);
        self.working = self.runtime.memory() + workload.neighbour.at(now);
        ended
    }

    /// Bytes by which what is kept has grown in this step: they were allocated.
    fn grown(&self, workload: &Workload, now: f64) -> f64 {
        let kept = |at: f64| workload.kept.at(at) + self.burst(workload, at);
        if now == 0.0 { kept(0.0) } else { (kept(now) - kept(now - STEP)).max(0.0) }
    }

    /// What a burst keeps alive: it rises over a fifth of a second, and is gone after one.
    #[expect(clippy::unused_self, reason = "a part of the world as it is now")]
    fn burst(&self, workload: &Workload, at: f64) -> f64 {
        let Some((bytes, period)) = workload.burst else { return 0.0 };
        let into = at % period;
        if into < 1.0 { bytes * (into / 0.2).min(1.0) } else { 0.0 }
    }
}

/// Counts as a run goes on.
#[derive(Debug, Default)]
struct Tally {
    outcome: Outcome,
    start: Option<(u64, f64, f64)>,
    second: f64,
}

impl Tally {
    fn step(&mut self, step: u64, workload: &Workload, world: &World) {
        if world.now >= workload.warm_up {
            let runtime = &world.runtime;
            self.start.get_or_insert((runtime.cycles, runtime.gc_seconds, world.quota.throttled_seconds));
            self.outcome.peak = self.outcome.peak.max(world.working / world.limit);
        }
        if step.is_multiple_of(20) {
            self.outcome.limits.push((world.runtime.limit, world.limit));
            self.outcome.threads.push(world.threads);
        }
        if step.is_multiple_of(200) {
            let taken = world.runtime.gc_seconds - self.second;
            self.second = world.runtime.gc_seconds;
            self.outcome.bad_seconds += u32::from(taken / world.cpus(workload) > BAD_SHARE);
        }
    }

    /// After a kill nobody answers what still comes.
    #[expect(clippy::unused_self, reason = "the counts are the service's")]
    fn lose(&self, workload: &Workload, world: &mut World, rng: &mut Rng) {
        world.service.draining = true;
        let first = (world.now / STEP) as u64 + 1;
        for step in first..(workload.seconds / STEP) as u64 {
            world.service.arrive(step as f64 * STEP, STEP, 0.0, rng);
        }
    }

    fn finish(mut self, workload: &Workload, world: &World, pushes: u32) -> Outcome {
        let runtime = &world.runtime;
        let now = (runtime.cycles, runtime.gc_seconds, world.quota.throttled_seconds);
        let (cycles, gc_seconds, throttled) = self.start.unwrap_or(now);
        let passed = (world.now - workload.warm_up).max(STEP);
        let outcome = &mut self.outcome;
        outcome.cycles = runtime.cycles - cycles;
        outcome.gc_ratio = (runtime.gc_seconds - gc_seconds) / passed / world.cpus(workload);
        outcome.throttled = (world.quota.throttled_seconds - throttled) / passed;
        outcome.answered = world.service.in_time;
        outcome.in_time = world.service.in_time as f64 / world.service.arrived.max(1) as f64;
        outcome.p50 = world.service.percentile(0.5).unwrap_or(f64::NAN);
        outcome.p99 = world.service.percentile(0.99).unwrap_or(f64::NAN);
        outcome.pushes = pushes;
        self.outcome
    }
}
