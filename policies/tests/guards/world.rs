//! One process beside one engine. Each step tells what the process reports and puts in force what was decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::alert::Firing;
use setpoint_policies::engine::{Engine, Step};
use setpoint_policies::knob::{Kind, Knob, KnobName, READINESS, Restrictive};
use setpoint_policies::signal::{Signal, Signals};
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::spec::{Controller, Mode, PolicySet, PolicySpec};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

pub fn name(name: &str) -> KnobName {
    KnobName::try_new(name).expect("valid")
}

pub fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

pub struct World {
    engine: Engine,
    pub now: Duration,
    pub tick: Duration,
    pub totals: Totals,
    /// What the process reports of itself; read again in every step.
    pub signals: BTreeMap<Signal, f64>,
    /// Nothing is reported while it is silent, and what was reported grows old.
    pub silent: bool,
    pub in_force: BTreeMap<KnobName, Value>,
    pub incarnation: u64,
    pub newest: Step,
    reported: (Signals, BTreeMap<KnobName, Received>),
}

impl World {
    pub fn new(controllers: impl IntoIterator<Item = Controller>) -> Self {
        Self {
            engine: Engine::learning_for(Duration::ZERO, set(controllers), Timestamp::ZERO),
            now: Duration::from_secs(1),
            tick: Duration::from_secs(1),
            totals: Totals::default(),
            signals: BTreeMap::new(),
            silent: false,
            in_force: BTreeMap::new(),
            incarnation: 1,
            newest: Step::default(),
            reported: Default::default(),
        }
    }

    pub fn replace(&mut self, controllers: impl IntoIterator<Item = Controller>) {
        self.engine.replace(set(controllers));
    }

    pub fn at(&self) -> Timestamp {
        Timestamp::ZERO + self.now
    }

    /// One tick.
    pub fn step(&mut self) -> &Step {
        if !self.silent {
            let mut signals = Signals::default();
            self.signals.iter().for_each(|(signal, value)| signals.set(*signal, *value, self.at()));
            self.totals.at_nanos = self.at().as_nanos();
            let received = Received { at: self.at(), totals: Arc::new(self.totals.clone()) };
            self.reported = (signals, BTreeMap::from([(name("limit.inbound"), received)]));
        }
        let instance = Instance {
            id: InstanceId("demo/1".into()),
            service: "demo".into(),
            incarnation: self.incarnation,
            labels: Default::default(),
            knobs: knobs(),
            in_force: self.in_force.clone(),
            totals: self.reported.1.clone(),
            signals: self.reported.0,
        };
        let seen = Snapshot { at: self.at(), node: Signals::default(), instances: vec![instance] };
        self.newest = self.engine.step(&seen);
        for decision in &self.newest.decisions {
            self.in_force.insert(decision.knob.clone(), decision.to);
        }
        self.now += self.tick;
        &self.newest
    }

    /// Steps for this long.
    pub fn run(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            self.step();
        }
    }

    /// Steps until `is`, for at most `length`; says how long that took.
    pub fn until(&mut self, length: Duration, mut is: impl FnMut(&Self) -> bool) -> Option<Duration> {
        let from = self.now;
        while self.now - from < length {
            self.step();
            if is(self) {
                return Some(self.now - self.tick - from);
            }
        }
        None
    }

    pub fn value(&self, knob: &str) -> Option<Value> {
        self.in_force.get(&name(knob)).copied()
    }

    pub fn alert(&self) -> Option<&Firing> {
        self.newest.alerts.first()
    }

    /// The stable name of what fires.
    pub fn rule(&self) -> Option<&'static str> {
        self.alert().map(|firing| firing.alert.reason.rule())
    }

    /// Calls that end at once in success.
    pub fn succeed(&mut self, calls: u64) {
        self.totals.admitted += calls;
        self.totals.completed += calls;
    }
}

/// Each policy has the name of its controller.
fn set(controllers: impl IntoIterator<Item = Controller>) -> Arc<PolicySet> {
    let named = |controller: Controller| PolicySpec { name: controller.name().into(), controller };
    let policies = controllers.into_iter().map(named).collect();
    Arc::new(PolicySet { mode: Mode::Enforce, policies, ..PolicySet::observe_only() })
}

fn knobs() -> Vec<Arc<Knob>> {
    let knob =
        |knob: &str, kind, max, baseline| Knob::try_new(name(knob), kind, 0.0, max, baseline).expect("valid");
    let readiness = knob(READINESS, Kind::Switch, 1.0, 1.0);
    let readiness = Knob { restrictive: Restrictive::Lower, ..readiness };
    vec![
        Arc::new(knob("breaker.inbound", Kind::Breaker, 4.0, 0.0)),
        Arc::new(readiness),
        Arc::new(knob("limit.inbound", Kind::ConcurrencyLimit, 2000.0, 1000.0)),
    ]
}
