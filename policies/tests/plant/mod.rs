//! A small deterministic plant: open-loop arrivals, a limiter, a FIFO pool of workers, a dependency behind it.
//!
//! Virtual time in nanoseconds; every 100 ms the limiter's counters go to the engine as the sidecar would hand them over,
//! and the limit it decides takes effect one tick later.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::controllers::adaptive_concurrency::AdaptiveConcurrency;
use setpoint_policies::engine::Engine;
use setpoint_policies::knob::{Kind, Knob, KnobName};
use setpoint_policies::signal::Signals;
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::spec::{Controller, Mode, PolicySet, PolicySpec};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::{SQUARE_UNIT_NANOS, Totals};
use setpoint_policies::value::Value;

const SECOND: u64 = 1_000_000_000;
const TICK: u64 = SECOND / 10;

/// What a run is like; rates in calls per second, times in seconds.
#[derive(Clone)]
pub struct Scenario {
    pub workers: fn(f64) -> usize,
    pub service: f64,
    /// 0 = always the same, 1 = exponential.
    pub spread: f64,
    pub dependency: fn(f64) -> f64,
    pub rate: fn(f64) -> f64,
    pub deadline: f64,
    /// Share of calls that end in overload whatever the limit is.
    pub dropped: fn(f64) -> f64,
    pub seconds: u64,
    pub limited: bool,
    pub seed: u64,
}

/// One second of a run.
#[derive(Clone, Debug, Default)]
pub struct Second {
    pub good: u64,
    pub arrived: u64,
    pub rejected: u64,
    pub limit: f64,
    pub latencies: Vec<f64>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Worked(u64),
    Answered(u64),
    Tick,
}

struct Rng(u64);

impl Rng {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }
}

pub struct Plant {
    scenario: Scenario,
    rng: Rng,
    now: u64,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    queue: VecDeque<u64>,
    busy: usize,
    limit: f64,
    next_limit: f64,
    totals: Totals,
    engine: Engine,
    knob: Arc<Knob>,
    pub seconds: Vec<Second>,
    pub log: Vec<String>,
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

impl Plant {
    pub fn new(scenario: Scenario) -> Self {
        let name = KnobName::try_new("limit.inbound").expect("valid");
        let law = AdaptiveConcurrency::try_new(name.clone(), 4.0, 2000.0, Some(50.0), Duration::ZERO)
            .expect("valid");
        let policy = PolicySpec { name: "inbound".into(), controller: Controller::AdaptiveConcurrency(law) };
        let policies = PolicySet { mode: Mode::Enforce, policies: vec![policy], ..PolicySet::observe_only() };
        let engine = Engine::learning_for(Duration::ZERO, Arc::new(policies), Timestamp::ZERO);
        let knob = Arc::new(Knob::try_new(name, Kind::ConcurrencyLimit, 1.0, 2000.0, 50.0).expect("valid"));
        let rng = Rng(scenario.seed);
        let limit = if scenario.limited { 50.0 } else { f64::INFINITY };
        Self {
            seconds: vec![Second::default(); scenario.seconds as usize + 1],
            scenario,
            rng,
            engine,
            knob,
            limit,
            next_limit: limit,
            now: 0,
            events: BinaryHeap::new(),
            queue: VecDeque::new(),
            busy: 0,
            totals: Totals::default(),
            log: Vec::new(),
        }
    }

    pub fn run(mut self) -> Self {
        self.at(0, Event::Arrival);
        self.at(TICK, Event::Tick);
        while let Some(Reverse((at, event))) = self.events.pop() {
            if at >= self.scenario.seconds * SECOND {
                break;
            }
            self.now = at;
            match event {
                Event::Arrival => self.arrive(),
                Event::Worked(admitted) => self.worked(admitted),
                Event::Answered(admitted) => self.answered(admitted),
                Event::Tick => self.tick(),
            }
        }
        self
    }

    fn at(&mut self, at: u64, event: Event) {
        self.events.push(Reverse((at, event)));
    }

    fn time(&self) -> f64 {
        self.now as f64 / 1e9
    }

    fn second(&mut self) -> &mut Second {
        &mut self.seconds[(self.now / SECOND) as usize]
    }

    fn arrive(&mut self) {
        let gap = self.rng.exponential() / (self.scenario.rate)(self.time());
        self.at(self.now + nanos(gap).max(1), Event::Arrival);
        self.second().arrived += 1;
        self.totals.arrived += 1;
        if self.totals.in_flight() as f64 >= self.limit.floor() {
            self.totals.rejected[2] += 1;
            self.totals.limited = true;
            self.second().rejected += 1;
            return;
        }
        self.totals.admitted += 1;
        self.totals.admit_time_sum = self.totals.admit_time_sum.wrapping_add(self.now);
        self.totals.in_flight_peak = self.totals.in_flight_peak.max(self.totals.in_flight());
        self.queue.push_back(self.now);
        self.dispatch();
    }

    fn dispatch(&mut self) {
        while self.busy < (self.scenario.workers)(self.time()) {
            let Some(admitted) = self.queue.pop_front() else { break };
            self.busy += 1;
            let spread = self.scenario.spread;
            let work = self.scenario.service * (1.0 - spread + spread * self.rng.exponential());
            self.at(self.now + nanos(work).max(1), Event::Worked(admitted));
        }
    }

    fn worked(&mut self, admitted: u64) {
        self.busy -= 1;
        let delay = (self.scenario.dependency)(self.time());
        self.at(self.now + nanos(delay), Event::Answered(admitted));
        self.dispatch();
    }

    fn answered(&mut self, admitted: u64) {
        let latency = self.now - admitted;
        let seconds = latency as f64 / 1e9;
        let dropped = (self.scenario.dropped)(self.time()) > 0.0
            && self.rng.uniform() < (self.scenario.dropped)(self.time());
        let t = &mut self.totals;
        if dropped {
            t.dropped += 1;
            t.release_time_sum = t.release_time_sum.wrapping_add(self.now);
            t.latency_sum += latency;
            return;
        }
        t.completed += 1;
        t.release_time_sum = t.release_time_sum.wrapping_add(self.now);
        t.latency_sum += latency;
        t.success_latency_sum += latency;
        let units = latency as f64 / SQUARE_UNIT_NANOS as f64;
        t.success_latency_sq_sum += (units * units) as u64;
        let good = seconds <= self.scenario.deadline;
        let second = self.second();
        second.good += u64::from(good);
        second.latencies.push(seconds);
    }

    /// Every 100 ms: report, decide, and let the previous decision take effect.
    fn tick(&mut self) {
        self.at(self.now + TICK, Event::Tick);
        self.totals.at_nanos = self.now;
        self.totals.limit_in_force = self.limit;
        let at = Timestamp::from_nanos(self.now);
        let received = Received { at, totals: Arc::new(self.totals.clone()) };
        self.totals.in_flight_peak = self.totals.in_flight();
        self.totals.limited = false;
        if self.scenario.limited {
            self.decide(at, received);
        }
        let limit = self.limit;
        self.second().limit = limit;
    }

    fn decide(&mut self, at: Timestamp, received: Received) {
        self.limit = self.next_limit;
        let instance = Instance {
            id: InstanceId("one".into()),
            service: "demo".into(),
            incarnation: 7,
            knobs: vec![Arc::clone(&self.knob)],
            in_force: BTreeMap::from([(self.knob.name.clone(), Value::Concurrency(self.limit))]),
            totals: BTreeMap::from([(self.knob.name.clone(), received)]),
            signals: Signals::default(),
        };
        let snapshot = Snapshot { at, node: Signals::default(), instances: vec![instance] };
        let step = self.engine.step(&snapshot);
        let decision = &step.decisions[0];
        if decision.to != decision.from {
            self.log.push(format!(
                "{:6.1} {:7.1} -> {:7.1}  {}",
                self.time(),
                decision.from.scalar(),
                decision.to.scalar(),
                decision.reason
            ));
        }
        self.next_limit = decision.to.scalar();
    }

    /// Answers within the deadline per second, between two times.
    pub fn goodput(&self, from: usize, to: usize) -> f64 {
        self.seconds[from..to].iter().map(|s| s.good).sum::<u64>() as f64 / (to - from) as f64
    }

    pub fn rejected_ratio(&self, from: usize, to: usize) -> f64 {
        let arrived: u64 = self.seconds[from..to].iter().map(|s| s.arrived).sum();
        self.seconds[from..to].iter().map(|s| s.rejected).sum::<u64>() as f64 / arrived as f64
    }

    pub fn percentile(&self, p: f64, from: usize, to: usize) -> f64 {
        let mut all: Vec<f64> =
            self.seconds[from..to].iter().flat_map(|s| s.latencies.iter().copied()).collect();
        all.sort_by(f64::total_cmp);
        all[((all.len() - 1) as f64 * p) as usize]
    }
}
