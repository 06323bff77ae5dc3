use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use setpoint_policies::knob::KnobName;
use setpoint_policies::lease::Lease;
use setpoint_proto::message::{Channel, Setpoint, Version, Why};

use super::*;
use crate::clock::Hand;
use crate::priority::Priority;

const PATIENCE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

/// A process whose dumps can be waited for.
fn process(hand: &Hand) -> (Arc<Inner>, Receiver<Dump>) {
    let inner = Arc::new(Inner::new("checkout".to_owned(), hand.clock(), 1));
    let (told, dumps) = channel();
    let told = Mutex::new(told);
    inner.dumps.set_up(None, Some(Box::new(move |dump| locked(&told).send(dump.clone()).unwrap())));
    (inner, dumps)
}

/// The next dump, once its thread is done with it.
fn next(inner: &Inner, dumps: &Receiver<Dump>) -> Dump {
    let dump = dumps.recv_timeout(PATIENCE).expect("a dump");
    while inner.dumps.running.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    dump
}

fn frame(rule: &str, decision_id: u64, value: Breaker) -> Frame {
    let why = Why { rule: rule.to_owned(), text: "601 tasks".to_owned(), ..Why::default() };
    let setpoint = Setpoint {
        knob: KnobName::try_new("breaker.inbound").unwrap(),
        value: Value::Breaker(value),
        admission: Default::default(),
        lease: Lease::default(),
        why: Arc::new(why),
        decision_id,
    };
    Frame {
        watched: Vec::new(),
        channel: Channel::Safety,
        nonce: 1,
        version: Version { epoch: 1, seq: 1 },
        config_revision: String::new(),
        set: vec![setpoint],
        unsupported: Vec::new(),
        atomic: false,
        mode: Mode::Apply,
    }
}

const OPEN: Breaker = Breaker::Open { retry_after: MINUTE };

#[test]
fn b3_a_task_leak_is_written_down_once_for_each_trip() {
    let hand = Hand::default();
    let (inner, dumps) = process(&hand);
    for _ in 0..3 {
        Dumps::heard(&inner, &frame(TASK_LEAK, 7, OPEN));
    }
    assert_eq!(next(&inner, &dumps).why, "601 tasks");
    hand.advance(MINUTE);
    Dumps::heard(&inner, &frame(TASK_LEAK, 7, OPEN));
    let half_open =
        Breaker::HalfOpen { round: 1, probe_max: 2, probe_total: 10, deadline: Duration::from_secs(3) };
    Dumps::heard(&inner, &frame(TASK_LEAK, 8, half_open));
    Dumps::heard(&inner, &frame("failure_rate", 9, OPEN));
    Dumps::heard(&inner, &Frame { mode: Mode::Shadow, ..frame(TASK_LEAK, 10, OPEN) });
    assert!(dumps.try_recv().is_err(), "no other trip");
    Dumps::heard(&inner, &frame(TASK_LEAK, 11, OPEN));
    next(&inner, &dumps);
    inner.set_disabled(true);
    hand.advance(MINUTE);
    Dumps::heard(&inner, &frame(TASK_LEAK, 12, OPEN));
    assert!(dumps.try_recv().is_err(), "switched off");
}

#[test]
fn b3_a_dump_says_what_is_in_flight_and_for_how_long() {
    let hand = Hand::default();
    let (inner, dumps) = process(&hand);
    let limiter = crate::setpoint::Setpoint::new(inner.clone()).limiter("db").baseline(64).register();
    let permits: Vec<_> = (0..3).map(|_| limiter.try_acquire(Priority::Normal).unwrap()).collect();
    hand.advance(Duration::from_secs(5));
    assert!(Dumps::write(&inner, "asked for"));
    let dump = next(&inner, &dumps);
    assert!(dump.runtime.is_none(), "no runtime is known");
    let db = &dump.limiters[0];
    assert_eq!((&*db.knob, db.in_flight, db.mean_age), ("limit.db", 3, Duration::from_secs(5)));
    drop(permits);
}

#[test]
fn b3_dumps_are_a_minute_apart_and_a_hook_that_panics_ends_nothing() {
    let hand = Hand::default();
    let inner = Arc::new(Inner::new("checkout".to_owned(), hand.clock(), 1));
    let (told, dumps) = channel();
    let told = Mutex::new(told);
    inner.dumps.set_up(
        None,
        Some(Box::new(move |dump| {
            locked(&told).send(dump.clone()).unwrap();
            panic!("a bug of the service");
        })),
    );
    for _ in 0..2 {
        assert!(Dumps::write(&inner, "first"));
        next(&inner, &dumps);
        hand.advance(MINUTE - Duration::from_nanos(1));
        assert!(!Dumps::write(&inner, "too soon"));
        hand.advance(Duration::from_nanos(1));
    }
    assert!(dumps.try_recv().is_err());
}

#[test]
fn b3_the_runtime_tells_its_tasks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (inner, dumps) = process(&Hand::default());
    inner.dumps.set_up(Some(runtime.handle()), None);
    let tasks: Vec<_> = (0..4).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
    assert!(Dumps::write(&inner, "asked for"));
    let told = next(&inner, &dumps).runtime.expect("a runtime");
    assert_eq!((told.tasks, told.workers), (4, 1));
    drop(tasks);
}
