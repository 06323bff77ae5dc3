//! Our engine and the SDK beside it: reports and decisions every 100 ms, the envelope evaluated after each collection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::run::World;
use super::scenario::Workload;
use crate::engine::Engine;
use crate::envelope::{GcTarget, Heap};
use crate::knob::{Kind, Knob, KnobName, Restrictive};
use crate::signal::{Signal, Signals};
use crate::snapshot::{Instance, InstanceId, Received, Snapshot};
use crate::spec::{Controller, Mode, PolicySet, PolicySpec};
use crate::time::Timestamp;
use crate::value::Value;

/// Steps between two reports, and from a decision to its effect.
const REPORT_STEPS: u64 = 20;
const DELAY_STEPS: u64 = 2;
/// SDKs give pages back no more often than this, seconds.
const RETURN_EVERY: f64 = 30.0;
/// Reports over which CPU use and throttling are means.
const MEAN_OVER: usize = 10;

/// Totals at a report: CPU seconds, periods, throttled periods, throttled seconds.
type Used = (f64, u64, u64, f64);

/// Engine and SDK.
#[derive(Debug)]
pub struct Setpoint {
    engine: Engine,
    knobs: Vec<Arc<Knob>>,
    cores: f64,
    quota: Option<f64>,
    in_force: BTreeMap<KnobName, Value>,
    /// When, and what is to be put in force then.
    on_the_way: VecDeque<(u64, BTreeMap<KnobName, Value>)>,
    used: VecDeque<Used>,
    target: Option<GcTarget>,
    /// When pages were given back last.
    returned: Option<f64>,
    price: Price,
    cycles: u64,
    pushes: u32,
}

/// What the SDK knows of the cost of its collections.
#[derive(Debug, Default)]
struct Price {
    last: Option<(f64, f64, f64, u64)>,
    cost: Option<f64>,
}

impl Price {
    /// CPU seconds per second that collections take at 100 percent.
    fn update(&mut self, world: &World) -> Option<f64> {
        let runtime = &world.runtime;
        let now = (world.now, runtime.allocated, runtime.gc_seconds, runtime.cycles);
        let Some(last) = self.last.replace(now) else { return self.cost };
        let seconds = now.0 - last.0;
        let marked = (now.3 - last.3) as f64 * (runtime.live + runtime.roots());
        if seconds > 0.0 && marked > 0.0 {
            self.cost = Some((now.1 - last.1) / seconds * (now.2 - last.2) / marked);
        }
        self.cost
    }
}

/// A knob of the simulated process.
fn knob(name: &str, kind: Kind, min: f64, max: f64, baseline: f64) -> Arc<Knob> {
    let name = KnobName::try_new(name).expect("a plain name");
    let restrictive = if kind == Kind::Switch { Restrictive::Higher } else { Restrictive::Lower };
    let knob = Knob::try_new(name, kind, min, max, baseline).expect("sound bounds");
    Arc::new(if kind == Kind::GcTarget { knob } else { Knob { restrictive, ..knob } })
}

impl Setpoint {
    /// The engine with these controllers, for a process of `workload`.
    pub fn new(workload: &Workload, controllers: Vec<Controller>) -> Self {
        let named = |controller: Controller| PolicySpec { name: controller.name().into(), controller };
        let policies = PolicySet {
            mode: Mode::Enforce,
            policies: controllers.into_iter().map(named).collect(),
            ..PolicySet::observe_only()
        };
        let cores = workload.cores;
        Self {
            engine: Engine::new(Arc::new(policies), Timestamp::ZERO),
            knobs: vec![
                knob("gc", Kind::GcTarget, 1.0, 10_000.0, 100.0),
                knob("limit.inbound", Kind::ConcurrencyLimit, 4.0, 4000.0, 4000.0),
                knob("drain", Kind::Switch, 0.0, 1.0, 0.0),
                knob("parallelism", Kind::Parallelism, 1.0, 4.0 * cores, cores),
            ],
            cores,
            quota: workload.quota,
            in_force: BTreeMap::new(),
            on_the_way: VecDeque::new(),
            used: VecDeque::new(),
            target: None,
            returned: None,
            price: Price::default(),
            cycles: 0,
            pushes: 0,
        }
    }

    /// Setpoints put in force.
    pub const fn pushes(&self) -> u32 {
        self.pushes
    }

    /// A step of the world has passed.
    pub fn step(&mut self, step: u64, world: &mut World) {
        if step.is_multiple_of(REPORT_STEPS) {
            let decided = self.decide(world);
            self.on_the_way.push_back((step + DELAY_STEPS, decided));
        }
        while let Some((at, values)) = self.on_the_way.front()
            && *at <= step
        {
            let values = values.clone();
            self.on_the_way.pop_front();
            values.into_iter().for_each(|(name, value)| self.put(name, value, world));
        }
        // The SDK looks every 100 ms whether a collection has ended.
        if step.is_multiple_of(REPORT_STEPS) && world.runtime.cycles != self.cycles {
            self.cycles = world.runtime.cycles;
            self.evaluate(world);
        }
    }

    fn put(&mut self, name: KnobName, value: Value, world: &mut World) {
        if self.in_force.get(&name) == Some(&value) {
            return;
        }
        self.pushes += 1;
        match value {
            Value::Gc(target) => self.put_target(target, world),
            Value::Concurrency(limit) => world.calls = limit,
            Value::Switch(on) => world.service.draining |= on,
            Value::Parallelism { threads, .. } => world.threads = threads,
            _ => {}
        }
        self.in_force.insert(name, value);
    }

    fn put_target(&mut self, target: GcTarget, world: &mut World) {
        let before = self.target.replace(target);
        self.evaluate(world);
        let turns = |wish: fn(&GcTarget) -> bool| wish(&target) && !before.as_ref().is_some_and(wish);
        let may = self.returned.is_none_or(|at| world.now - at >= RETURN_EVERY);
        let give_back = may && turns(|target| target.return_memory);
        if give_back {
            self.returned = Some(world.now);
        }
        if give_back || turns(|target| target.collect) {
            world.runtime.collect(give_back);
        }
    }

    fn evaluate(&mut self, world: &mut World) {
        let cost = self.price.update(world);
        let Some(target) = &self.target else { return };
        let cpus = f64::from(world.threads).min(self.quota.unwrap_or(f64::INFINITY));
        let (live, roots, overhead) = (world.runtime.live, world.runtime.roots(), world.runtime.overhead());
        let setting = target.evaluate(&Heap { live, roots, overhead, cost, cpus: Some(cpus) });
        world.runtime.set(setting);
    }

    fn decide(&mut self, world: &mut World) -> BTreeMap<KnobName, Value> {
        let at = Timestamp::ZERO + Duration::from_secs_f64(world.now);
        let limiter = KnobName::try_new("limit.inbound").expect("a plain name");
        let totals = &mut world.service.totals;
        totals.at_nanos = at.as_nanos();
        totals.limit_in_force = world.calls;
        let received = Received { at, totals: Arc::new(totals.clone()) };
        (totals.in_flight_peak, totals.limited) = (totals.in_flight(), false);
        let instance = Instance {
            id: InstanceId("sim/1".into()),
            service: "sim".into(),
            incarnation: 1,
            labels: Default::default(),
            knobs: self.knobs.clone(),
            in_force: self.in_force.clone(),
            totals: [(limiter, received)].into(),
            signals: self.signals(world, at),
        };
        let snapshot = Snapshot { at, node: Signals::default(), instances: vec![instance] };
        self.engine.step(&snapshot).decisions.into_iter().map(|d| (d.knob, d.to)).collect()
    }

    fn signals(&mut self, world: &World, at: Timestamp) -> Signals {
        let runtime = &world.runtime;
        let mut signals = Signals::default();
        let mut set = |signal, value: f64| signals.set(signal, value, at);
        set(Signal::MemoryLimitBytes, world.limit);
        set(Signal::MemoryWorkingSetRatio, world.working / world.limit);
        set(Signal::ProcessAnonBytes, runtime.memory());
        set(Signal::RuntimeMemoryBytes, runtime.memory());
        set(Signal::RuntimeOverheadBytes, runtime.overhead());
        set(Signal::HeapLiveBytes, runtime.live);
        set(Signal::HeapRootsBytes, runtime.roots());
        set(Signal::HeapObjectsBytes, runtime.objects);
        set(Signal::HeapGoalBytes, runtime.goal());
        set(Signal::HeapAllocatedBytes, runtime.allocated);
        set(Signal::GcCycles, runtime.cycles as f64);
        set(Signal::GcCpuSeconds, runtime.gc_seconds);
        set(Signal::GcLimiterCycle, runtime.limiter_cycle as f64);
        set(Signal::RuntimeParallelism, f64::from(world.threads));
        set(Signal::SchedulerLatency, world.wait);
        set(Signal::BlockedThreads, world.blocked);
        set(Signal::RunDelayCores, 0.0);
        set(Signal::CpuAffinityCores, self.cores);
        signals.set_known(Signal::CpuQuotaCores, self.quota, at);
        self.cpu_signals(world, at, &mut signals);
        signals
    }

    /// CPU use and throttling over the newest second, once there is one.
    fn cpu_signals(&mut self, world: &World, at: Timestamp, signals: &mut Signals) {
        let quota = &world.quota;
        self.used.push_back((world.used, quota.periods, quota.throttled_periods, quota.throttled_seconds));
        if self.used.len() > MEAN_OVER {
            let now = self.used[self.used.len() - 1];
            let first = self.used.pop_front().unwrap_or(now);
            let seconds = 0.1 * MEAN_OVER as f64;
            let periods = now.1 - first.1;
            signals.set(Signal::CpuUsedCores, (now.0 - first.0) / seconds, at);
            if periods > 0 {
                let throttled = (now.2 - first.2) as f64 / periods as f64;
                signals.set(Signal::ThrottledRatio, throttled, at);
                signals.set(Signal::ThrottledTimeRatio, (now.3 - first.3) / seconds, at);
            }
        }
    }
}
