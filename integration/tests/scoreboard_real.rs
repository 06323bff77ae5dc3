//! The rig of `scoreboard-real` is faithful: its calls, its plant, its policy and its arithmetic are the simulator's. Virtual
//! time throughout, but for one short scenario on real processes, of which only counts are checked.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use setpoint::config;
use setpoint::simulate::oracles::Known;
use setpoint::simulate::scenario_file;
use setpoint_integration::load::outcome::Outcome;
use setpoint_integration::load::plan::{End, Ends};
use setpoint_integration::process::Process;
use setpoint_integration::real::calls::{Call, calls, requests};
use setpoint_integration::real::policy::policy;
use setpoint_integration::real::record::Recording;
use setpoint_integration::real::scale::scaled;
use setpoint_integration::service::plant::works::{Works, unsupported};
use setpoint_integration::service::staged::{Limit, limiter};
use setpoint_policies::sim::distribution::Distribution;
use setpoint_policies::sim::law::{Arrival, Ended, Law};
use setpoint_policies::sim::link::default_policies;
use setpoint_policies::sim::plant;
use setpoint_policies::sim::run::{Run, SLICE_SECONDS};
use setpoint_policies::sim::scenario::{Discipline, Scenario, Steps};
use setpoint_policies::sim::score::fixed::PhasedFixed;
use setpoint_policies::sim::score::measure::Score;
use setpoint_policies::sim::score::tally::Tally;
use setpoint_sdk::Setpoint;
use tempfile::TempDir;

/// Those that are played.
const NAMES: [&str; 4] = ["a", "b", "g", "j"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies/scenarios")
}

fn scenario(name: &str) -> Scenario {
    scenario_file::read(&folder().join(format!("{name}.yaml"))).unwrap()
}

fn oracle(scenario: &Scenario) -> Vec<f64> {
    Known::built_in().find(scenario).unwrap().phases
}

/// Admits every call and keeps what it sees: when calls came, how long they took.
struct Open(Rc<RefCell<Vec<Call>>>);

impl Law for Open {
    fn admit(&mut self, _call: &Arrival) -> bool {
        true
    }

    fn ended(&mut self, call: &Ended) {
        let (at, work) = (call.at.as_secs_f64(), call.latency.as_secs_f64());
        self.0.borrow_mut().push(Call { at: at - work, work });
    }

    fn limit(&self) -> f64 {
        f64::INFINITY
    }
}

#[test]
fn calls_come_when_and_with_the_work_of_the_simulator_s() {
    for name in NAMES {
        let mut scenario = scenario(name);
        // A worker for each call and no dependency: the latency is the work.
        let server = &mut scenario.server;
        server.station.workers = Steps::constant(1_000_000);
        (server.station.discipline, server.station.contention) = (Discipline::Fifo, None);
        server.delay = Steps::constant(Distribution::Fixed(0.0));
        let seen = Rc::new(RefCell::new(Vec::new()));
        plant::run(&scenario, 7, vec![Box::new(Open(Rc::clone(&seen)))]);
        let mut seen = seen.take();
        seen.sort_by(|a, b| a.at.total_cmp(&b.at));
        let ours = calls(&scenario, 7);
        let in_flight_at_the_end = ours.iter().filter(|call| call.at + call.work > scenario.seconds).count();
        assert_eq!(seen.len() + in_flight_at_the_end, ours.len(), "{name}");
        let ended = ours.iter().filter(|call| call.at + call.work <= scenario.seconds);
        for (seen, ours) in seen.iter().zip(ended) {
            assert!((seen.at - ours.at).abs() < 1e-8 && (seen.work - ours.work).abs() < 1e-8, "{name}");
        }
    }
}

#[test]
fn requests_carry_time_and_work() {
    let requests = requests(&[Call { at: 1.5, work: 0.02 }]);
    assert_eq!((requests[0].at, requests[0].path.as_str()), (Duration::from_millis(1500), "/call/20000000"));
}

/// The calls of a scenario through the rig's plant, in virtual time, behind limits that are set by hand.
fn recording(scenario: &Scenario, seed: u64, limits: &[f64]) -> Recording {
    let mut works = Works::new(&scenario.server, seed);
    let deadline = Duration::from_secs_f64(scenario.shortest_deadline());
    let (mut ends, mut started) = (Ends::default(), BTreeMap::new());
    let limit_at = |at: f64| limits[scenario.phases.iter().rposition(|phase| phase.at <= at).unwrap()];
    for (number, call) in calls(scenario, seed).into_iter().enumerate() {
        let (number, scheduled) = (number as u32, Duration::from_secs_f64(call.at));
        ends.sent.push((scheduled, Duration::ZERO));
        works.advance(call.at, &mut |ended, at| answer(&mut started, &mut ends, ended, at, deadline));
        if (started.len() as f64) < limit_at(call.at) {
            started.insert(number, scheduled);
            works.enter(call.at, number, call.work, &mut |_, _| unreachable!("all that was due is done"));
        } else {
            ends.seen.push(End { scheduled, latency: Duration::ZERO, outcome: Outcome::Rejected });
        }
    }
    works.advance(scenario.seconds, &mut |ended, at| answer(&mut started, &mut ends, ended, at, deadline));
    let slices = (scenario.seconds / SLICE_SECONDS).round() as usize;
    let limit =
        |slice: usize| Limit { limit: limit_at((slice + 1) as f64 * SLICE_SECONDS), ..Limit::default() };
    Recording { ends, limits: (0..slices).map(limit).collect() }
}

fn answer(started: &mut BTreeMap<u32, Duration>, ends: &mut Ends, call: u32, at: f64, deadline: Duration) {
    let scheduled = started.remove(&call).unwrap();
    let latency = Duration::from_secs_f64(at).saturating_sub(scheduled);
    let outcome = if latency <= deadline { Outcome::Ok } else { Outcome::Late };
    ends.seen.push(End { scheduled, latency, outcome });
}

fn tally(scenario: &Scenario, run: Run) -> Tally {
    let mut tally = Tally::default();
    tally.add(scenario, run);
    tally
}

/// The same calls at the same limits are the same counts and the same score, to the call: without a dependency, whose
/// delays are other draws.
#[test]
fn plant_and_arithmetic_are_the_simulator_s() {
    for name in ["a", "b"] {
        let scenario = scenario(name);
        let best = oracle(&scenario);
        let low: Vec<f64> = best.iter().map(|limit| (limit / 3.0).ceil()).collect();
        let simulated = |limits: &[f64]| plant::run(&scenario, 3, PhasedFixed::fleet(&scenario, limits));
        let recorded = |limits: &[f64]| recording(&scenario, 3, limits).run(&scenario);
        for limits in [&best, &low] {
            let (simulated, recorded) = (simulated(limits), recorded(limits));
            let counts = |run: &Run| run.slices.iter().map(|slice| slice.classes.clone()).collect::<Vec<_>>();
            assert_eq!(counts(&simulated), counts(&recorded), "{name} {limits:?}");
        }
        let score = |run: &dyn Fn(&[f64]) -> Run| {
            Score::of(&scenario, &tally(&scenario, run(&low)), &tally(&scenario, run(&best)))
        };
        let (simulated, mut recorded) = (score(&simulated), score(&recorded));
        assert!((simulated.p99.unwrap() - recorded.p99.unwrap()).abs() < 1e-6, "{name}");
        recorded.p99 = simulated.p99;
        assert_eq!(simulated, recorded, "{name}");
    }
}

#[test]
fn dependencies_are_as_slow_as_the_simulator_s() {
    for name in ["g", "j"] {
        let scenario = scenario(name);
        let limits = oracle(&scenario);
        let simulated = plant::run(&scenario, 3, PhasedFixed::fleet(&scenario, &limits));
        let recorded = recording(&scenario, 3, &limits).run(&scenario);
        for (phase, next) in [(0, 1), (1, 2)] {
            let from = scenario.phases[phase].at;
            let to = scenario.phases.get(next).map_or(scenario.seconds, |next| next.at);
            let figures = |run: &Run| {
                let at = |rank| run.percentile(rank, from, to).unwrap();
                [run.goodput(from, to), at(0.5), at(0.9), at(0.99)]
            };
            for (simulated, recorded) in figures(&simulated).into_iter().zip(figures(&recorded)) {
                let apart = (recorded / simulated - 1.0).abs();
                assert!(apart < 0.05, "{name}, phase {phase}: simulated {simulated}, recorded {recorded}");
            }
        }
    }
}

#[test]
fn the_policy_file_is_the_simulator_s_default() {
    for name in NAMES {
        for known in [true, false] {
            let scenario = Scenario { deadline_known: known, ..scenario(name) };
            let ours = config::parse(policy(&scenario).as_bytes()).unwrap().set;
            let simulated = default_policies(&scenario);
            assert_eq!(ours.policies, simulated.policies, "{name}");
            assert_eq!(ours.mode, simulated.mode, "{name}");
        }
    }
}

#[test]
fn the_limiter_has_the_scenario_s_bounds_and_start() {
    let folder = TempDir::new().unwrap();
    for name in NAMES {
        let scenario = scenario(name);
        let setpoint = Setpoint::builder("test").socket(folder.path().join("none.sock")).start();
        let limiter = limiter(&setpoint, &scenario);
        let bounds = scenario.limit;
        assert_eq!(limiter.limit(), bounds.initial, "{name}");
        assert_eq!((limiter.pin(0.0), limiter.pin(1e9)), (bounds.min, bounds.max), "{name}");
        setpoint.stop();
    }
}

#[test]
fn what_cannot_be_played_is_refused_by_name() {
    let table = [
        ("a", ""),
        ("b", ""),
        ("g", ""),
        ("j", ""),
        ("k", "server.pauses"),
        ("retry-storm", "clients.retries"),
        ("priority-mix", "classes"),
        ("shared-bottleneck", "instances"),
    ];
    for (name, expected) in table {
        let missing = unsupported(&scenario(name)).join(",");
        assert!(
            missing.starts_with(expected) && missing.is_empty() == expected.is_empty(),
            "{name}: {missing}"
        );
    }
}

#[test]
fn a_scaled_scenario_has_other_rates_and_workers_and_the_same_calls() {
    let (whole, half) = (scenario("a"), scaled(&scenario("a"), 0.5));
    assert_eq!(scaled(&whole, 1.0), whole);
    assert_eq!(half.clients.rate.points, [(0.0, 200.0), (15.0, 800.0)]);
    assert_eq!(half.server.station.workers.0, [(0.0, 8)]);
    assert_eq!(half.server.station.contention.unwrap().from, 16.0);
    assert_eq!((half.server.work, &half.classes), (whole.server.work, &whole.classes));
    assert_eq!(scaled(&scenario("b"), 0.5).server.station.workers.0, [(0.0, 8), (15.0, 3)], "rounded");
}

#[tokio::test]
async fn a_short_scenario_is_played_on_real_processes() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("short.yaml");
    let text = "version: setpoint/v1\nkind: Scenario\nname: short\nduration: 3s\nwarm_up: 1s\nclients: {rate: 50}\n\
                deadline: 2s\nserver: {workers: 4, work: {exponential: 5ms}, delay: {fixed: 5ms}}\n";
    std::fs::write(&file, text).unwrap();
    let json = folder.path().join("result.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_scoreboard-real"));
    command
        .arg("--only")
        .arg(&file)
        .arg("--json")
        .arg(&json)
        .args(["--repetitions", "1"])
        .stdout(Stdio::null());
    command.arg("--trace").arg(folder.path());
    let mut rig = Process::spawn("scoreboard-real", &mut command).unwrap();
    let status = rig.wait(Duration::from_secs(60)).await.unwrap();
    let result: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let short = &result["scenarios"]["short"];
    assert_eq!(status.code(), Some(i32::from(short["close"] == false)), "{result}");
    let run = &short["runs"][0];
    assert_eq!(run["lost_calls"], 0, "{result}");
    assert!(run["real"]["oracle_goodput_per_second"].as_f64().unwrap() > 20.0, "{result}");
    let trace = |kind: &str| std::fs::read_to_string(folder.path().join(format!("short-1.{kind}"))).unwrap();
    let table = trace("csv");
    assert_eq!(table.lines().count(), 31, "a line for each tenth of a second, and the head: {table}");
    assert!(trace("log").contains("session started"), "{}", trace("log"));
    assert!(trace("ndjson").lines().count() > 30, "a snapshot for each tick");
}
