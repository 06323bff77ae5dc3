//! What becomes of values and health when the sidecar, or the service, lives, dies, hangs and comes back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use setpoint_policies::value::Breaker;
use setpoint_proto::message::{Ack, Status, ToSdk, ToSidecar};
use tokio::time::Instant;

use super::fake::{Service, Sidecar, limit, seconds};
use crate::health::Health;

#[tokio::test(start_paused = true)]
async fn l2_the_first_value_is_in_force_within_50_ms_of_the_start() {
    let start = Instant::now();
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.accept().await;
    let hello = talk.hello().await;
    assert_eq!(hello.service, "checkout");
    let knobs: Vec<_> = hello.knobs.iter().map(|knob| knob.name.as_str()).collect();
    assert_eq!(knobs, ["breaker.db", "limit.db"]);
    assert_eq!(hello.state[1].effective, 64.0, "what is in force before anything was pushed");
    talk.welcome(1).await;
    let ack = talk.push(1, &[("limit.db", limit(10.0))]).await;
    assert_eq!((ack.nonce, ack.results[0].status, ack.results[0].effective), (1, Status::Applied, 10.0));
    assert_eq!(service.limit(), 10.0);
    assert!(start.elapsed() < Duration::from_millis(50), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn l2_the_sidecar_dies_values_hold_then_decay_to_the_baseline() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    talk.push(1, &[("breaker.db", setpoint_policies::value::Value::Breaker(Breaker::Closed))]).await;
    talk.beats(3, true).await;
    assert_eq!((service.limit(), service.health()), (10.0, Health::Synced));

    talk.beat(true).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let died = Instant::now();
    sidecar.kill(talk);
    let mut seen = Vec::new();
    for second in [4, 6, 34, 36, 65, 94, 96, 600] {
        tokio::time::sleep_until(died + Duration::from_secs(second)).await;
        seen.push((second, service.limit().round(), service.health()));
    }
    let expected = [
        (4, 10.0, Health::Quiet),
        (6, 10.0, Health::Held),
        (34, 10.0, Health::Held),
        (36, 11.0, Health::Decaying),
        (65, 37.0, Health::Decaying),
        (94, 63.0, Health::Decaying),
        (96, 64.0, Health::Baseline),
        (600, 64.0, Health::Baseline),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn l2_a_sidecar_that_hangs_with_its_stream_up_is_as_good_as_dead() {
    for beats_go_on in [true, false] {
        let mut sidecar = Sidecar::start();
        let service = Service::start(sidecar.door.clone());
        let mut talk = sidecar.session(1).await;
        talk.push(1, &[("limit.db", limit(10.0))]).await;
        talk.beat(true).await;
        let mut hang = async |seconds_more: u64| {
            if beats_go_on {
                talk.beats(seconds_more, false).await;
            } else {
                seconds(seconds_more).await;
            }
            (service.limit().round(), service.health())
        };
        assert_eq!(hang(4).await, (10.0, Health::Quiet), "beats {beats_go_on}");
        assert_eq!(hang(2).await, (10.0, Health::Held));
        assert_eq!(hang(59).await, (36.0, Health::Decaying));
        assert_eq!(hang(35).await, (64.0, Health::Baseline));
        // SIGCONT: what it renews was let go long ago. It is told so in a new session, and decides anew.
        talk.beat(true).await;
        drop(talk);
        let mut talk = sidecar.accept().await;
        let hello = talk.hello().await;
        let state = hello.state.iter().find(|line| line.knob == "limit.db").expect("every knob is told");
        assert_eq!(state.effective, 64.0);
        talk.welcome(1).await;
        talk.beats(2, true).await;
        assert_eq!(service.limit(), 64.0, "one beat of a sidecar that hung brings nothing back");
        talk.push(2, &[("limit.db", limit(12.0))]).await;
        talk.beats(2, true).await;
        assert_eq!((service.limit(), service.health()), (12.0, Health::Synced));
        assert_eq!(sidecar.door.knocks.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn l2_a_sidecar_that_hangs_for_less_than_its_hold_goes_on_as_before() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    talk.beat(true).await;
    seconds(30).await;
    assert_eq!((service.limit(), service.health()), (10.0, Health::Held));
    talk.beat(true).await;
    seconds(1).await;
    assert_eq!((service.limit(), service.health()), (10.0, Health::Synced));
    assert_eq!(sidecar.door.knocks.load(Ordering::SeqCst), 1, "nobody hung up");
}

#[tokio::test(start_paused = true)]
async fn l2_a_restarted_sidecar_causes_no_jump() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(900, &[("limit.db", limit(10.0))]).await;
    talk.beats(2, true).await;
    let door = sidecar.door.clone();
    drop(talk);

    let mut talk = sidecar.accept().await;
    let hello = talk.hello().await;
    let state = hello.state.iter().find(|line| line.knob == "limit.db").expect("every knob is told");
    assert_eq!((state.effective, state.status), (10.0, Status::Applied), "a new sidecar can learn");
    assert_eq!(hello.last_applied.map(|version| version.seq), Some(900));
    talk.welcome(2).await;
    talk.beats(10, true).await;
    assert_eq!(service.limit(), 10.0, "it learns and pushes nothing yet");
    let ack = talk.push(1, &[("limit.db", limit(11.0))]).await;
    assert_eq!((ack.results[0].status, service.limit()), (Status::Applied, 11.0), "its numbering is its own");
    talk.beats(2, true).await;
    assert_eq!((service.health(), door.knocks.load(Ordering::SeqCst)), (Health::Synced, 2));
}

#[tokio::test(start_paused = true)]
async fn l2_attempts_never_end_and_never_storm() {
    let sidecar = Sidecar::start();
    sidecar.door.open.store(false, Ordering::SeqCst);
    let service = Service::start(sidecar.door.clone());
    seconds(10).await;
    let knocks = sidecar.door.knocks.load(Ordering::SeqCst);
    assert!((8..=14).contains(&knocks), "{knocks} in the first ten seconds");
    seconds(3600).await;
    let per_hour = sidecar.door.knocks.load(Ordering::SeqCst) - knocks;
    assert!((1000..=1500).contains(&per_hour), "{per_hour} in an hour");
    assert_eq!((service.limit(), service.health()), (64.0, Health::Baseline));
    sidecar.door.open.store(true, Ordering::SeqCst);
    let mut sidecar = sidecar;
    let talk = tokio::time::timeout(Duration::from_millis(3600), sidecar.session(1)).await;
    let mut talk = talk.expect("found within the longest back-off");
    talk.beats(1, true).await;
    drop(talk);
    let again = tokio::time::timeout(Duration::from_millis(130), sidecar.accept()).await;
    assert!(again.is_ok(), "a session that worked is sought again at once");
}

#[tokio::test(start_paused = true)]
async fn l2_a_hung_loop_does_not_live_by_a_new_stream() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    talk.beats(2, true).await;
    // The stream breaks; whoever answers sends the last frame again, with beats of the tick that was reached.
    let reached = talk.tick();
    drop(talk);
    let mut talk = sidecar.session(1).await;
    talk.set_tick(reached);
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    seconds(4).await;
    talk.beats(3, false).await;
    assert_eq!((service.limit(), service.health()), (10.0, Health::Held));
    talk.beats(1, true).await;
    assert_eq!(service.health(), Health::Synced);
}

#[tokio::test(start_paused = true)]
async fn answers_to_an_old_stream_are_not_given_on_a_new_one() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let limiter = service.sdk.limiter("db").register();
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    drop(talk);
    // While the next stream is being made something changes that the old one would have been told.
    let mut talk = sidecar.accept().await;
    limiter.pin(20.0);
    seconds(1).await;
    talk.hello().await;
    talk.welcome(2).await;
    talk.beats(1, true).await;
    while let Ok(said) = tokio::time::timeout(Duration::from_millis(1), talk.hear()).await {
        assert!(!matches!(said, Some(ToSidecar::Ack(_))), "{said:?} answers nothing that was asked");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_honoured_and_values_are_kept() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    let drain = ToSdk::Drain { retry_after: Duration::from_secs(4), why: "upgrade".to_owned() };
    talk.say(&drain).await;
    let drained = Instant::now();
    sidecar.session(2).await;
    let away = drained.elapsed().as_secs_f64();
    assert!((4.0..=4.9).contains(&away), "{away}");
    assert_eq!(service.limit(), 10.0);
}

#[tokio::test(start_paused = true)]
async fn a_stall_of_our_own_is_not_held_against_the_sidecar() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    talk.beat(true).await;
    seconds(1).await;
    // As after SIGSTOP: a minute has passed, and the beats of that minute are still unread.
    tokio::time::advance(Duration::from_secs(60)).await;
    talk.beat(true).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((service.limit(), service.health()), (10.0, Health::Synced));
    let report = loop {
        let report = talk.report().await;
        if report.stall_nanos > 0 {
            break report;
        }
    };
    assert!(report.stall_nanos > 59_000_000_000, "{}", report.stall_nanos);

    // The same pause, but the sidecar has died in it: one beat of grace, and then the truth.
    talk.beat(true).await;
    seconds(1).await;
    sidecar.kill(talk);
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(service.limit(), 10.0);
    seconds(1).await;
    assert_eq!(service.health(), Health::Decaying);
    assert!(service.limit() > 30.0, "{}", service.limit());
}

#[tokio::test(start_paused = true)]
async fn the_disable_file_switches_everything_off_and_on_again() {
    let directory = std::env::temp_dir().join(format!("setpoint-session-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut sidecar = Sidecar::start();
    let service = Service::with_socket(sidecar.door.clone(), directory.join("setpoint.sock"));
    let limiter = service.sdk.limiter("db").register();
    let knob = service.sdk.knob("batch").bounds(1.0, 512.0).baseline(64.0).register();
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(4.0))]).await;
    talk.push(1, &[("batch", setpoint_policies::value::Value::Number(8.0))]).await;
    let admitted = || {
        let permits: Vec<_> =
            (0..20).filter_map(|_| limiter.try_acquire(crate::Priority::Critical).ok()).collect();
        permits.len()
    };
    assert_eq!((admitted(), knob.value()), (4, 8.0));

    std::fs::write(directory.join("disable"), "").unwrap();
    talk.beats(2, true).await;
    assert_eq!((admitted(), knob.value(), service.health()), (20, 64.0, Health::Disabled));
    let ack = talk.push(2, &[("limit.db", limit(5.0))]).await;
    assert_eq!((ack.results[0].status, ack.results[0].effective), (Status::LocalOverride, 64.0));

    std::fs::remove_dir_all(&directory).unwrap();
    talk.beats(2, true).await;
    assert_eq!((admitted(), knob.value(), service.health()), (5, 8.0, Health::Synced), "as if never off");
    let told = async {
        let is = |ack: &Ack| (ack.results[0].status, ack.results[0].effective) == (Status::Applied, 5.0);
        while !is(&talk.ack().await) {}
    };
    tokio::time::timeout(Duration::from_secs(2), told)
        .await
        .expect("the sidecar is told that it counts again");
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_dropped_says_goodbye_and_leaves_nothing_behind() {
    let mut sidecar = Sidecar::start();
    let service = Service::start(sidecar.door.clone());
    let limiter = service.sdk.limiter("db").register();
    let mut talk = sidecar.session(1).await;
    talk.push(1, &[("limit.db", limit(10.0))]).await;
    let session = service.stop();
    let farewell = loop {
        match talk.hear().await {
            Some(ToSidecar::Goodbye { why }) => break why,
            Some(_) => {}
            None => panic!("hung up without a word"),
        }
    };
    assert!(!farewell.is_empty());
    session.await.expect("the session ends by itself");
    let permits: Vec<_> =
        (0..80).filter_map(|_| limiter.try_acquire(crate::Priority::Critical).ok()).collect();
    assert_eq!(permits.len(), 64);
}
