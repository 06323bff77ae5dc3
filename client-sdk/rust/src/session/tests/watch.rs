//! What the session does for limiters between two slices, with a sidecar or without.

use std::time::Duration;

use setpoint_policies::knob::KnobName;
use setpoint_policies::probes::Probed;
use setpoint_policies::totals::Watch;
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::message::{BreakerState, ToSdk};

use super::fake::{Service, Sidecar};
use crate::clock::Hand;
use crate::limiter::{Limiter, ReflexCause};
use crate::outcome::Outcome;
use crate::priority::Priority;
use crate::rejected::RejectReason;

/// Both clocks go on.
async fn pass(hand: &Hand, millis: u64) {
    for _ in 0..millis {
        hand.advance(Duration::from_millis(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// 150 ms in which all calls end in overload.
async fn drop_calls(limiter: &Limiter, hand: &Hand) {
    for _ in 0..15 {
        let calls: Vec<_> = (0..20).filter_map(|_| limiter.try_acquire(Priority::Normal).ok()).collect();
        pass(hand, 10).await;
        calls.into_iter().for_each(|call| call.finish(Outcome::Dropped));
    }
}

#[tokio::test(start_paused = true)]
async fn c7_a_wait_ends_within_10_ms_of_its_time() {
    let (hand, sidecar) = (Hand::default(), Sidecar::start());
    let service = Service::on_clock(sidecar.door.clone(), &hand);
    let limiter = service.sdk.limiter("waits").bounds(1, 10).baseline(1).queue(8).register();
    pass(&hand, 100).await;
    let held = limiter.try_acquire(Priority::Normal).expect("free");
    let waiting = tokio::spawn(limiter.acquire(Priority::Normal, Some(Duration::from_millis(42))));
    pass(&hand, 41).await;
    assert!(!waiting.is_finished());
    pass(&hand, 12).await;
    let rejected = waiting.await.expect("no panic").expect_err("too late");
    assert_eq!(rejected.reason, RejectReason::QueueWait);
    let waiting = tokio::spawn(limiter.acquire(Priority::Normal, None));
    pass(&hand, 2).await;
    drop(held);
    waiting.await.expect("no panic").expect("a place").finish(Outcome::Success);
    let held = limiter.try_acquire(Priority::Normal).expect("free");
    let waiting = tokio::spawn(limiter.acquire(Priority::Normal, None));
    pass(&hand, 2).await;
    service.stop().await.expect("an orderly end");
    let rejected = waiting.await.expect("no panic").expect_err("nobody looks after it any more");
    assert_eq!(rejected.reason, RejectReason::QueueWait);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn l2_without_a_sidecar_the_reflex_acts_within_150_ms_and_lets_go_again() {
    let (hand, sidecar) = (Hand::default(), Sidecar::start());
    sidecar.door.open.store(false, std::sync::atomic::Ordering::SeqCst);
    let service = Service::on_clock(sidecar.door.clone(), &hand);
    let limiter = service.sdk.limiter("db").register();
    pass(&hand, 200).await;
    drop_calls(&limiter, &hand).await;
    let reflex = limiter.reflex();
    assert_eq!((reflex.cuts, reflex.holds), (1, Some(ReflexCause::Drops)));
    assert!(limiter.limit() < 20.0 && service.limit() == 64.0, "{}", limiter.limit());
    pass(&hand, 3000).await;
    assert_eq!((limiter.limit(), limiter.reflex().holds), (64.0, None));
}

#[tokio::test(start_paused = true)]
async fn l2_a_reflex_does_not_outlive_its_session() {
    let (hand, sidecar) = (Hand::default(), Sidecar::start());
    sidecar.door.open.store(false, std::sync::atomic::Ordering::SeqCst);
    let service = Service::on_clock(sidecar.door.clone(), &hand);
    let limiter = service.sdk.limiter("db").register();
    pass(&hand, 200).await;
    drop_calls(&limiter, &hand).await;
    assert!(limiter.limit() < 20.0, "a cut holds: {}", limiter.limit());
    service.stop().await.expect("an orderly end");
    assert_eq!((limiter.limit(), limiter.reflex().holds), (64.0, None), "nobody would ever let it go again");
}

#[tokio::test(start_paused = true)]
async fn b2_watched_latencies_and_the_probes_of_a_round_come_back_in_reports() {
    let (hand, mut sidecar) = (Hand::default(), Sidecar::start());
    let service = Service::on_clock(sidecar.door.clone(), &hand);
    let limiter = service.sdk.limiter("db").register();
    let mut talk = sidecar.session(7).await;
    let half_open =
        Breaker::HalfOpen { round: 9, probe_max: 2, probe_total: 3, deadline: Duration::from_secs(3) };
    let mut frame = talk.frame(1, &[("breaker.db", Value::Breaker(half_open))]);
    frame.watched = vec![Watch { resource: "db".into(), after: Duration::from_millis(800) }];
    talk.say(&ToSdk::Frame(Box::new(frame))).await;
    talk.ack().await;
    let call = async |millis, outcome| {
        let permit = limiter.try_acquire(Priority::Normal).expect("a probe");
        pass(&hand, millis).await;
        permit.finish(outcome);
    };
    call(900, Outcome::Success).await;
    call(10, Outcome::Failure).await;
    call(10, Outcome::Ignore).await;
    assert!(limiter.try_acquire(Priority::Normal).is_err(), "three in this round");
    let probed = Probed { round: 9, let_out: 3, succeeded: 1, failed: 1, ignored: 1 };
    let name = KnobName::try_new("limit.db").expect("valid");
    loop {
        let report = talk.report().await;
        let Some(totals) = report.totals.get(&name).filter(|totals| totals.probed == Some(probed)) else {
            talk.beat(true).await;
            continue;
        };
        assert_eq!(totals.slow_calls(Duration::from_millis(800)), Some(1));
        break;
    }
}

#[tokio::test(start_paused = true)]
async fn b2_a_breaker_that_opened_by_its_own_rule_is_told_in_reports() {
    let (hand, mut sidecar) = (Hand::default(), Sidecar::start());
    let service = Service::on_clock(sidecar.door.clone(), &hand);
    let breaker = service.sdk.breaker("db").failures(2).register();
    let mut talk = sidecar.session(7).await;
    let name = KnobName::try_new("breaker.db").expect("valid");
    assert_eq!(talk.report().await.breakers.get(&name), Some(&BreakerState::Closed));
    for _ in 0..2 {
        breaker.try_acquire().expect("closed").finish(Outcome::Failure);
    }
    // What was on its way may be of the time before.
    for _ in 0..2 {
        pass(&hand, 100).await;
        talk.beat(true).await;
        talk.report().await;
    }
    assert_eq!(talk.report().await.breakers.get(&name), Some(&BreakerState::Open));
}
