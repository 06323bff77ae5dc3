//! Our engine as a [`Law`]: the limiter of an SDK with its reflex here, the engine of a sidecar there, and messages between
//! them that take time and get lost.
//!
//! Reports are totals and the engine's state goes out again whenever the limit that was read back is another one, so a lost
//! message costs time and nothing else. The limiter and the engine each have their own 100 ms rhythm, as in a pod.

mod counters;
mod limiter;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::controllers::adaptive_concurrency::AdaptiveConcurrency;
use crate::engine::Engine;
use crate::knob::{Kind, Knob, KnobName};
use crate::reflex;
use crate::signal::Signals;
use crate::sim::law::{Arrival, Ended, Host, Law};
use crate::sim::scenario::{Link, Scenario};
use crate::snapshot::{Instance, InstanceId, Received, Snapshot};
use crate::spec::{Controller, Mode, PolicySet, PolicySpec};
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::Value;
use limiter::{Limiter, Push};

/// The knob that the simulated service has.
pub const KNOB: &str = "limit.inbound";

/// Our policies with nothing set but what the scenario says: bounds, and the deadline where it may be known.
pub fn default_policies(scenario: &Scenario) -> PolicySet {
    let bounds = scenario.limit;
    let knob = KnobName::try_new(KNOB).expect("a valid name");
    let law =
        AdaptiveConcurrency::try_new(knob, bounds.min, bounds.max, Some(bounds.initial), Duration::ZERO)
            .and_then(|law| law.with_deadline(scenario.known_deadline()))
            .expect("a scenario has sound bounds");
    let policy = PolicySpec { name: "inbound".into(), controller: Controller::AdaptiveConcurrency(law) };
    PolicySet { mode: Mode::Enforce, policies: vec![policy], ..PolicySet::observe_only() }
}

/// A limiter and the engine that tunes it.
#[derive(Debug)]
pub struct Connected {
    limiter: Limiter,
    engine: Engine,
    instance: Instance,
    link: Link,
    rng: Rng,
    report_at: Timestamp,
    tick_at: Timestamp,
    watch_at: Timestamp,
    /// The limit that was in force goes with the counters.
    reports: VecDeque<(Timestamp, (Totals, f64))>,
    pushes: VecDeque<(Timestamp, Push)>,
    /// What was sent last.
    sent: Push,
    log: Vec<(Timestamp, String)>,
}

impl Connected {
    /// The limiter of one instance, with an engine of its own that runs these policies.
    pub fn new(scenario: &Scenario, policies: &Arc<PolicySet>, instance: usize, seed: u64) -> Self {
        let name = KnobName::try_new(KNOB).expect("a valid name");
        Self::named(name, scenario, policies, instance, seed)
    }

    /// The same for a limit of another name, which other policies of the set may be about.
    pub fn named(
        name: KnobName,
        scenario: &Scenario,
        policies: &Arc<PolicySet>,
        instance: usize,
        seed: u64,
    ) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(instance as u64));
        let bounds = scenario.limit;
        let knob = Knob::try_new(name, Kind::ConcurrencyLimit, bounds.min, bounds.max, bounds.initial)
            .expect("a scenario has sound bounds");
        // Declared with the limiter, as a service does, so that every policy hears of it.
        let knob = Knob { deadline: scenario.known_deadline(), ..knob };
        let interval = Duration::from_secs_f64(scenario.link.interval);
        Self {
            limiter: Limiter::new(bounds.initial, bounds.min, scenario.known_deadline()),
            engine: Engine::learning_for(Duration::ZERO, Arc::clone(policies), Timestamp::ZERO),
            instance: process(instance, knob),
            link: scenario.link,
            report_at: Timestamp::ZERO + interval.mul_f64(rng.f64()),
            tick_at: Timestamp::ZERO + interval,
            watch_at: Timestamp::ZERO + reflex::EVERY,
            rng,
            reports: VecDeque::new(),
            pushes: VecDeque::new(),
            sent: Push::of(bounds.initial),
            log: Vec::new(),
        }
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
        let report = self.limiter.report(now);
        if let Some(at) = self.arrival(now) {
            self.reports.push_back((at, report));
        }
    }

    fn receive(&mut self, now: Timestamp) {
        while let Some((at, (totals, limit))) = pop_due(&mut self.reports, now) {
            let knob = self.instance.knobs[0].name.clone();
            let newest = self.instance.totals.get(&knob).map(|received| received.totals.at_nanos);
            if newest.is_none_or(|newest| newest < totals.at_nanos) {
                self.instance.in_force.insert(knob.clone(), Value::Concurrency(limit));
                self.instance.totals.insert(knob, Received { at, totals: Arc::new(totals) });
            }
        }
        while let Some((_, push)) = pop_due(&mut self.pushes, now) {
            self.limiter.push(now, push);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let snapshot = Snapshot { at: now, node: Signals::default(), instances: vec![self.instance.clone()] };
        let step = self.engine.step(&snapshot);
        let Some(decision) = step.decisions.first() else { return };
        let (from, to) = (decision.from.scalar(), decision.to.scalar());
        if from != to {
            self.log.push((now, format!("{from:.1} -> {to:.1}: {}", decision.reason)));
        }
        let push = Push { limit: to, admission: decision.admission };
        if from != to || !push.resembles(&self.sent) {
            self.sent = push;
            if let Some(at) = self.arrival(now) {
                self.pushes.push_back((at, push));
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
        self.limiter.admit(call)
    }

    fn ended(&mut self, call: &Ended) {
        self.limiter.ended(call);
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let messages = [self.reports.front().map(|(at, _)| *at), self.pushes.front().map(|(at, _)| *at)];
        let timers = [self.report_at, self.tick_at, self.watch_at];
        timers.into_iter().chain(messages.into_iter().flatten()).min()
    }

    fn wake(&mut self, now: Timestamp, _host: &Host) {
        self.receive(now);
        if self.watch_at <= now {
            self.watch_at += reflex::EVERY;
            self.limiter.watch(now);
        }
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
        self.limiter.limit()
    }

    fn take_log(&mut self) -> Vec<(Timestamp, String)> {
        std::mem::take(&mut self.log)
    }
}
