//! A simulated service with the knobs that a preset names: one of its limiters stands before the plant of the simulator and does
//! what the engine that runs the preset decides, breaker included, as the SDK would.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::engine::Engine;
use setpoint_policies::knob::{Kind, Knob, KnobName, READINESS};
use setpoint_policies::probes::Probed;
use setpoint_policies::reflex::Cause;
use setpoint_policies::signal::{Signal, Signals};
use setpoint_policies::sim::law::{Arrival, End, Ended, Host, Law};
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::spec::PolicySet;
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::{SQUARE_UNIT_NANOS, SlowCalls, Totals};
use setpoint_policies::value::{Breaker, Value};

const TICK: Duration = Duration::from_millis(100);

/// What the service reports of itself, by the seconds since the start and the calls in flight.
pub(super) type Report = fn(f64, u64) -> Vec<(Signal, f64)>;

pub(super) struct Service {
    engine: Engine,
    instance: Instance,
    limit: KnobName,
    breaker: KnobName,
    totals: Totals,
    /// When each call in flight began, and the most that there ever were.
    out: VecDeque<Timestamp>,
    most: Rc<Cell<usize>>,
    /// When the breaker came into its state.
    since: Timestamp,
    /// When each probe that is out was let out.
    probes: VecDeque<Timestamp>,
    /// A call is given up, and its place free, after this long.
    patience: Option<Duration>,
    report: Report,
    now: Timestamp,
    firing: Vec<Arc<str>>,
    log: Vec<(Timestamp, String)>,
}

impl Service {
    /// The service whose limiter of this name stands before the plant, and all knobs of these policies.
    pub(super) fn new(policies: &Arc<PolicySet>, resource: &str) -> Self {
        let name = |kind: &str| KnobName::try_new(&format!("{kind}.{resource}")).expect("a name");
        let (limit, breaker) = (name("limit"), name("breaker"));
        let mut names: Vec<KnobName> = policies.knobs().into_iter().cloned().collect();
        names.extend([limit.clone(), breaker.clone()]);
        names.sort();
        names.dedup();
        let instance = Instance {
            id: InstanceId("service/1".into()),
            service: "service".into(),
            incarnation: 1,
            labels: Arc::default(),
            knobs: names.into_iter().map(|name| Arc::new(knob(name))).collect(),
            in_force: BTreeMap::new(),
            totals: BTreeMap::new(),
            signals: Signals::default(),
        };
        Self {
            engine: Engine::learning_for(Duration::ZERO, Arc::clone(policies), Timestamp::ZERO),
            instance,
            limit,
            breaker,
            totals: Totals::default(),
            out: VecDeque::new(),
            most: Rc::default(),
            since: Timestamp::ZERO,
            probes: VecDeque::new(),
            patience: None,
            report: |_, _| Vec::new(),
            now: Timestamp::ZERO + TICK,
            firing: Vec::new(),
            log: Vec::new(),
        }
    }

    /// It has a time-out: what takes longer is dropped, and its place is free.
    pub(super) fn gives_up_after(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// The most calls that it ever has in flight.
    pub(super) fn most_in_flight(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.most)
    }

    pub(super) fn reports(mut self, report: Report) -> Self {
        self.report = report;
        self
    }

    fn in_force(&self, name: &KnobName) -> Value {
        let knob = self.instance.knobs.iter().find(|knob| knob.name == *name).expect("registered");
        self.instance.in_force.get(name).copied().unwrap_or_else(|| knob.baseline_value())
    }

    fn state(&self) -> Breaker {
        let Value::Breaker(state) = self.in_force(&self.breaker) else { panic!("not a breaker") };
        state
    }

    /// The limit that calls meet at that moment: a share of it while the breaker recovers.
    fn allowed(&self, at: Timestamp) -> f64 {
        let limit = self.in_force(&self.limit).scalar();
        match self.state() {
            Breaker::Recovering { ramp } => {
                let share = at.since(self.since).as_secs_f64() / ramp.as_secs_f64().max(1e-9);
                (limit * share.clamp(0.1, 1.0)).max(2.0).min(limit)
            }
            _ => limit,
        }
    }

    fn passes_breaker(&mut self, at: Timestamp) -> bool {
        match self.state() {
            Breaker::Open { .. } | Breaker::ForcedOpen { .. } => false,
            Breaker::HalfOpen { probe_max, probe_total, .. } => {
                let let_out = self.totals.probed.map_or(0, |probed| probed.let_out);
                let passes = self.probes.len() < probe_max as usize && let_out < probe_total;
                if passes {
                    self.probes.push_back(at);
                    self.probed(|probed| probed.let_out += 1);
                }
                passes
            }
            _ => true,
        }
    }

    fn probed(&mut self, count: impl FnMut(&mut Probed)) {
        self.totals.probed.iter_mut().for_each(count);
    }

    /// A call that began then has ended.
    fn end(&mut self, begun: Timestamp, latency: Duration, well: Option<End>) {
        let (nanos, totals) = (latency.as_nanos() as u64, &mut self.totals);
        totals.release_time_sum = totals.release_time_sum.wrapping_add((begun + latency).as_nanos());
        totals.latency_sum = totals.latency_sum.wrapping_add(nanos);
        totals.slow.iter_mut().for_each(|slow| slow.calls += u64::from(latency > slow.after));
        match well {
            Some(end) => {
                totals.completed += 1;
                totals.late += u64::from(end == End::Late);
                totals.success_latency_sum = totals.success_latency_sum.wrapping_add(nanos);
                let units = nanos as f64 / SQUARE_UNIT_NANOS as f64;
                totals.success_latency_sq_sum =
                    totals.success_latency_sq_sum.wrapping_add((units * units) as u64);
            }
            None => totals.dropped += 1,
        }
        // A call of before this round is no probe of it, and decides nothing.
        if let Some(place) = self.probes.iter().position(|out| *out == begun) {
            self.probes.remove(place);
            let well = well.is_some();
            self.probed(|probed| *(if well { &mut probed.succeeded } else { &mut probed.failed }) += 1);
        }
    }

    /// Gives up what has taken too long.
    fn give_up(&mut self, at: Timestamp) {
        let Some(patience) = self.patience else { return };
        while let Some(begun) = self.out.front().copied().filter(|begun| at.since(*begun) >= patience) {
            self.out.pop_front();
            self.end(begun, patience, None);
        }
    }

    /// Probes that are out for longer than they may have failed.
    fn give_up_probes(&mut self) {
        let Breaker::HalfOpen { deadline, .. } = self.state() else { return };
        while self.probes.front().is_some_and(|out| self.now.since(*out) > deadline) {
            self.probes.pop_front();
            self.probed(|probed| probed.failed += 1);
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        let allowed = self.allowed(self.now);
        self.totals.at_nanos = self.now.as_nanos();
        self.totals.limit_in_force = allowed;
        self.totals.reflex = matches!(self.state(), Breaker::Recovering { .. }).then_some(Cause::Recovery);
        let received = Received { at: self.now, totals: Arc::new(self.totals.clone()) };
        self.instance.totals.insert(self.limit.clone(), received);
        (self.totals.in_flight_peak, self.totals.limited) = (self.totals.in_flight(), false);
        for (signal, value) in (self.report)(self.now.as_secs_f64(), self.totals.in_flight()) {
            self.instance.signals.set(signal, value, self.now);
        }
        Snapshot { at: self.now, node: Signals::default(), instances: vec![self.instance.clone()] }
    }

    fn decide(&mut self) {
        let seen = self.snapshot();
        let step = self.engine.step(&seen);
        for (_, watch) in &step.watched {
            let known = self.totals.slow.iter().any(|slow| slow.after == watch.after);
            if *watch.resource == *self.limit.resource().unwrap_or_default() && !known {
                self.totals.slow.push(SlowCalls { after: watch.after, calls: 0 });
            }
        }
        let (now, breaker) = (self.now, self.state());
        for decision in step.decisions {
            if decision.to != self.in_force(&decision.knob) {
                let (knob, to) = (&decision.knob, decision.to.scalar());
                self.log.push((now, format!("{knob} {to:.1}: {}", decision.reason)));
            }
            self.instance.in_force.insert(decision.knob, decision.to);
        }
        if self.state() != breaker {
            self.since = now;
            self.probes.clear();
            let round = if let Breaker::HalfOpen { round, .. } = self.state() { Some(round) } else { None };
            self.totals.probed = round.map(|round| Probed { round, ..Probed::default() });
            self.log.push((now, format!("breaker {}", self.state().name())));
        }
        let firing = step.alerts.iter().map(|firing| Arc::clone(&firing.policy)).collect();
        for new in step.alerts.iter().filter(|new| !self.firing.contains(&new.policy)) {
            self.log.push((now, format!("alert {}: {}", new.policy, new.alert.reason)));
        }
        self.firing = firing;
    }
}

impl Law for Service {
    fn admit(&mut self, call: &Arrival) -> bool {
        self.give_up(call.at);
        let room = self.out.len() as f64 + 1.0 <= self.allowed(call.at).max(1.0);
        self.totals.arrived += 1;
        let admitted = room && self.passes_breaker(call.at);
        if admitted {
            self.out.push_back(call.at);
            self.most.set(self.most.get().max(self.out.len()));
            self.totals.admitted += 1;
            self.totals.admit_time_sum = self.totals.admit_time_sum.wrapping_add(call.at.as_nanos());
            self.totals.in_flight_peak = self.totals.in_flight_peak.max(self.out.len() as u64);
        } else {
            self.totals.rejected[usize::from(call.priority)] += 1;
            self.totals.limited |= !room;
        }
        admitted
    }

    fn ended(&mut self, call: &Ended) {
        let begun = |out: &Timestamp| (*out + call.latency).as_nanos().abs_diff(call.at.as_nanos()) < 1000;
        // Else it was given up long ago.
        let Some(begun) = self.out.iter().position(begun).and_then(|place| self.out.remove(place)) else {
            return;
        };
        let well = Some(call.end).filter(|end| matches!(end, End::InTime | End::Late));
        self.end(begun, call.latency, well);
    }

    fn wake_at(&self) -> Option<Timestamp> {
        Some(self.now)
    }

    fn wake(&mut self, _at: Timestamp, _host: &Host) {
        self.give_up(self.now);
        self.give_up_probes();
        self.decide();
        self.now += TICK;
    }

    fn limit(&self) -> f64 {
        self.allowed(self.now)
    }

    fn take_log(&mut self) -> Vec<(Timestamp, String)> {
        std::mem::take(&mut self.log)
    }
}

/// As the SDK declares a knob of that name.
fn knob(name: KnobName) -> Knob {
    let (kind, min, max, baseline) = match name.as_str() {
        READINESS => (Kind::Switch, 0.0, 1.0, 1.0),
        known => match known.split_once('.').map_or("", |(kind, _)| kind) {
            "limit" => (Kind::ConcurrencyLimit, 1.0, 2000.0, 50.0),
            "connections" => (Kind::ConcurrencyLimit, 1.0, 100_000.0, 10_000.0),
            "breaker" => (Kind::Breaker, 0.0, 7.0, 0.0),
            "rate" => (Kind::RateLimit, 1.0, 1e6, 1000.0),
            "pool" => (Kind::PoolSize, 1.0, 1000.0, 10.0),
            "timeout" => (Kind::TimeoutMs, 1.0, 86_400_000.0, 30_000.0),
            _ => panic!("no knob of the SDK is named {known}"),
        },
    };
    Knob::try_new(name, kind, min, max, baseline).expect("sound")
}
