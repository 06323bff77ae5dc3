//! A rate policy in a closed loop with a callee, in virtual time: the engine, a token bucket, and a callee that allows so
//! many calls a second and refuses the rest.
//!
//! One step is a millisecond. Calls come at random (seeded), are answered after 20 ms, and are reported every 100 ms; a report
//! is a tick old when the engine sees it, and so is what the engine decides when it comes into force.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::controllers::adaptive_rate::AdaptiveRate;
use setpoint_policies::engine::Engine;
use setpoint_policies::knob::{Kind, Knob, KnobName};
use setpoint_policies::signal::Signals;
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::spec::{Controller, Mode, PolicySet, PolicySpec};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

const LATENCY_MS: usize = 20;
const TICK_MS: u64 = 100;

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Calls in a millisecond.
    fn poisson(&mut self, mean: f64) -> u64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.share(), 0);
        while product > limit {
            product *= self.share();
            count += 1;
        }
        count
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    burst: f64,
}

impl Bucket {
    fn drip(&mut self, per_second: f64, burst: f64) {
        self.burst = burst;
        self.tokens = (self.tokens + per_second / 1000.0).min(burst);
    }

    fn take(&mut self) -> bool {
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

/// What a callee does with calls above its rate.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Callee {
    /// 429, at no cost.
    Refuses,
    /// 429 with `retry-after: 2`.
    AsksToWait,
    /// It works on them until they are too late: the more there are, the less is done in time.
    Drowns,
}

struct World {
    callee: Callee,
    dice: Dice,
    /// Calls that are made, were there no rate.
    offered: f64,
    /// The callee's rate, from which second on.
    allows: Vec<(u64, f64)>,
    engine: Option<Engine>,
    knob: Arc<Knob>,
}

/// What came of each second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    sent: f64,
    good: f64,
    refused: f64,
}

fn knob(baseline: f64) -> Arc<Knob> {
    let name = KnobName::try_new("rate.api").expect("valid");
    Arc::new(Knob::try_new(name, Kind::RateLimit, 1.0, 100_000.0, baseline).expect("valid"))
}

fn engine(knob: &Knob) -> Engine {
    let spec = AdaptiveRate::try_new(knob.name.clone(), 5.0, 20_000.0)
        .and_then(|spec| spec.with_burst(Duration::from_millis(100)))
        .expect("valid");
    let policies = vec![PolicySpec { name: "api".into(), controller: Controller::AdaptiveRate(spec) }];
    let set = PolicySet { mode: Mode::Enforce, policies, ..PolicySet::observe_only() };
    Engine::learning_for(Duration::ZERO, Arc::new(set), Timestamp::ZERO)
}

impl World {
    /// Starts at `rate`, and stays there if it is not adaptive.
    fn new(callee: Callee, seed: u64, rate: f64, is_adaptive: bool, allows: &[(u64, f64)]) -> Self {
        let knob = knob(rate);
        let engine = is_adaptive.then(|| engine(&knob));
        Self { callee, dice: Dice(seed), offered: 3000.0, allows: allows.to_vec(), engine, knob }
    }

    fn allowed(&self, second: u64) -> f64 {
        self.allows.iter().rev().find(|(from, _)| *from <= second).map_or(0.0, |(_, rate)| *rate)
    }

    fn run(&mut self, seconds: u64) -> Vec<Second> {
        let mut all = vec![Second::default(); seconds as usize];
        let (mut in_force, mut next) = (self.knob.baseline_value(), self.knob.baseline_value());
        let mut ours = Bucket { tokens: 0.0, burst: 1.0 };
        let mut theirs = Bucket { tokens: 0.0, burst: 1.0 };
        let mut on_the_way: VecDeque<(u64, u64)> = VecDeque::from(vec![(0, 0); LATENCY_MS]);
        let (mut totals, mut reported) = (Totals::default(), Totals::default());
        let mut left_alone_until = 0;
        for millis in 0..seconds * 1000 {
            let (second, allowed) = (&mut all[(millis / 1000) as usize], self.allowed(millis / 1000));
            let (per_second, burst) = rate_of(in_force);
            ours.drip(per_second, burst);
            theirs.drip(allowed, (allowed / 10.0).max(1.0));
            let sent = (0..self.dice.poisson(self.offered / 1000.0)).filter(|_| ours.take()).count() as u64;
            let mut good = (0..sent).filter(|_| theirs.take()).count() as u64;
            if self.callee == Callee::Drowns && sent > good {
                // Of each two calls too many one takes the time of a good one.
                good = good.saturating_sub((sent - good).div_ceil(2));
            }
            totals.admitted += sent;
            on_the_way.push_back((good, sent - good));
            let (completed, dropped) = on_the_way.pop_front().expect("as many as come");
            (second.sent, second.good, second.refused) =
                (second.sent + sent as f64, second.good + completed as f64, second.refused + dropped as f64);
            (totals.completed, totals.dropped) = (totals.completed + completed, totals.dropped + dropped);
            if dropped > 0 && self.callee == Callee::AsksToWait {
                left_alone_until = millis + 2000;
            }
            if millis % TICK_MS == TICK_MS - 1 {
                in_force = next;
                next = self.decide(millis, in_force, &reported).unwrap_or(next);
                totals.at_nanos = millis * 1_000_000;
                let left = left_alone_until.checked_sub(millis).filter(|left| *left > 0);
                totals.retry_after = left.map(Duration::from_millis);
                reported = totals.clone();
            }
        }
        all
    }

    fn decide(&mut self, millis: u64, in_force: Value, reported: &Totals) -> Option<Value> {
        let at = Timestamp::from_millis(millis);
        let received = Received { at, totals: Arc::new(reported.clone()) };
        let instance = Instance {
            id: InstanceId("one".into()),
            service: "demo".into(),
            incarnation: 7,
            labels: Default::default(),
            knobs: vec![Arc::clone(&self.knob)],
            in_force: BTreeMap::from([(self.knob.name.clone(), in_force)]),
            totals: BTreeMap::from([(self.knob.name.clone(), received)]),
            signals: Signals::default(),
        };
        let seen = Snapshot { at, node: Signals::default(), instances: vec![instance] };
        self.engine.as_mut().map(|engine| engine.step(&seen).decisions[0].to)
    }
}

fn rate_of(value: Value) -> (f64, f64) {
    let Value::Rate { per_second, burst } = value else { panic!("a rate has the value of a rate") };
    (per_second, burst.unwrap_or(per_second / 10.0))
}

fn mean(seconds: &[Second], pick: impl Fn(&Second) -> f64) -> f64 {
    seconds.iter().map(pick).sum::<f64>() / seconds.len() as f64
}

fn refused_share(seconds: &[Second]) -> f64 {
    mean(seconds, |s| s.refused) / mean(seconds, |s| s.sent)
}

/// The seconds after which the next five, and all that follow of the phase, are within 10 % of what is allowed.
fn settled(phase: &[Second], allowed: f64) -> Option<usize> {
    let close = |seconds: &[Second]| {
        let (sent, good) = (mean(seconds, |s| s.sent), mean(seconds, |s| s.good));
        sent <= 1.1 * allowed && good >= 0.9 * allowed
    };
    (0..phase.len() - 5).find(|&from| close(&phase[from..from + 5]) && close(&phase[from..]))
}

const STEPS: [(u64, f64); 4] = [(0, 1000.0), (60, 300.0), (120, 2000.0), (210, 1000.0)];
const ENDS: u64 = 270;

#[test]
fn c4_the_rate_that_a_callee_allows_is_found_and_followed() {
    for seed in 1..=5 {
        let all = World::new(Callee::Refuses, seed, 5000.0, true, &STEPS).run(ENDS);
        for (phase, (from, allowed)) in STEPS.into_iter().enumerate() {
            let to = STEPS.get(phase + 1).map_or(ENDS, |(next, _)| *next);
            let seconds = &all[from as usize..to as usize];
            let took = settled(seconds, allowed);
            let (good, refused) = (mean(&seconds[20..], |s| s.good), refused_share(&seconds[20..]));
            println!(
                "seed {seed}: {allowed:5}/s: settled after {took:?} s, then {good:.0}/s; {:.2} % refused",
                refused * 100.0
            );
            // From 300 to 2000 it has to grow sevenfold; downwards it only has to be cut.
            let longest = if allowed == 2000.0 { 16 } else { 6 };
            assert!(took.is_some_and(|took| took <= longest), "{took:?}");
            assert!(refused < 0.015, "in the long run: {refused}");
        }
        let refused = refused_share(&all);
        println!("seed {seed}: {:.2} % of all calls refused, changes included", refused * 100.0);
        assert!(refused < 0.03, "{refused}");
    }
}

#[test]
fn c4_against_a_fixed_rate_that_is_too_high_or_too_low() {
    let run = |rate, is_adaptive| World::new(Callee::Refuses, 1, rate, is_adaptive, &STEPS).run(ENDS);
    let figures = |name, all: &[Second]| {
        let (good, refused) = (mean(all, |s| s.good), refused_share(all));
        println!("{name}: {good:.0}/s answered, {:.2} % refused", refused * 100.0);
        (good, refused)
    };
    let high = figures("fixed at 5000/s", &run(5000.0, false));
    let low = figures("fixed at 300/s", &run(300.0, false));
    let found = figures("adaptive", &run(5000.0, true));
    assert!(found.0 > 0.9 * high.0 && found.1 < 0.05 * high.1, "as much as too many get, without refusals");
    assert!(found.0 > 3.0 * low.0, "and not as little as too few");
}

#[test]
fn c4_a_service_that_drowns_does_more_when_less_is_let_in() {
    let run = |is_adaptive| World::new(Callee::Drowns, 3, 5000.0, is_adaptive, &STEPS).run(ENDS);
    let (fixed, found) = (run(false), run(true));
    let (fixed, found) = (mean(&fixed, |s| s.good), mean(&found, |s| s.good));
    println!("ingress: {fixed:.0}/s in time at a fixed 5000/s, {found:.0}/s adaptive");
    assert!(found > 1.6 * fixed && found > 900.0, "{found} {fixed}");
}

#[test]
fn c4_a_callee_that_asks_for_patience_gets_it_and_is_used_all_the_same() {
    let all = World::new(Callee::AsksToWait, 4, 5000.0, true, &STEPS).run(ENDS);
    let allowed = mean(&World::new(Callee::AsksToWait, 4, 5000.0, false, &STEPS).run(ENDS), |s| s.good);
    let (good, refused) = (mean(&all, |s| s.good), refused_share(&all));
    println!("with retry-after: {good:.0}/s of {allowed:.0}/s, {:.2} % refused", refused * 100.0);
    assert!(good > 0.85 * allowed && refused < 0.02);
}

#[test]
fn c4_a_rate_that_is_not_used_does_not_grow_and_one_that_is_enough_is_left_alone() {
    let mut world = World::new(Callee::Refuses, 5, 400.0, true, &[(0, 1000.0)]);
    world.offered = 200.0;
    let all = world.run(120);
    assert_eq!(refused_share(&all), 0.0);
    world.offered = 3000.0;
    // Had it grown without being used, the first second of more demand would be one of refusals.
    let after = world.run(5);
    assert!(refused_share(&after[..2]) < 0.01);
}
