//! How setpoints get to a service, and what its answers mean.

use std::time::Duration;

use setpoint_policies::value::Value;
use setpoint_proto::message::{Applied, Channel, Status, ToSdk, ToSidecar};

use crate::rig::{EPOCH, Rig, applied, decision, endpoint, hello, limit, open_breaker};

#[tokio::test(start_paused = true)]
async fn l2_a_setpoint_is_pushed_and_what_is_read_back_is_what_the_engine_goes_on_from() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0), limit("somebody else", 1.0)]);
    let frame = sdk.frame().await;
    assert_eq!((frame.channel, frame.version.epoch), (Channel::Limits, EPOCH));
    assert_eq!(frame.set.len(), 1);
    assert_eq!(frame.set[0].value, Value::Concurrency(35.0));
    assert_eq!(frame.set[0].why.policy, "p");
    sdk.ack_with(&frame, vec![applied("limit.inbound", Status::Clamped, 40.0)]).await;
    sdk.beat().await;
    let in_force = rig.shared.registry.instances()[0].in_force.values().copied().collect::<Vec<_>>();
    assert_eq!(in_force, [Value::Concurrency(40.0)]);
    assert!(rig.metrics().contains("setpoint_acks_total{status=\"clamped\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_the_newest_state_only() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 100.0)]);
    let first = sdk.frame().await;
    for to in (50..100).rev() {
        rig.publish(&[limit("a", f64::from(to))]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sdk.ack(&first, Status::Applied).await;
    let second = sdk.frame().await;
    assert_eq!(second.set[0].value, Value::Concurrency(50.0));
    assert_eq!(second.nonce, first.nonce + 1, "nothing was sent in between");
}

#[tokio::test(start_paused = true)]
async fn safety_overtakes_what_was_wanted_before_it() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    // One tick, both wanted: the breaker goes first although the limit was decided first.
    rig.publish(&[limit("a", 35.0), open_breaker("a")]);
    assert_eq!(sdk.frame().await.channel, Channel::Safety);
    assert_eq!(sdk.frame().await.channel, Channel::Limits);
}

#[tokio::test(start_paused = true)]
async fn safety_passes_while_the_limits_wait_for_their_ack() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0)]);
    sdk.frame().await;
    rig.publish(&[limit("a", 20.0), open_breaker("a")]);
    assert_eq!(sdk.frame().await.channel, Channel::Safety);
    for _ in 0..3 {
        sdk.beat().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_is_not_sent_again() {
    let rig = Rig::start();
    let mut hello = hello("a");
    hello.state = vec![applied("limit.inbound", Status::Applied, 50.0)];
    let mut sdk = rig.session(hello).await;
    rig.publish(&[limit("a", 35.0)]);
    let frame = sdk.frame().await;
    sdk.ack_with(&frame, vec![applied("limit.inbound", Status::Rejected, 0.0)]).await;
    for _ in 0..3 {
        rig.publish(&[limit("a", 35.0)]);
        sdk.beat().await;
    }
    let in_force = rig.shared.registry.instances()[0].in_force.values().copied().collect::<Vec<_>>();
    assert_eq!(in_force, [Value::Concurrency(50.0)], "the previous value stands");
    rig.publish(&[limit("a", 30.0)]);
    assert_eq!(sdk.frame().await.set[0].value, Value::Concurrency(30.0), "another value is asked for");
}

#[tokio::test(start_paused = true)]
async fn l1_a_beat_that_is_nearly_due_goes_with_a_report_and_another_one_at_its_time() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    let began = tokio::time::Instant::now();
    for (report_at, beat_at) in [(700, 1000), (1900, 1900), (2800, 2800)] {
        tokio::time::sleep_until(began + Duration::from_millis(report_at)).await;
        sdk.say(ToSidecar::Report(Box::default())).await;
        sdk.beat().await;
        let late = began.elapsed().saturating_sub(Duration::from_millis(beat_at));
        assert!(
            began.elapsed() >= Duration::from_millis(beat_at) && late < Duration::from_millis(20),
            "{late:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn beats_carry_the_loops_own_tick_and_renew_what_was_acknowledged() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0)]);
    let frame = sdk.frame().await;
    sdk.ack(&frame, Status::Applied).await;
    rig.shared.pulse.finish(rig.shared.clock.now());
    let started = tokio::time::Instant::now();
    let first = sdk.beat().await;
    assert_eq!((first.n, first.loop_tick, first.renew), (1, 1, vec![(Channel::Limits, frame.version)]));
    let second = sdk.beat().await;
    // The loop hangs, the stream lives: the beat says so.
    assert_eq!((second.n, second.loop_tick), (2, 1));
    assert!(second.loop_age > Duration::from_millis(1900), "{:?}", second.loop_age);
    assert!(started.elapsed() < Duration::from_millis(2100), "one per second");
}

#[tokio::test(start_paused = true)]
async fn a_knob_that_is_no_longer_wanted_is_given_back() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0)]);
    let frame = sdk.frame().await;
    sdk.ack(&frame, Status::Applied).await;
    rig.publish(&[]);
    assert!(sdk.frame().await.set.is_empty(), "complete state: absent means baseline");
}

#[tokio::test(start_paused = true)]
async fn a_knob_that_is_not_hot_or_not_there_is_never_sent() {
    let rig = Rig::start();
    let mut cold = hello("a");
    cold.knobs[0].hot = false;
    let mut sdk = rig.session(cold).await;
    rig.publish(&[limit("a", 35.0), decision("a", "limit.none", Value::Concurrency(1.0))]);
    for _ in 0..2 {
        sdk.beat().await;
    }
}

#[tokio::test(start_paused = true)]
async fn c8_shares_are_pushed_and_what_is_read_back_is_shown() {
    use setpoint_policies::admission::{Admission, Shares};
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    let shares = Shares::try_new([1.0, 0.95, 0.85, 0.6, 0.3]).expect("sound");
    let admission = Admission { baseline_latency: Some(Duration::from_millis(20)), shares: Some(shares) };
    rig.publish(&[setpoint_policies::decision::Decision { admission, ..limit("a", 35.0) }]);
    let frame = sdk.frame().await;
    assert_eq!(frame.set[0].admission, admission);
    let read_back = |shares| vec![Applied { shares, ..applied("limit.inbound", Status::Applied, 35.0) }];
    let shown = || rig.shared.registry.sessions()[0].shares().into_values().next();
    sdk.ack_with(&frame, read_back(Some(shares))).await;
    sdk.beat().await;
    assert_eq!(shown(), Some(shares));
    sdk.ack_with(&frame, read_back(None)).await;
    sdk.beat().await;
    assert_eq!(shown(), None, "the lease has ended: back to what the limiter was built with");
}

#[tokio::test(start_paused = true)]
async fn versions_grow_across_a_reconnect() {
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0)]);
    let before = sdk.frame().await;
    drop(sdk);
    let mut sdk = rig.session(hello("a")).await;
    rig.publish(&[limit("a", 35.0)]);
    let after = sdk.frame().await;
    assert!(after.version.seq > before.version.seq, "an SDK may skip what is not newer");
    assert_eq!(after.nonce, 1, "the nonce belongs to the stream");
}

#[tokio::test(start_paused = true)]
async fn reports_are_kept_with_the_time_of_their_arrival() {
    use setpoint_policies::signal::Signal;
    use setpoint_policies::totals::Totals;
    use setpoint_proto::message::Report;
    let rig = Rig::start();
    let mut sdk = rig.session(hello("a")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let knob = hello("a").knobs[0].name.clone();
    let totals = Totals { at_nanos: 5, completed: 3, ..Totals::default() };
    let report = Report {
        at_nanos: 5,
        totals: [(knob.clone(), totals)].into(),
        signals: vec![(Signal::RuntimeDelay, 0.01)],
        ..Report::default()
    };
    sdk.say(ToSidecar::Report(Box::new(report))).await;
    sdk.beat().await;
    let instance = &rig.shared.registry.instances()[0];
    let received = &instance.totals[&knob];
    assert_eq!((received.totals.completed, received.at.as_secs_f64()), (3, 0.5));
    assert_eq!(instance.signals.reading(Signal::RuntimeDelay).map(|reading| reading.value), Some(0.01));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_let_go_and_the_others_do_not_notice() {
    let rig = Rig::start();
    let mut other = rig.session(hello("other")).await;
    // The client takes the welcome and then leaves the stream's window closed.
    let narrow = endpoint().initial_stream_window_size(300);
    let mut stuck = crate::rig::Sdk::open(rig.channel(narrow).await).await;
    stuck.say(ToSidecar::Hello(Box::new(hello("stuck")))).await;
    stuck.welcome().await;
    for round in 0..40 {
        rig.publish(&[limit("other", f64::from(100 + round))]);
        let frame = other.frame().await;
        other.ack(&frame, Status::Applied).await;
        tokio::time::sleep(Duration::from_millis(1000)).await;
    }
    assert_eq!(rig.shared.registry.sessions().len(), 1, "the stuck one is gone");
    assert!(rig.metrics().contains("setpoint_refused_clients_total{cause=\"slow_reader\"} 1"));
    // What was under way when it stopped reading is all that it ever gets.
    while let Ok(word) = stuck.next().await {
        assert!(matches!(word, ToSdk::Beat(_)));
    }
}
