use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;

fn gate(lowest: u32, limit: u32, reserve: u32) -> ConnectionGate {
    let inner = Inner::new("test".into(), Hand::default().clock(), 5);
    GateBuilder::new(&inner, "http").bounds(lowest, 1000).baseline(limit).reserve(reserve).register()
}

fn push(gate: ConnectionGate, limit: f64) -> f64 {
    gate.apply(&Value::Concurrency(limit), &Why::default()).unwrap().scalar()
}

fn enter(gate: ConnectionGate, wanted: usize) -> Vec<GateGuard> {
    (0..wanted).map_while(|_| gate.try_enter().ok()).collect()
}

#[test]
fn c3_never_more_than_the_limit_and_a_lower_one_closes_nothing() {
    let gate = gate(1, 10, 0);
    let mut open = enter(gate, 40);
    assert_eq!((open.len(), gate.inside()), (10, 10));
    let rejected = gate.try_enter().unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("connections.http", RejectReason::ConnectionLimit));
    assert_eq!(push(gate, 4.0), 4.0);
    assert_eq!(gate.inside(), 10, "those who are inside stay");
    open.truncate(4);
    assert!(gate.try_enter().is_err());
    open.truncate(3);
    open.extend(enter(gate, 40));
    assert_eq!(open.len(), 4);
    push(gate, 7.9);
    assert_eq!(enter(gate, 40).len(), 3, "rounded down");
}

#[test]
fn c3_a_zero_is_a_zero_and_the_kill_switch_lets_everybody_in() {
    let gate = gate(0, 10, 0);
    assert_eq!((push(gate, 0.0), enter(gate, 9).len()), (0.0, 0));
    push(gate, 0.9);
    assert_eq!(enter(gate, 9).len(), 0);
    push(gate, 1.0);
    assert_eq!(enter(gate, 9).len(), 1);
    assert_eq!((gate.pin(3.0), push(gate, 500.0)), (3.0, 3.0));
    assert_eq!(enter(gate, 9).len(), 3);
    gate.unpin();
    assert_eq!(enter(gate, 600).len(), 500);
    gate.enforce(false);
    let open = enter(gate, 5000);
    assert_eq!(open.len(), 5000);
    gate.enforce(true);
    assert!(gate.try_enter().is_err());
    drop(open);
    assert_eq!(enter(gate, 600).len(), 500, "counted all the time");
    assert_eq!(gate.inside(), 0);
}

#[test]
fn c3_b6_a_place_is_freed_by_a_panic() {
    let gate = gate(1, 1, 0);
    let serves = thread::spawn(move || {
        let _place = gate.try_enter().unwrap();
        panic!("in the connection");
    });
    serves.join().unwrap_err();
    assert_eq!(enter(gate, 9).len(), 1);
}

#[test]
fn c8_reserved_places_are_there_when_all_others_are_taken() {
    let gate = gate(1, 10, 2);
    let mut open = enter(gate, 40);
    assert_eq!(open.len(), 8);
    open.extend((0..40).map_while(|_| gate.try_enter_reserved().ok()));
    assert_eq!(open.len(), 10, "and no more than the limit in all");
    open.truncate(9);
    assert!(gate.try_enter().is_err());
    push(gate, 1.0);
    drop(open);
    assert!(gate.try_enter().is_err(), "a limit below the reserve is all reserve");
    assert!(gate.try_enter_reserved().is_ok());
}

#[test]
fn c3_threads_are_never_above_the_limit_while_it_moves() {
    const HIGHEST: usize = 8;
    let gate = gate(1, HIGHEST as u32, 0);
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let open = enter(gate, 4);
                    let now = inside.fetch_add(open.len(), Ordering::SeqCst) + open.len();
                    assert!(now <= HIGHEST, "{now}");
                    inside.fetch_sub(open.len(), Ordering::SeqCst);
                }
            });
        }
        (0..2000).for_each(|n| _ = push(gate, f64::from(n % 8 + 1)));
    });
    push(gate, HIGHEST as f64);
    assert_eq!(gate.inside(), 0);
    assert_eq!(enter(gate, 99).len(), HIGHEST);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Somebody who waits, polled by hand: a wait that is looked at without having been woken would hide a lost wake-up.
struct Waits<'a> {
    future: std::pin::Pin<Box<dyn Future<Output = GateGuard> + 'a>>,
    woken: Arc<Woken>,
}

impl<'a> Waits<'a> {
    fn before(gate: &'a ConnectionGate) -> Self {
        let mut waits = Self { future: Box::pin(gate.enter()), woken: Arc::default() };
        assert!(waits.poll().is_none(), "the gate is full");
        waits
    }

    fn poll(&mut self) -> Option<GateGuard> {
        let waker = Waker::from(self.woken.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(guard) => Some(guard),
            Poll::Pending => None,
        }
    }

    /// Polled only if it was woken, as a runtime does.
    fn run(&mut self) -> Option<GateGuard> {
        let woken = self.woken.0.swap(0, Ordering::SeqCst);
        assert!(woken <= 1, "woken {woken} times for nothing");
        if woken > 0 { self.poll() } else { None }
    }
}

#[test]
fn c3_who_waits_is_woken_by_a_place_that_becomes_free_and_by_a_higher_limit() {
    let gate = gate(1, 2, 0);
    let mut open = enter(gate, 2);
    let mut waits: Vec<_> = (0..4).map(|_| Waits::before(&gate)).collect();
    assert!(waits.iter_mut().all(|waiting| waiting.run().is_none()), "nobody looks again and again");
    open.pop();
    open.extend(waits.iter_mut().filter_map(Waits::run));
    assert_eq!(open.len(), 2, "one place, one newcomer");
    push(gate, 4.0);
    open.extend(waits.iter_mut().skip(1).filter_map(Waits::run));
    assert_eq!((open.len(), gate.inside()), (4, 4), "two more, and one waits on");
}

#[test]
fn c3_a_wait_that_is_dropped_passes_its_place_on() {
    let gate = gate(1, 1, 0);
    let open = enter(gate, 1);
    let (first, mut second) = (Waits::before(&gate), Waits::before(&gate));
    drop(open);
    drop(first); // it was woken, and goes away without looking
    assert!(second.run().is_some());
    assert_eq!(gate.inside(), 0);
}

#[test]
fn what_a_gate_reports_only_grows() {
    let gate = gate(1, 3, 0);
    let open = enter(gate, 5);
    let seen = gate.totals(7, 8).unwrap();
    assert_eq!((seen.at_nanos, seen.stall_nanos, seen.limit_in_force, seen.limited), (7, 8, 3.0, true));
    assert_eq!((seen.arrived, seen.admitted, seen.cancelled, seen.in_flight_peak), (4, 3, 0, 3));
    assert_eq!((seen.in_flight(), seen.rejected), (3, [0, 0, 1, 0, 0]));
    drop(open);
    gate.totals(7, 8).unwrap();
    let seen = gate.totals(7, 8).unwrap();
    assert_eq!((seen.admitted, seen.cancelled, seen.in_flight_peak, seen.limited), (3, 3, 0, false));
}
