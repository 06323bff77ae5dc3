//! The presets of the field reports, as shipped, over a process in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::engine::Engine;
use setpoint_policies::knob::{Kind, Knob, KnobName};
use setpoint_policies::probes::Probed;
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::{SlowCalls, Totals};
use setpoint_policies::value::{Breaker, Value};

use super::parse;

const ERROR_RATE: &str = include_str!("../../../../../policies/presets/field-report-error-rate.yaml");
const LATENCY: &str = include_str!("../../../../../policies/presets/field-report-latency.yaml");

/// A process with a hundred calls a second, told what to do by an engine that runs a preset.
struct Process {
    engine: Engine,
    knobs: Vec<Arc<Knob>>,
    totals: Totals,
    breaker: Breaker,
    millis: u64,
    reason: String,
}

impl Process {
    fn under(preset: &str) -> Self {
        let set = parse(preset.as_bytes()).expect("shipped").set;
        let knob = |name: &str, kind| {
            let name = KnobName::try_new(name).expect("valid");
            Arc::new(Knob::try_new(name, kind, 0.0, 100.0, 0.0).expect("valid"))
        };
        Self {
            engine: Engine::learning_for(Duration::ZERO, set, Timestamp::ZERO),
            knobs: vec![
                knob("breaker.dependency", Kind::Breaker),
                knob("limit.dependency", Kind::ConcurrencyLimit),
            ],
            totals: Totals::default(),
            breaker: Breaker::Local,
            millis: 0,
            reason: String::new(),
        }
    }

    /// 100 ms go by, in which ten calls end, so many of them failed and so many slow, if the breaker lets them through.
    fn tick(&mut self, failed: u64, slow: u64) -> &'static str {
        let passes = match self.breaker {
            Breaker::Open { .. } => 0,
            Breaker::HalfOpen { .. } => {
                u64::from(self.totals.probed.is_some_and(|probed| probed.let_out < 10))
            }
            _ => 10,
        };
        self.totals.admitted += passes;
        self.totals.failed += failed.min(passes);
        self.totals.completed += passes - failed.min(passes);
        self.totals.slow.iter_mut().for_each(|counted| counted.calls += slow.min(passes));
        if let Some(probed) = &mut self.totals.probed {
            probed.let_out += passes as u32;
            probed.failed += failed.min(passes) as u32;
            probed.succeeded += (passes - failed.min(passes)) as u32;
        }
        self.millis += 100;
        self.totals.at_nanos = self.millis * 1_000_000;
        self.decide();
        self.breaker.name()
    }

    fn decide(&mut self) {
        let at = Timestamp::from_millis(self.millis);
        let received = Received { at, totals: Arc::new(self.totals.clone()) };
        let instance = Instance {
            id: InstanceId("demo/1".into()),
            service: "demo".into(),
            incarnation: 7,
            labels: Default::default(),
            knobs: self.knobs.clone(),
            in_force: BTreeMap::from([(self.knobs[0].name.clone(), Value::Breaker(self.breaker))]),
            totals: BTreeMap::from([(self.knobs[1].name.clone(), received)]),
            signals: Default::default(),
        };
        let step = self.engine.step(&Snapshot { at, instances: vec![instance], ..Snapshot::default() });
        let watched = step.watched.iter().map(|(_, watch)| watch.after);
        if self.totals.slow.is_empty() {
            self.totals.slow = watched.map(|after| SlowCalls { after, calls: 0 }).collect();
        }
        let Value::Breaker(to) = step.decisions[0].to else { panic!("of another kind") };
        if to != self.breaker {
            let round = if let Breaker::HalfOpen { round, .. } = to { Some(round) } else { None };
            self.totals.probed = round.map(|round| Probed { round, ..Probed::default() });
            self.reason = step.decisions[0].reason.to_string();
        }
        self.breaker = to;
    }

    /// The milliseconds until it is in that state.
    fn until(&mut self, state: &str, failed: u64, slow: u64) -> u64 {
        let reached = (1..=10_000).find(|_| self.tick(failed, slow) == state);
        reached.unwrap_or_else(|| panic!("never {state}")) * 100
    }

    fn well_for(&mut self, seconds: u64) {
        (0..10 * seconds).for_each(|_| assert_eq!(self.tick(0, 0), "local"));
    }
}

#[test]
fn the_page_shows_the_presets_word_for_word() {
    const PAGE: &str = include_str!("../../../../../docs/policies/breaker.md");
    for preset in [ERROR_RATE, LATENCY] {
        let lines = preset.lines().filter(|line| !line.trim_start().starts_with('#'));
        let shown = lines.collect::<Vec<_>>().join("\n");
        assert!(PAGE.contains(&format!("```yaml\n{shown}\n```")), "{shown}");
    }
}

fn is_about(millis: u64, seconds: f64) -> bool {
    // A tick more, for the report that the decision waits for.
    (0.8 * seconds..=1.2 * seconds + 0.1).contains(&(millis as f64 / 1000.0))
}

#[test]
fn b1_the_error_rate_preset_trips_after_three_minutes_and_probes_after_1_2_4_seconds() {
    let mut process = Process::under(ERROR_RATE);
    process.well_for(300);
    // The third window back is above 65 % when 55.7 s of it are; they are looked at every 6 s, from the first report on.
    assert_eq!(process.until("open", 7, 0), 180_100, "7 of 10 fail: three windows of 60 s");
    assert_eq!(process.reason, "70 % of 6000 calls failed, over 65 % in 3 of 3 windows");
    for seconds in [1.0, 2.0, 4.0, 8.0, 16.0] {
        let wait = process.until("half_open", 10, 0);
        assert!(is_about(wait, seconds), "{wait} ms, not about {seconds} s");
        process.until("open", 10, 0);
    }
    process.until("half_open", 0, 0);
    assert!(process.until("recovering", 0, 0) <= 1000, "eight probes");
    assert_eq!(process.until("local", 0, 0), 10_000);
    process.well_for(60);
}

#[test]
fn b1_the_error_rate_preset_leaves_six_of_ten_and_two_bad_minutes_alone() {
    let mut process = Process::under(ERROR_RATE);
    (0..6000).for_each(|_| assert_eq!(process.tick(6, 0), "local"));
    process.well_for(120);
    (0..1150).for_each(|_| assert_eq!(process.tick(10, 0), "local", "not yet two minutes"));
    process.well_for(300);
}

#[test]
fn b2_the_latency_preset_trips_after_two_windows_and_probes_every_5_seconds() {
    let mut process = Process::under(LATENCY);
    process.well_for(120);
    assert_eq!(process.totals.slow[0].after, Duration::from_millis(800), "counted at the preset's word");
    // 1 of 10 is slow: the second window back is above 5 % when more than half of it is; they are looked at every 3 s.
    assert_eq!(process.until("open", 0, 1), 45_100, "15 s and 30 s");
    assert!(
        process.reason.starts_with("10 % of 3000 calls took over 800ms, over 5 % in 2 of 2 windows"),
        "{}",
        process.reason
    );
    for _ in 0..5 {
        let wait = process.until("half_open", 10, 0);
        assert!(is_about(wait, 5.0), "{wait} ms");
        process.until("open", 10, 0);
    }
    process.until("half_open", 0, 0);
    process.until("local", 0, 0);
    process.well_for(60);
}

#[test]
fn b2_the_latency_preset_leaves_a_p95_of_800_ms_alone() {
    let mut process = Process::under(LATENCY);
    for tick in 0..6000_u64 {
        assert_eq!(process.tick(0, tick % 2), "local", "5 % are slow, not more");
    }
}
