//! A dependency that is down for a minute, a hundred callers, and what happens when it comes up again: in virtual time, with
//! the breaker alone, with the sidecar's policy, and with breakers that let every caller probe.
//!
//! The dependency comes up cold: it can do a tenth of its work at first and all of it after a thousand calls. Twice and a half as
//! many calls as it can work on bring it down again for ten seconds. While it is down it answers nobody, and a caller gives up
//! after a second. Callers think for 80 ms after an answer, and try again 100 ms after a rejection or a failure, whatever they
//! are told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use setpoint_policies::controllers::breaker::{Acts, BreakerSpec, Trip};
use setpoint_policies::engine::Engine;
use setpoint_policies::knob::KnobName;
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::spec::{Controller, PolicySet, PolicySpec};
use setpoint_policies::time::Timestamp;

use super::*;
use crate::Priority;
use crate::limiter::{Limiter, LimiterBuilder};
use crate::sync::scatter;

const CALLERS: u64 = 100;
/// Milliseconds.
const DOWN_FROM: u64 = 10_000;
const DOWN_UNTIL: u64 = 70_000;
const END: u64 = 160_000;

/// Who stands between the callers and the dependency.
trait Door {
    type Pass;
    fn ask(&mut self, now: u64) -> Option<Self::Pass>;
    fn end(&mut self, pass: Self::Pass, outcome: Outcome, now: u64);
    /// Every 50 ms.
    fn tick(&mut self, now: u64);
    fn state(&self, now: u64) -> &'static str;
}

/// Ours: a limiter of 64 and its breaker.
struct Ours {
    hand: Hand,
    limiter: Limiter,
    breaker: Breaker,
    sidecar: Option<Engine>,
}

impl Ours {
    /// The breaker on its own.
    fn alone() -> Self {
        let hand = Hand::default();
        let inner = inner(&hand);
        let limiter = LimiterBuilder::new(&inner, "db").bounds(1, 64).baseline(64).register();
        let breaker = BreakerBuilder::new(&inner, "db").register();
        Self { hand, limiter, breaker, sidecar: None }
    }

    /// A breaker without rules of its own, and the sidecar's policy.
    fn with_sidecar() -> Self {
        let alone = Self::alone();
        alone.breaker.0.machine.arm(Rules { failures: 0, ..Rules::default() });
        let trip = Trip { consecutive: Some(7), ..Trip::default() };
        let name = alone.breaker.0.slot.knob().name.clone();
        let spec = BreakerSpec::try_new(name, Acts::Enforce, trip).expect("sound");
        let policy = PolicySpec { name: "db".into(), controller: Controller::Breaker(Box::new(spec)) };
        let set = PolicySet { policies: vec![policy], ..PolicySet::observe_only() };
        let engine = Engine::learning_for(Duration::ZERO, Arc::new(set), Timestamp::ZERO);
        Self { sidecar: Some(engine), ..alone }
    }

    /// A report, a step and a frame.
    fn decide(&mut self, now: u64) {
        let Some(engine) = &mut self.sidecar else { return };
        let at = Timestamp::from_millis(now);
        let totals = Arc::new(self.limiter.totals(now * 1_000_000, 0).expect("a limiter counts"));
        let instance = Instance {
            labels: Default::default(),
            id: InstanceId("demo/1".into()),
            service: "demo".into(),
            incarnation: 7,
            knobs: vec![self.breaker.knob()],
            in_force: BTreeMap::from([(self.breaker.knob().name.clone(), self.breaker.in_force())]),
            totals: BTreeMap::from([(
                KnobName::try_new("limit.db").expect("valid"),
                Received { at, totals },
            )]),
            signals: Default::default(),
        };
        let step = engine.step(&Snapshot { at, instances: vec![instance], ..Snapshot::default() });
        self.breaker.apply(&step.decisions[0].to, &Why::default()).expect("a state");
    }
}

impl Door for Ours {
    type Pass = Permit;

    fn ask(&mut self, now: u64) -> Option<Permit> {
        self.hand.set(now * 1_000_000);
        self.limiter.try_acquire(Priority::Normal).ok()
    }

    fn end(&mut self, pass: Permit, outcome: Outcome, now: u64) {
        self.hand.set(now * 1_000_000);
        pass.finish(outcome);
    }

    fn tick(&mut self, now: u64) {
        self.hand.set(now * 1_000_000);
        self.breaker.close_slice(now * 1_000_000);
        self.limiter.close_slice(now * 1_000_000);
        if now.is_multiple_of(100) {
            self.decide(now);
        }
    }

    fn state(&self, _now: u64) -> &'static str {
        match self.breaker.state() {
            BreakerState::Closed | BreakerState::Recovering => "passing",
            BreakerState::HalfOpen => "probing",
            _ => "open",
        }
    }
}

/// As it is often built: after the wait everybody may try, and the first answer decides.
#[derive(Default)]
struct Uncapped {
    failures: u32,
    open_until: u64,
    open: bool,
    doublings: u32,
}

impl Door for Uncapped {
    type Pass = ();

    fn ask(&mut self, now: u64) -> Option<()> {
        (!self.open || now >= self.open_until).then_some(())
    }

    fn end(&mut self, (): (), outcome: Outcome, now: u64) {
        if outcome == Outcome::Success {
            (self.failures, self.open, self.doublings) = (0, false, 0);
            return;
        }
        self.failures += 1;
        let probe = self.open && now >= self.open_until;
        if probe || (!self.open && self.failures >= 7) {
            self.open_until = now + (1000_u64 << self.doublings).min(30_000);
            (self.open, self.doublings) = (true, self.doublings + 1);
        }
    }

    fn tick(&mut self, _now: u64) {}

    fn state(&self, now: u64) -> &'static str {
        match self.open {
            false => "passing",
            true if now >= self.open_until => "probing",
            true => "open",
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Tick,
    Ask(u64),
    /// Of a call begun in that life of the dependency.
    End(u64, u64),
}

/// What became of it. Times in milliseconds.
#[derive(Debug, Default)]
struct Story {
    /// Calls that reached the dependency while it was down, after each wait.
    probes: Vec<u64>,
    /// How long the breaker was open last.
    last_wait: u64,
    /// When calls passed again, after it came up.
    let_through_after: u64,
    /// When it worked as before.
    well_after: u64,
    collapses: u64,
    /// Most calls in flight after it came up, of what it could work on.
    crowding: f64,
    state: &'static str,
    state_since: u64,
}

impl Story {
    fn note(&mut self, state: &'static str, now: u64) {
        if self.state == state {
            return;
        }
        if self.state == "open" {
            self.last_wait = now - self.state_since;
            if now < DOWN_UNTIL {
                self.probes.push(0);
            }
        }
        if state == "passing" && now >= DOWN_UNTIL && self.let_through_after == 0 {
            self.let_through_after = now - DOWN_UNTIL;
        }
        (self.state, self.state_since) = (state, now);
    }
}

#[derive(Default)]
struct Dependency {
    life: u64,
    down_until: u64,
    in_flight: u64,
    /// Calls in this life.
    served: u64,
}

impl Dependency {
    fn is_down(&self, now: u64) -> bool {
        (DOWN_FROM..DOWN_UNTIL).contains(&now) || now < self.down_until
    }

    /// Calls that it can work on without delay.
    fn capacity(&self) -> f64 {
        if self.life == 0 { 40.0 } else { 4.0 + 36.0 * (self.served as f64 / 1000.0).min(1.0) }
    }

    /// It goes down, or comes up again, cold.
    fn begin(&mut self) {
        (self.life, self.served) = (self.life + 1, 0);
    }
}

fn run<D: Door>(mut door: D) -> Story {
    let mut dependency = Dependency::default();
    let mut events = BinaryHeap::new();
    let mut passes = BTreeMap::new();
    let mut story = Story::default();
    let (mut lots, mut served) = (0, 0_u64);
    events.push(Reverse((0, Event::Tick)));
    (0..CALLERS).for_each(|caller| events.push(Reverse((caller % 100, Event::Ask(caller)))));
    while let Some(Reverse((now, event))) = events.pop() {
        if now >= END {
            break;
        }
        if now >= DOWN_UNTIL && dependency.life == 0 {
            dependency.begin();
        }
        lots += 1;
        let jitter = scatter(lots) % 20;
        match event {
            Event::Tick => {
                door.tick(now);
                story.note(door.state(now), now);
                if now.is_multiple_of(1000) {
                    // 100 callers, a call and a rest of 100 ms on the average: 1000 a second, or nearly.
                    if now > DOWN_UNTIL && served >= 850 && story.well_after == 0 {
                        story.well_after = now - DOWN_UNTIL;
                    }
                    served = 0;
                }
                events.push(Reverse((now + 50, Event::Tick)));
            }
            Event::Ask(caller) => match door.ask(now) {
                None => events.push(Reverse((now + 90 + jitter, Event::Ask(caller)))),
                Some(pass) => {
                    story.note(door.state(now), now);
                    if now < DOWN_UNTIL
                        && let Some(probes) = story.probes.last_mut()
                    {
                        *probes += 1;
                    }
                    dependency.in_flight += 1;
                    let load = dependency.in_flight as f64 / dependency.capacity();
                    if now >= DOWN_UNTIL && !dependency.is_down(now) {
                        story.crowding = story.crowding.max(load);
                        if load > 2.5 {
                            story.collapses += 1;
                            dependency.down_until = now + 10_000;
                            dependency.begin();
                        }
                    }
                    let down = dependency.is_down(now);
                    let takes = if down { 1000 } else { (20.0 * load.max(1.0)) as u64 };
                    passes.insert(caller, (pass, down));
                    events.push(Reverse((now + takes, Event::End(caller, dependency.life))));
                }
            },
            Event::End(caller, life) => {
                let (pass, failed) = passes.remove(&caller).expect("it is out");
                dependency.in_flight -= 1;
                let well = !failed && life == dependency.life && !dependency.is_down(now);
                served += u64::from(well);
                dependency.served += u64::from(well);
                door.end(pass, if well { Outcome::Success } else { Outcome::Failure }, now);
                story.note(door.state(now), now);
                let rest = if well { 70 } else { 90 };
                events.push(Reverse((now + rest + jitter, Event::Ask(caller))));
            }
        }
    }
    story
}

fn check(story: &Story) {
    assert!(story.probes.len() >= 4, "{story:?}");
    assert!(story.probes.iter().all(|probes| *probes <= 10), "a budget a wait: {story:?}");
    assert_eq!(story.collapses, 0, "{story:?}");
    assert!(story.let_through_after > 0 && story.let_through_after <= 2 * story.last_wait, "{story:?}");
    assert!(story.well_after > 0 && story.well_after <= story.let_through_after + 12_000, "{story:?}");
}

#[test]
fn after_a_minute_of_outage_the_breaker_alone_brings_traffic_back() {
    check(&run(Ours::alone()));
}

#[test]
fn after_a_minute_of_outage_the_sidecar_brings_traffic_back() {
    check(&run(Ours::with_sidecar()));
}

#[test]
fn probes_without_a_budget_and_a_return_without_a_ramp_bring_it_down_again() {
    let (ours, uncapped) = (run(Ours::alone()), run(Uncapped::default()));
    let mean = |story: &Story| story.probes.iter().sum::<u64>() as f64 / story.probes.len() as f64;
    let load = mean(&uncapped) / mean(&ours);
    assert!(load >= 17.0, "probe load x{load:.1}: {uncapped:?}");
    assert!(uncapped.collapses > 0 && uncapped.well_after == 0, "never well again: {uncapped:?}");
    let abrupt = Ours::alone();
    abrupt.breaker.0.machine.arm(Rules { ramp: Duration::ZERO, ..Rules::default() });
    let abrupt = run(abrupt);
    assert!(abrupt.collapses > 0, "{abrupt:?}");
}
