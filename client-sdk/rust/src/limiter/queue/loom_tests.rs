use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Arc;

use super::{Door, Queue, Why, Wish};
use crate::limiter::gauge::Gauge;
use crate::sync::{AtomicU64, Ordering, explore};

/// One place, behind the real gauge.
#[derive(Clone)]
struct Gate(Arc<Behind>);

struct Behind {
    gauge: Gauge,
    waiting: AtomicU64,
    queue: Queue<Gate>,
}

impl Gate {
    fn new() -> Self {
        let behind = Behind { gauge: Gauge::default(), waiting: AtomicU64::new(0), queue: Queue::new(2) };
        let gate = Self(Arc::new(behind));
        gate.0.queue.attend(&gate);
        gate
    }

    /// What a call that ends does.
    fn leave(&self) {
        self.0.gauge.leave(1);
        if self.0.waiting.load(Ordering::Relaxed) != 0 {
            self.0.queue.poke(self);
        }
    }
}

impl Door for Gate {
    type Pass = ();
    type Refusal = Why;

    fn now(&self) -> u64 {
        1
    }

    fn try_enter(&self, _class: usize, places: u32) -> Result<Option<()>, Why> {
        Ok(self.0.gauge.try_enter(u64::from(places), 1).then_some(()))
    }

    fn begin_wait(&self) {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        self.0.gauge.synchronize();
    }

    fn end_wait(&self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn refuse(&self, _class: usize, why: Why) -> Why {
        why
    }
}

struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waker() -> (std::sync::Arc<Woken>, Waker) {
    let woken = std::sync::Arc::new(Woken(AtomicU64::new(0)));
    (woken.clone(), woken.into())
}

const WISH: Wish = Wish { class: 2, places: 1, patience: None };

#[test]
fn loom_c1_no_wake_up_is_lost() {
    explore(|| {
        let gate = Gate::new();
        assert!(gate.0.gauge.try_enter(1, 1));
        let leaver = {
            let gate = gate.clone();
            loom::thread::spawn(move || gate.leave())
        };
        let (woken, waker) = waker();
        let ticket = gate.0.queue.enter(&gate, WISH, &waker).expect("there is room");
        let first = gate.0.queue.poll(&gate, ticket, &Context::from_waker(&waker));
        leaver.join().expect("no panic");
        if first.is_pending() {
            assert!(woken.0.load(Ordering::Relaxed) > 0, "it sleeps for ever");
            let second = gate.0.queue.poll(&gate, ticket, &Context::from_waker(&waker));
            assert!(matches!(second, Poll::Ready(Ok(()))), "woken for nothing");
        }
        assert_eq!((gate.0.gauge.taken(), gate.0.waiting.load(Ordering::Relaxed)), (1, 0));
    });
}

#[test]
fn loom_c1_a_caller_that_goes_away_takes_no_place_with_it() {
    explore(|| {
        let gate = Gate::new();
        assert!(gate.0.gauge.try_enter(1, 1));
        let (_, waker) = waker();
        let ticket = gate.0.queue.enter(&gate, WISH, &waker).expect("there is room");
        let leaver = {
            let gate = gate.clone();
            loom::thread::spawn(move || gate.leave())
        };
        // The pass of this test does not give itself back, so the test does.
        let polled = gate.0.queue.poll(&gate, ticket, &Context::from_waker(&waker));
        if polled.is_ready() {
            gate.leave();
        } else {
            let handed = gate.0.gauge.taken();
            gate.0.queue.abandon(&gate, ticket);
            leaver.join().expect("no panic");
            // Either it was in line, and the place is free, or its pass lay ready and was dropped.
            assert!(gate.0.gauge.taken() <= 1 && handed == 1);
            assert_eq!(gate.0.waiting.load(Ordering::Relaxed), 0);
            return;
        }
        leaver.join().expect("no panic");
        assert_eq!((gate.0.gauge.taken(), gate.0.waiting.load(Ordering::Relaxed)), (0, 0));
    });
}

#[test]
fn loom_c1_two_that_leave_at_once_admit_two() {
    explore(|| {
        let gate = Gate::new();
        assert!(gate.0.gauge.try_enter(1, 1));
        let wakers = [waker(), waker()];
        let tickets = [0, 1].map(|n| gate.0.queue.enter(&gate, WISH, &wakers[n].1).expect("there is room"));
        let leaver = {
            let gate = gate.clone();
            loom::thread::spawn(move || gate.leave())
        };
        // Meanwhile somebody looks at the line.
        gate.0.queue.attend(&gate);
        leaver.join().expect("no panic");
        let first = gate.0.queue.poll(&gate, tickets[0], &Context::from_waker(&wakers[0].1));
        assert!(first.is_ready(), "the oldest comes first");
        gate.leave();
        let second = gate.0.queue.poll(&gate, tickets[1], &Context::from_waker(&wakers[1].1));
        assert!(second.is_ready());
    });
}
