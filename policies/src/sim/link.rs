//! Our engine as a [`Law`]: the counters of an SDK here, the engine of a sidecar there, and messages between them that take
//! time and get lost.
//!
//! Reports are totals and the engine's state goes out again whenever the limit that was read back is another one, so a lost
//! message costs time and nothing else. The limiter and the engine each have their own 100 ms rhythm, as in a pod.

mod counters;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::controllers::adaptive_concurrency::AdaptiveConcurrency;
use crate::engine::Engine;
use crate::knob::{Kind, Knob, KnobName};
use crate::signal::Signals;
use crate::sim::law::{Arrival, Ended, Host, Law};
use crate::sim::scenario::{Link, Scenario};
use crate::snapshot::{Instance, InstanceId, Received, Snapshot};
use crate::spec::{Controller, Mode, PolicySet, PolicySpec};
use crate::time::Timestamp;
use crate::totals::{PRIORITIES, Totals};
use crate::value::Value;
use counters::Counters;

/// The knob that the simulated service has.
pub const KNOB: &str = "limit.inbound";

/// Share of the limit that each priority may use, highest first, as the SDK has it.
const SHARES: [f64; PRIORITIES] = [1.0, 1.0, 1.0, 0.85, 0.5];

/// Our policies with nothing set but what the scenario says: bounds, and the deadline where it may be known.
pub fn default_policies(scenario: &Scenario) -> PolicySet {
    let bounds = scenario.limit;
    let knob = KnobName::try_new(KNOB).expect("a valid name");
    let deadline = scenario.classes.iter().map(|class| class.deadline).fold(f64::INFINITY, f64::min);
    let deadline = scenario.deadline_known.then(|| Duration::from_secs_f64(deadline));
    let law =
        AdaptiveConcurrency::try_new(knob, bounds.min, bounds.max, Some(bounds.initial), Duration::ZERO)
            .and_then(|law| law.with_deadline(deadline))
            .expect("a scenario has sound bounds");
    let policy = PolicySpec { name: "inbound".into(), controller: Controller::AdaptiveConcurrency(law) };
    PolicySet { mode: Mode::Enforce, policies: vec![policy], ..PolicySet::observe_only() }
}

/// A limiter and the engine that tunes it.
#[derive(Debug)]
pub struct Connected {
    counters: Counters,
    limit: f64,
    caps: [u32; PRIORITIES],
    engine: Engine,
    instance: Instance,
    link: Link,
    rng: Rng,
    report_at: Timestamp,
    tick_at: Timestamp,
    reports: VecDeque<(Timestamp, Totals)>,
    pushes: VecDeque<(Timestamp, f64)>,
    log: Vec<(Timestamp, String)>,
}

impl Connected {
    /// The limiter of one instance, with an engine of its own that runs these policies.
    pub fn new(scenario: &Scenario, policies: &Arc<PolicySet>, instance: usize, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(instance as u64));
        let bounds = scenario.limit;
        let name = KnobName::try_new(KNOB).expect("a valid name");
        let knob = Knob::try_new(name, Kind::ConcurrencyLimit, bounds.min, bounds.max, bounds.initial)
            .expect("a scenario has sound bounds");
        let interval = Duration::from_secs_f64(scenario.link.interval);
        let mut connected = Self {
            counters: Counters::default(),
            limit: bounds.initial,
            caps: [0; PRIORITIES],
            engine: Engine::learning_for(Duration::ZERO, Arc::clone(policies), Timestamp::ZERO),
            instance: process(instance, knob),
            link: scenario.link,
            report_at: Timestamp::ZERO + interval.mul_f64(rng.f64()),
            tick_at: Timestamp::ZERO + interval,
            rng,
            reports: VecDeque::new(),
            pushes: VecDeque::new(),
            log: Vec::new(),
        };
        connected.put(bounds.initial);
        connected
    }

    fn put(&mut self, limit: f64) {
        self.limit = limit;
        self.caps = SHARES.map(|share| if limit < 1.0 { 0 } else { ((limit * share) as u32).max(1) });
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.link.interval)
    }

    /// When a message that is sent now arrives; `None` when it is lost.
    fn arrival(&mut self, now: Timestamp) -> Option<Timestamp> {
        let delay = self.link.delay + self.link.jitter * self.rng.f64();
        let lost = self.rng.f64() < self.link.loss;
        (!lost).then(|| now + Duration::from_secs_f64(delay))
    }

    fn report(&mut self, now: Timestamp) {
        let totals = self.counters.totals(now, self.limit);
        if let Some(at) = self.arrival(now) {
            self.reports.push_back((at, totals));
        }
    }

    fn receive(&mut self, now: Timestamp) {
        while let Some((at, totals)) = pop_due(&mut self.reports, now) {
            let knob = self.instance.knobs[0].name.clone();
            let newest = self.instance.totals.get(&knob).map(|received| received.totals.at_nanos);
            if newest.is_none_or(|newest| newest < totals.at_nanos) {
                self.instance.in_force.insert(knob.clone(), Value::Concurrency(totals.limit_in_force));
                self.instance.totals.insert(knob, Received { at, totals: Arc::new(totals) });
            }
        }
        while let Some((_, limit)) = pop_due(&mut self.pushes, now) {
            self.put(limit);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let snapshot = Snapshot { at: now, node: Signals::default(), instances: vec![self.instance.clone()] };
        let step = self.engine.step(&snapshot);
        let Some(decision) = step.decisions.first() else { return };
        let (from, to) = (decision.from.scalar(), decision.to.scalar());
        if from != to {
            self.log.push((now, format!("{from:.1} -> {to:.1}: {}", decision.reason)));
            if let Some(at) = self.arrival(now) {
                self.pushes.push_back((at, to));
            }
        }
    }
}

/// The oldest message, if it has arrived by now.
fn pop_due<T>(messages: &mut VecDeque<(Timestamp, T)>, now: Timestamp) -> Option<(Timestamp, T)> {
    if messages.front()?.0 <= now { messages.pop_front() } else { None }
}

fn process(instance: usize, knob: Knob) -> Instance {
    Instance {
        id: InstanceId(format!("instance-{instance}").into()),
        service: "simulated".into(),
        incarnation: 1,
        labels: Default::default(),
        in_force: BTreeMap::from([(knob.name.clone(), Value::Concurrency(knob.baseline))]),
        knobs: vec![Arc::new(knob)],
        totals: BTreeMap::new(),
        signals: Signals::default(),
    }
}

impl Law for Connected {
    fn admit(&mut self, call: &Arrival) -> bool {
        let cap = self.caps[usize::from(call.priority).min(PRIORITIES - 1)];
        self.counters.arrived(call, call.in_flight < cap)
    }

    fn ended(&mut self, call: &Ended) {
        self.counters.ended(call);
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let messages = [self.reports.front().map(|(at, _)| *at), self.pushes.front().map(|(at, _)| *at)];
        let timers = [self.report_at, self.tick_at];
        timers.into_iter().chain(messages.into_iter().flatten()).min()
    }

    fn wake(&mut self, now: Timestamp, _host: &Host) {
        self.receive(now);
        if self.report_at <= now {
            self.report_at += self.interval();
            self.report(now);
        }
        if self.tick_at <= now {
            self.tick_at += self.interval();
            self.tick(now);
        }
    }

    fn limit(&self) -> f64 {
        self.limit
    }

    fn take_log(&mut self) -> Vec<(Timestamp, String)> {
        std::mem::take(&mut self.log)
    }
}
