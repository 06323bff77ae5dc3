//! The recorder beside a real loop, and beside a disk that does not follow.

use std::path::Path;

use setpoint_policies::decision::Decision;
use setpoint_policies::knob::KnobName;
use setpoint_policies::signal::Signals;
use setpoint_policies::totals::Totals;
use setpoint_proto::message::{Report, Status, ToSidecar};
use tempfile::TempDir;

use super::*;
use crate::config::{self, Reloader};
use crate::control::Control;
use crate::journal;
use crate::reload::Reload;
use crate::replay::{self, Options};
use crate::rig::{self, Rig, Sdk, hello};

const POLICY: &str = "
version: setpoint/v1
name: demo
policies:
  - name: inbound
    adaptive_concurrency: {knob: limit.inbound, min: 4, max: 400, initial: 64}
  - name: db
    breaker: {knob: breaker.db, consecutive: 3}
";

fn limiter() -> KnobName {
    KnobName::try_new("limit.inbound").unwrap()
}

/// A service that is offered 4000 calls a second: at first it answers them in 10 ms each, from the 100th report on it answers
/// 2000 a second, whatever its limit is, and from the 200th on 1000.
struct Load {
    totals: Totals,
    number: u64,
}

impl Load {
    fn next(&mut self, limit: f64) -> Report {
        self.number += 1;
        let in_overload = |calls: u32| (u64::from(calls), (limit / f64::from(calls) * 1e8) as u64);
        let (calls, latency) = match self.number {
            0..100 => (400, 10_000_000),
            100..200 => in_overload(200),
            _ => in_overload(100),
        };
        let totals = &mut self.totals;
        totals.at_nanos = self.number * 100_000_000;
        totals.arrived += 400;
        totals.rejected[2] += 400 - calls;
        totals.admitted += calls;
        totals.completed += calls;
        totals.latency_sum += calls * latency;
        totals.success_latency_sum += calls * latency;
        totals.success_latency_sq_sum += calls * (latency / 64_000).pow(2);
        totals.admit_time_sum += calls * (totals.at_nanos - latency);
        totals.release_time_sum += calls * totals.at_nanos;
        totals.in_flight_peak = limit as u64;
        (totals.limit_in_force, totals.limited) = (limit, true);
        let totals = [(limiter(), totals.clone())].into();
        Report { at_nanos: self.number * 100_000_000, totals, ..Report::default() }
    }
}

/// Reports for half a minute, and does what it is told.
async fn work(sdk: &mut Sdk) {
    let mut load = Load { totals: Totals::default(), number: 0 };
    let mut limit = 64.0;
    for _ in 0..300 {
        sdk.say(ToSidecar::Report(Box::new(load.next(limit)))).await;
        let told = tokio::time::timeout(Duration::from_millis(100), sdk.frame()).await;
        if let Ok(frame) = told {
            let wanted = frame.set.iter().find(|setpoint| setpoint.knob == limiter());
            limit = wanted.map_or(limit, |setpoint| setpoint.value.scalar());
            sdk.ack(&frame, Status::Applied).await;
        }
    }
}

fn wrote(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("tape")).expect("a recording")
}

#[tokio::test(start_paused = true)]
async fn a_replay_decides_what_the_live_engine_decided() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("policy.yaml"), POLICY).unwrap();
    let rig = Rig::serving(rig::shared());
    let (_reload, requests) = Reload::channel();
    let metrics = rig.shared.metrics.clone();
    let recorder = Recorder::start(dir.path().join("tape"), DEFAULT_MOST_BYTES, metrics).unwrap();
    let source = Reloader::new(dir.path().to_owned());
    let control = Control::new(rig.shared.clone(), source, Box::new(|_| Signals::default()), requests);
    let control = tokio::spawn(control.recording(Some(recorder)).run());
    let mut sdk = rig.session(hello("1")).await;
    work(&mut sdk).await;
    control.abort();
    assert!(control.await.is_err_and(|error| error.is_cancelled()), "its recorder has written all");

    let line = |at: Timestamp, decision: &Decision| {
        format!("{} {} {} {:?} {}", at.as_nanos(), decision.id, decision.knob, decision.to, decision.reason)
    };
    let live = rig.shared.journal.newest(journal::CAPACITY);
    let live: Vec<_> = live.iter().map(|entry| line(entry.at, &entry.decision)).collect();
    assert!(live.len() > 3, "something was decided: {live:#?}");

    let set = config::load(dir.path()).unwrap().set;
    let (tape, mut engine, mut again, mut newest) = (wrote(dir.path()), None, Vec::new(), 0);
    for recorded in tape.lines().map(|line| format::read(line).expect("what we wrote")) {
        let new = || setpoint_policies::engine::Engine::new(Arc::clone(&set), recorded.started.unwrap());
        for decision in engine.get_or_insert_with(new).step(&recorded.snapshot).decisions {
            if decision.id > newest && replay::changes(&decision) {
                again.push(line(recorded.snapshot.at, &decision));
            }
            newest = newest.max(decision.id);
        }
    }
    assert_eq!(again, live);

    let (mut out, mut err) = (Vec::new(), Vec::new());
    let options = Options { changes: true, ..Options::default() };
    assert_eq!(replay::replay(tape.as_bytes(), "tape", set, options, &mut out, &mut err).unwrap(), 0);
    let said = String::from_utf8(out).unwrap();
    let reasons = rig.shared.journal.newest(journal::CAPACITY);
    assert!(reasons.iter().all(|entry| said.contains(&entry.decision.reason.to_string())), "{said}");
    assert!(err.is_empty());
}

/// A recorder whose writer is stuck with the first snapshot.
fn stuck(metrics: &Metrics) -> (Recorder, Receiver<Entry>) {
    let (queue, entries) = sync_channel(2);
    let (_, ended) = sync_channel(0);
    (Recorder { queue: Some(queue), dropped: Arc::default(), ended, metrics: metrics.clone() }, entries)
}

fn counted(metrics: &Metrics, result: &str) -> String {
    let page = metrics.render(&crate::status::Status::default());
    let start = format!("setpoint_recorded_snapshots_total{{result=\"{result}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("0").to_owned()
}

#[test]
fn a_slow_disk_costs_snapshots_and_never_the_loop() {
    let metrics = Metrics::new();
    let (recorder, entries) = stuck(&metrics);
    for _ in 0..10 {
        recorder.offer(Timestamp::ZERO, Snapshot::default());
    }
    assert_eq!((counted(&metrics, "dropped").as_str(), recorder.dropped.load(Ordering::Relaxed)), ("8", 8));
    assert_eq!(entries.try_iter().count(), 2);
}

#[test]
fn a_file_that_cannot_be_written_is_counted_and_harms_nobody() {
    let (dir, metrics) = (TempDir::new().unwrap(), Metrics::new());
    let recorder = Recorder::start(dir.path().join("no/such/tape"), LEAST_BYTES, metrics.clone()).unwrap();
    for _ in 0..3 {
        recorder.offer(Timestamp::ZERO, Snapshot::default());
    }
    drop(recorder);
    assert_eq!((counted(&metrics, "failed").as_str(), counted(&metrics, "written").as_str()), ("3", "0"));
}

#[test]
fn dropping_the_recorder_writes_what_waits() {
    let (dir, metrics) = (TempDir::new().unwrap(), Metrics::new());
    let recorder = Recorder::start(dir.path().join("tape"), LEAST_BYTES, metrics.clone()).unwrap();
    for n in 0..50 {
        let at = Timestamp::from_millis(n);
        recorder.offer(Timestamp::ZERO, Snapshot { at, ..Snapshot::default() });
    }
    drop(recorder);
    assert_eq!(wrote(dir.path()).lines().count(), 50);
    assert_eq!(counted(&metrics, "written"), "50");
}
