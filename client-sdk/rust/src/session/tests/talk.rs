//! What the SDK says: reports, beats, knobs that come later, and what it leaves out when nobody listens.

use std::time::Duration;

use setpoint_policies::signal::Signal;
use setpoint_policies::value::Value;
use setpoint_proto::message::{Status, ToSidecar};

use super::fake::{Service, Sidecar, limit, seconds};
use crate::Priority;
use crate::actuator::Actuator;

#[tokio::test(start_paused = true)]
async fn s3_reports_carry_the_counters_ten_times_a_second() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let limiter = service.sdk.limiter("db").register();
    let mut talk = sidecar.session(1).await;
    limiter.try_acquire(Priority::Normal).expect("there is room").finish(crate::Outcome::Success);
    let _held = limiter.try_acquire(Priority::Normal).expect("there is room");
    talk.beats(10, true).await;
    let (mut reports, mut beats, mut newest) = (0, 0, None);
    let everything = async {
        loop {
            match talk.hear().await.expect("the stream is up") {
                ToSidecar::Report(report) => {
                    reports += 1;
                    newest = Some(report);
                }
                ToSidecar::Beat(_) => beats += 1,
                other => panic!("{other:?}"),
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(1), everything).await;
    assert!((99..=101).contains(&reports), "{reports} reports in ten seconds");
    assert!((9..=10).contains(&beats), "{beats} beats in ten seconds");
    let newest = newest.expect("some were heard");
    let (name, totals) = newest.totals.first_key_value().expect("one limiter");
    assert_eq!((name.as_str(), newest.totals.len()), ("limit.db", 1), "a breaker has no counters");
    assert_eq!((totals.admitted, totals.completed, totals.in_flight()), (2, 1, 1));
    assert_eq!(totals.limit_in_force, 64.0);
    if std::path::Path::new("/proc/self/schedstat").exists() {
        assert!(!newest.signals.is_empty(), "the process sees something of itself");
    } else {
        eprintln!("SKIPPED: no /proc/self/schedstat here, signals not looked at");
    }
    assert!(newest.signals.iter().all(|(signal, _)| *signal != Signal::RuntimeDelay), "no runtime was given");
}

#[tokio::test(start_paused = true)]
async fn l2_the_first_report_follows_the_welcome_at_once() {
    let mut sidecar = Sidecar::start();
    let _service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    let welcomed = tokio::time::Instant::now();
    assert!(talk.report().await.totals.keys().any(|knob| knob.as_str() == "limit.db"));
    assert!(welcomed.elapsed() < Duration::from_millis(5), "{:?}", welcomed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn knobs_registered_later_are_announced_and_can_be_pushed() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    service.sdk.limiter("late").bounds(1, 50).baseline(20).register();
    let mut announced = Vec::new();
    while announced.len() < 2 {
        if let ToSidecar::Knobs(update) = talk.hear().await.expect("the stream is up") {
            announced.extend(update.add.into_iter().map(|knob| knob.name.as_str().to_owned()));
        }
    }
    announced.sort();
    assert_eq!(announced, ["breaker.late", "limit.late"]);
    talk.beats(2, true).await;
    while let Ok(said) = tokio::time::timeout(Duration::from_millis(1), talk.hear()).await {
        assert!(!matches!(said, Some(ToSidecar::Knobs(_))), "announced once");
    }
    talk.push(1, &[("limit.late", limit(7.0))]).await;
    assert_eq!(service.in_force("limit.late"), 7.0);
}

#[tokio::test(start_paused = true)]
async fn l2_a_sidecar_that_does_not_read_delays_nothing() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    for name in 0..200 {
        service.sdk.limiter(&format!("route-{name}")).register();
    }
    let mut talk = sidecar.accept().await;
    talk.welcome(1).await;
    seconds(300).await;
    // Nobody has shown a sign of life for five minutes; frames still count at once.
    for seq in 1..=50 {
        let frame = talk.frame(seq, &[("limit.db", limit(10.0 + seq as f64))]);
        talk.say(&setpoint_proto::message::ToSdk::Frame(Box::new(frame))).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(service.limit(), 60.0);
    // When it reads again it finds a few old reports and not a flood of them, and the newest ack.
    talk.hello().await;
    let mut reports = 0;
    loop {
        match talk.hear().await.expect("the stream is up") {
            ToSidecar::Report(_) => reports += 1,
            ToSidecar::Ack(ack) if ack.nonce == 50 => break,
            _ => {}
        }
    }
    assert!(reports <= 21, "{reports} of 3000 were said");
}

#[tokio::test(start_paused = true)]
async fn s2_the_delay_of_the_applications_runtime_is_told() {
    let mut sidecar = Sidecar::start();
    let service = Service::in_runtime(sidecar.door.clone(), tokio::runtime::Handle::current());
    let mut talk = sidecar.session(1).await;
    let delay = loop {
        let report = talk.report().await;
        if let Some((_, delay)) = report.signals.iter().find(|(signal, _)| *signal == Signal::RuntimeDelay) {
            break *delay;
        }
    };
    assert!(delay < 0.01, "{delay}: paused time is never late");
    drop(service);
}

#[tokio::test(start_paused = true)]
async fn g4_worker_threads_are_advised_while_the_sidecars_word_counts_and_never_moved() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let workers = service.sdk.worker_threads(&tokio::runtime::Handle::current());
    let mut talk = sidecar.session(1).await;
    let pushed = Value::Parallelism { threads: 3, blocking_threads: None };
    let ack = talk.push(1, &[("parallelism", pushed)]).await;
    assert_eq!((ack.results[0].status, ack.results[0].effective), (Status::LocalOverride, 1.0));
    // As many as this machine has CPUs at most, and nothing where that is what the runtime has anyway.
    let within = Actuator::knob(&workers).max.min(3.0) as u32;
    assert_eq!(
        (workers.in_force(), workers.recommended()),
        (1, Some(within).filter(|threads| *threads != 1))
    );
    talk.beat(true).await;
    sidecar.kill(talk);
    seconds(200).await;
    assert_eq!((service.in_force("parallelism"), workers.recommended()), (1.0, None));
}
