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

/// Gives its place back.
struct Pass(Gate);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Door for Gate {
    type Pass = Pass;
    type Refusal = Why;

    fn now(&self) -> u64 {
        1
    }

    fn try_enter(&self, _class: usize, places: u32) -> Result<Option<Pass>, Why> {
        Ok(self.0.gauge.try_enter(u64::from(places), 1).then(|| Pass(self.clone())))
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
        let context = Context::from_waker(&waker);
        let ticket = gate.0.queue.enter(&gate, WISH, &waker).ok().expect("there is room");
        let mut answer = gate.0.queue.poll(&gate, ticket, &context);
        leaver.join().expect("no panic");
        if answer.is_pending() {
            assert!(woken.0.load(Ordering::Relaxed) > 0, "it sleeps for ever");
            answer = gate.0.queue.poll(&gate, ticket, &context);
        }
        assert!(matches!(answer, Poll::Ready(Ok(_))), "woken for nothing");
        assert_eq!((gate.0.gauge.taken(), gate.0.waiting.load(Ordering::Relaxed)), (1, 0));
    });
}

#[test]
fn loom_c1_a_caller_that_goes_away_takes_no_place_with_it() {
    explore(|| {
        let gate = Gate::new();
        assert!(gate.0.gauge.try_enter(1, 1));
        let (_, waker) = waker();
        let ticket = gate.0.queue.enter(&gate, WISH, &waker).ok().expect("there is room");
        let leaver = {
            let gate = gate.clone();
            loom::thread::spawn(move || gate.leave())
        };
        let answer = gate.0.queue.poll(&gate, ticket, &Context::from_waker(&waker));
        if answer.is_pending() {
            // In line still, or its pass lies ready.
            gate.0.queue.abandon(&gate, ticket);
        }
        drop(answer);
        leaver.join().expect("no panic");
        assert_eq!((gate.0.gauge.taken(), gate.0.waiting.load(Ordering::Relaxed)), (0, 0));
    });
}

#[test]
fn loom_c1_two_that_wait_are_let_in_one_after_the_other() {
    explore(|| {
        let gate = Gate::new();
        assert!(gate.0.gauge.try_enter(1, 1));
        let wakers = [waker(), waker()];
        let enter = |waker| gate.0.queue.enter(&gate, WISH, waker).ok().expect("there is room");
        let tickets = wakers.each_ref().map(|(_, waker)| enter(waker));
        let leaver = {
            let gate = gate.clone();
            loom::thread::spawn(move || gate.leave())
        };
        // Meanwhile somebody looks at the line.
        gate.0.queue.attend(&gate);
        leaver.join().expect("no panic");
        for (ticket, (_, waker)) in tickets.into_iter().zip(&wakers) {
            let answer = gate.0.queue.poll(&gate, ticket, &Context::from_waker(waker));
            assert!(matches!(answer, Poll::Ready(Ok(_))), "the oldest first, and then the next");
        }
        assert_eq!((gate.0.gauge.taken(), gate.0.waiting.load(Ordering::Relaxed)), (0, 0));
    });
}
