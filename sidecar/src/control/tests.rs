//! The loop with a real engine, a real policy file and a client that speaks the real gRPC; only time is ours.

use std::path::Path;

use setpoint_policies::totals::Totals;
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::message::{Channel, Report, Status, ToSidecar};
use tempfile::TempDir;

use super::*;
use crate::reload::Reload;
use crate::rig::{self, Rig, Sdk, applied, hello};
use crate::status::ConfigState as Runs;

mod guards;
mod last_good;

const GOOD: &str = "
version: setpoint/v1
name: demo
policies:
  - name: inbound
    adaptive_concurrency: {knob: limit.inbound, min: 4, max: 400, initial: 50}
  - name: db
    breaker: {knob: breaker.db, consecutive: 3}
";

/// A loop that ticks, and what it shares.
struct Ticking {
    rig: Rig,
    directory: TempDir,
    reload: Reload,
    loop_task: tokio::task::JoinHandle<()>,
}

impl Ticking {
    fn start(policy: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        if let Some(policy) = policy {
            write(directory.path(), policy);
        }
        Self::watching(directory)
    }

    fn watching(directory: TempDir) -> Self {
        Self::built(directory, |control, _, _| control)
    }

    /// With what `build` adds to the loop, for which it gets the directory and the metrics.
    fn built(directory: TempDir, build: impl FnOnce(Control, &Path, Metrics) -> Control) -> Self {
        let rig = Rig::serving(rig::shared());
        let (reload, requests) = Reload::channel();
        let source = Reloader::new(directory.path().join("config"));
        let control = Control::new(rig.shared.clone(), source, Box::new(|_| Signals::default()), requests);
        let control = build(control, directory.path(), rig.shared.metrics.clone());
        Self { rig, directory, reload, loop_task: tokio::spawn(control.run()) }
    }

    fn write(&self, policy: &str) {
        write(self.directory.path(), policy);
    }

    fn config(&self) -> status::Config {
        self.rig.shared.board.latest().config.clone()
    }
}

fn write(directory: &Path, policy: &str) {
    std::fs::create_dir_all(directory.join("config")).expect("made");
    std::fs::write(directory.join("config/policy.yaml"), policy).expect("written");
}

async fn millis(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

async fn failures(sdk: &Sdk, consecutive_failures: u64) {
    let knob = setpoint_policies::knob::KnobName::try_new("limit.db").expect("valid");
    let totals = Totals { admitted: 9, failed: 9, consecutive_failures, ..Totals::default() };
    let report = Report { at_nanos: 1, totals: [(knob, totals)].into(), ..Report::default() };
    sdk.say(ToSidecar::Report(Box::new(report))).await;
}

#[test]
fn missed_slots_stay_missed() {
    let at = Timestamp::from_millis;
    let tick = Duration::from_millis(100);
    let cases = [(0, 0, 100), (0, 99, 100), (0, 100, 200), (0, 250, 300), (100, 350, 400), (500, 420, 500)];
    for (slot, now, next) in cases {
        assert_eq!(next_slot(at(slot), at(now), tick), at(next), "{slot} {now}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_in_force_as_soon_as_it_has_settled() {
    let ticking = Ticking::start(Some(&GOOD.replace("name: demo", "name: demo\ndefaults: {tick: 1s}")));
    millis(500).await;
    let revision = ticking.config().revision;
    ticking.write(GOOD);
    // Seen in the tick at 1 s, settled 100 ms later: that does not wait for the tick at 2 s.
    millis(650).await;
    assert_ne!(ticking.config().revision, revision);
}

#[tokio::test(start_paused = true)]
async fn l1_the_loop_ticks_at_the_pace_of_the_policy() {
    let ticking = Ticking::start(Some(GOOD));
    millis(1050).await;
    assert_eq!(ticking.rig.shared.pulse.tick(), 11);
    ticking.write(&GOOD.replace("name: demo", "name: demo\ndefaults: {tick: 50ms}"));
    millis(500).await;
    let before = ticking.rig.shared.pulse.tick();
    millis(1000).await;
    assert_eq!(ticking.rig.shared.pulse.tick() - before, 20);
    assert!(ticking.rig.metrics().contains("setpoint_tick_lateness_seconds_bucket"));
}

#[tokio::test(start_paused = true)]
async fn a_new_sidecar_takes_over_what_is_in_force_and_moves_nothing_for_ten_seconds() {
    let ticking = Ticking::start(Some(GOOD));
    millis(50).await;
    let mut told = hello("a");
    told.state = vec![applied("limit.inbound", Status::Applied, 35.0)];
    let mut sdk = ticking.rig.session(told).await;
    let breaker = sdk.frame().await;
    assert_eq!((breaker.channel, breaker.set[0].value), (Channel::Safety, Value::Breaker(Breaker::Local)));
    let limit = sdk.frame().await;
    assert_eq!(limit.set[0].value, Value::Concurrency(35.0), "no jump to `initial`");
    sdk.ack(&breaker, Status::Applied).await;
    sdk.ack(&limit, Status::Applied).await;
    for _ in 0..9 {
        sdk.beat().await;
    }
    assert!(ticking.rig.shared.journal.newest(10).is_empty());
}

/// Says that no call has come yet.
async fn first_report(sdk: &Sdk) {
    let knob = setpoint_policies::knob::KnobName::try_new("limit.inbound").expect("valid");
    let totals = [(knob, Totals { at_nanos: 1, ..Totals::default() })].into();
    sdk.say(ToSidecar::Report(Box::new(Report { at_nanos: 1, totals, ..Report::default() }))).await;
}

#[tokio::test(start_paused = true)]
async fn l2_a_newcomer_does_not_wait_for_the_next_tick() {
    let ticking = Ticking::start(Some(GOOD));
    millis(10_510).await;
    let mut sdk = ticking.rig.session(hello("a")).await;
    let came = tokio::time::Instant::now();
    first_report(&sdk).await;
    let limit = loop {
        let frame = sdk.frame().await;
        if frame.channel == Channel::Limits {
            break frame.set[0].value;
        }
    };
    assert_eq!(limit, Value::Concurrency(50.0), "not its baseline of 64");
    assert!(came.elapsed() <= SHORTEST_WAIT, "{:?}", came.elapsed());
    let ticks = ticking.rig.shared.pulse.tick();
    millis(1000).await;
    assert_eq!(ticking.rig.shared.pulse.tick() - ticks, 10, "the pace is the old one");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_newcomers_does_not_drive_the_loop() {
    let ticking = Ticking::start(Some(GOOD));
    millis(510).await;
    let ticks = ticking.rig.shared.pulse.tick();
    for n in 0..50 {
        first_report(&ticking.rig.session(hello(&n.to_string())).await).await;
        millis(1).await;
    }
    assert!(ticking.rig.shared.pulse.tick() - ticks <= 6, "one each 10 ms");
}

#[tokio::test(start_paused = true)]
async fn protection_does_not_wait_for_learning_and_is_explained() {
    let ticking = Ticking::start(Some(GOOD));
    millis(50).await;
    let mut sdk = ticking.rig.session(hello("a")).await;
    for _ in 0..2 {
        let frame = sdk.frame().await;
        sdk.ack(&frame, Status::Applied).await;
    }
    failures(&sdk, 3).await;
    let started = tokio::time::Instant::now();
    let frame = sdk.frame().await;
    assert!(started.elapsed() <= Duration::from_millis(100), "in the next tick");
    assert!(matches!(frame.set[0].value, Value::Breaker(Breaker::Open { .. })), "{frame:?}");
    let why = &frame.set[0].why;
    assert_eq!(
        (&*why.policy, &*why.rule, &*why.text),
        ("db", "consecutive_failures", "3 failures in a row, 3 trip")
    );

    let status = crate::view::status(&ticking.rig.shared);
    let change = &status.decisions[0];
    assert_eq!((&*change.service, &*change.instance, &*change.knob), ("demo", "a", "breaker.db"));
    assert_eq!((change.from, change.to, &*change.rule), (0.0, 3.0, "consecutive_failures"));
    assert_eq!(change.id, frame.set[0].decision_id);
    let knob = status.sessions[0].knobs.iter().find(|knob| knob.name == "breaker.db").expect("declared");
    assert_eq!((knob.want, knob.policy.as_deref()), (Some(3.0), Some("db")));
    let counted = "setpoint_decisions_total{action=\"decrease\",rule=\"consecutive_failures\"}";
    assert!(ticking.rig.metrics().contains(counted));
}

#[tokio::test(start_paused = true)]
async fn without_a_good_file_it_observes_and_picks_the_file_up_when_it_comes() {
    let ticking = Ticking::start(None);
    millis(500).await;
    let mut sdk = ticking.rig.session(hello("a")).await;
    assert_eq!(ticking.config().state, Runs::ObserveOnly);
    assert!(ticking.config().error.is_some(), "and says why");
    for _ in 0..2 {
        sdk.beat().await;
    }
    ticking.write(GOOD);
    millis(300).await;
    assert_eq!(ticking.config().state, Runs::Active);
    assert_eq!(sdk.frame().await.channel, Channel::Safety);
}

#[tokio::test(start_paused = true)]
async fn l4_a_bad_edit_changes_nothing_and_is_told() {
    let ticking = Ticking::start(Some(GOOD));
    let mut sdk = ticking.rig.session(hello("a")).await;
    for _ in 0..2 {
        let frame = sdk.frame().await;
        sdk.ack(&frame, Status::Applied).await;
    }
    let revision = ticking.config().revision;
    ticking.write(&GOOD.replace("min: 4", "min: -4"));
    millis(300).await;
    let config = ticking.config();
    assert_eq!((config.state, &config.revision), (Runs::LastGood, &revision));
    assert!(config.error.expect("told").starts_with("policy.yaml:6:"), "with line and column");
    sdk.beat().await;
    sdk.beat().await;
    assert!(ticking.rig.metrics().contains("setpoint_config_state{state=\"last_good\"} 1"));
    assert!(ticking.rig.metrics().contains("setpoint_reloads_total{result=\"rejected\"} 1"));
    ticking.write(GOOD);
    millis(300).await;
    assert_eq!(ticking.config().state, Runs::Active);
}

#[tokio::test(start_paused = true)]
async fn l4_a_reload_on_request_answers_with_what_runs() {
    let ticking = Ticking::start(Some(GOOD));
    millis(50).await;
    let first = ticking.reload.now().await.expect("the loop runs");
    assert_eq!((first.state, first.error), (Runs::Active, None));
    ticking.write("version: setpoint/v1\n");
    let bad = ticking.reload.now().await.expect("the loop runs");
    assert_eq!((bad.state, bad.revision), (Runs::LastGood, first.revision));
    assert!(bad.error.is_some());
    ticking.loop_task.abort();
    assert!(ticking.loop_task.await.expect_err("aborted").is_cancelled());
    assert_eq!(ticking.reload.now().await, None);
}

#[tokio::test(start_paused = true)]
async fn knobs_and_policies_that_do_not_meet_are_told() {
    let ticking = Ticking::start(Some(&GOOD.replace("breaker.db", "breaker.bd")));
    millis(50).await;
    let mut sdk = ticking.rig.say(ToSidecar::Hello(Box::new(hello("a")))).await;
    let welcome = sdk.welcome().await;
    assert_eq!(welcome.unbound.iter().map(ToString::to_string).collect::<Vec<_>>(), ["breaker.db"]);
    assert_eq!(welcome.missing.iter().map(ToString::to_string).collect::<Vec<_>>(), ["breaker.bd"]);
    let status = crate::view::status(&ticking.rig.shared);
    assert_eq!(
        (status.unbound, status.missing),
        (vec!["demo/breaker.db".to_owned()], vec!["breaker.bd".to_owned()])
    );
}
