//! An optional, bounded queue before a limiter: for callers that would rather wait a moment than be rejected.
//!
//! It takes up bursts that are shorter than a service time or two, and nothing else: a queue that stands only makes every
//! answer late (`codel`). So whoever waits is admitted soon or refused soon, and never after its deadline minus the
//! latency that the call itself will take.
//!
//! # Who admits
//! A place that becomes free is handed to the next in line by the thread that frees it: the permit is made there and lies
//! ready when the waiting future is polled. So nobody who waits is overtaken by another one who waits, and a future that is
//! dropped after that gives the place on. (A caller that does not wait, [`super::Limiter::try_acquire`], may be faster.)
//!
//! # Nobody blocks on a release
//! A call that ends looks at one word, whether anybody waits, and is done if not. If so it notes that a place is owed to
//! the line and *tries* the lock. If somebody holds it, that one looks at the note after it has let go, and no later than
//! that. Every look at the note is a read-modify-write, so whoever comes second sees what the first one did before: the
//! lock let go, or the place given back.
//!
//! # Nobody is forgotten
//! A caller first says that it waits, then stands in line, then tries for a place for whoever is next. A call that leaves
//! gives its place back and then looks whether anybody waits. Both go through the word of the taken places with a
//! read-modify-write, so whoever comes second sees what the first one did. The session's thread looks at the line every
//! 10 ms as well: that is what ends the waits of those whose time is over. Where no such thread runs, nobody waits.

mod codel;
mod line;
#[cfg(all(test, setpoint_loom))]
mod loom_tests;
#[cfg(all(test, not(setpoint_loom)))]
mod tests;

use std::collections::BTreeMap;
use std::sync::TryLockError;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::sync::{AtomicBool, AtomicU64, ModelledMutex, Ordering, locked_modelled};
pub(super) use line::Ticket;
use line::{Line, Waiting};

/// Without a look at the line for this long nobody would end a wait, so nobody waits.
const ATTENDED: Duration = Duration::from_secs(1);

/// What a queue stands before.
pub(super) trait Door {
    /// The right to go in.
    type Pass;
    /// Why not.
    type Refusal;

    /// Nanoseconds.
    fn now(&self) -> u64;
    /// Lets a call of that priority in, which takes so many places. `Ok(None)`: there is no room now.
    fn try_enter(&self, class: usize, places: u32) -> Result<Option<Self::Pass>, Self::Refusal>;
    /// One caller more waits; until [`Door::end_wait`] every place that becomes free is told to [`Queue::poke`].
    fn begin_wait(&self);
    /// One caller less waits.
    fn end_wait(&self);
    /// The answer to a caller that is sent away.
    fn refuse(&self, class: usize, why: Why) -> Self::Refusal;
}

/// Why the queue sends a caller away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// All is full, or somebody more important needed the room.
    Full,
    /// It would be too late.
    Late,
}

type Answer<D> = Result<<D as Door>::Pass, <D as Door>::Refusal>;

/// What a queue has seen since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Waits that ended in an admission or a refusal.
    pub waits: u64,
    /// Their sum, nanoseconds.
    pub wait_sum: u64,
    /// Waits now.
    pub waiting: u64,
}

/// A queue before a door.
pub(super) struct Queue<D: Door> {
    state: ModelledMutex<State<D>>,
    /// A place has become free while somebody held the lock.
    owed: AtomicBool,
    /// When the session's thread looked at the line last, nanoseconds; 0: never.
    attended: AtomicU64,
}

struct State<D: Door> {
    line: Line<Waker>,
    /// Answers that were not fetched yet, by ticket.
    answers: BTreeMap<u64, Answer<D>>,
    /// To be woken when the lock is free again.
    wake: Vec<Waker>,
    seen: Seen,
}

/// What a caller asks of the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub class: usize,
    pub places: u32,
    /// The longest wait that is worth it, if there is one.
    pub patience: Option<Duration>,
}

impl<D: Door> Queue<D> {
    /// For so many callers at most.
    pub fn new(room: usize) -> Self {
        let state = State {
            line: Line::new(room),
            answers: BTreeMap::new(),
            wake: Vec::new(),
            seen: Seen::default(),
        };
        Self { state: ModelledMutex::new(state), owed: AtomicBool::new(false), attended: AtomicU64::new(0) }
    }

    /// Stands in line. `Err`: sent away at once.
    pub fn enter(&self, door: &D, wish: Wish, waker: &Waker) -> Result<Ticket, D::Refusal> {
        let Wish { class, places, patience } = wish;
        let since = door.now();
        if patience.is_some_and(|patience| patience.is_zero()) || !self.is_attended(since) {
            return Err(door.refuse(class, Why::Late));
        }
        let latest =
            patience.map_or(u64::MAX, |patience| since.saturating_add(crate::clock::nanos(patience)));
        // Said before it is true, so that no place that becomes free from now on goes by unnoticed.
        door.begin_wait();
        let entered = self.with(door, |state| {
            if state.line.is_full() {
                let last = state.line.last_below(class)?;
                state.refuse(door, last, Why::Full, since);
            }
            Some(state.line.enter(class, Waiting { since, latest, places, who: waker.clone() }))
        });
        if entered.is_none() {
            door.end_wait();
        }
        self.poke(door);
        entered.ok_or_else(|| door.refuse(class, Why::Full))
    }

    /// The answer to a caller, once there is one.
    pub fn poll(&self, door: &D, ticket: Ticket, context: &Context<'_>) -> Poll<Answer<D>> {
        self.with(door, |state| {
            if let Some(answer) = state.answers.remove(&ticket.number) {
                return Poll::Ready(answer);
            }
            if let Some(waiting) = state.line.get_mut(ticket) {
                waiting.who.clone_from(context.waker());
            }
            Poll::Pending
        })
    }

    /// A caller goes away. A permit that lay ready for it is given back here.
    pub fn abandon(&self, door: &D, ticket: Ticket) {
        let now = door.now();
        let (left, answer) = self.with(door, |state| {
            (state.line.leave(ticket, now).is_some(), state.answers.remove(&ticket.number))
        });
        if left {
            door.end_wait();
        }
        // Out of the lock: the place of this permit is the next one's.
        drop(answer);
    }

    /// A place may have become free. Never waits for a lock.
    #[cold]
    pub fn poke(&self, door: &D) {
        self.owed.swap(true, Ordering::AcqRel);
        self.serve(door);
    }

    /// Ends the waits of those whose time is over; to be called every 10 ms while anybody waits, and now and then anyway.
    /// True while anybody waits.
    pub fn attend(&self, door: &D) -> bool {
        let now = door.now();
        self.attended.store(now.max(1), Ordering::Relaxed);
        self.with(door, |state| {
            for late in state.line.late(now) {
                state.refuse(door, late, Why::Late, now);
            }
        });
        self.poke(door);
        self.seen(door).waiting > 0
    }

    /// Nobody looks at the line any more: sends everybody away, and lets nobody in before the next [`Queue::attend`].
    pub fn close(&self, door: &D) {
        self.attended.store(0, Ordering::Relaxed);
        let now = door.now();
        self.with(door, |state| {
            for ticket in state.line.all() {
                state.refuse(door, ticket, Why::Late, now);
            }
        });
    }

    /// What it has seen.
    pub fn seen(&self, door: &D) -> Seen {
        self.with(door, |state| Seen { waiting: state.line.waiting() as u64, ..state.seen })
    }

    fn is_attended(&self, now: u64) -> bool {
        let at = self.attended.load(Ordering::Relaxed);
        at != 0 && now.saturating_sub(at) <= crate::clock::nanos(ATTENDED)
    }

    /// Does something under the lock, and then what others left undone because of it.
    fn with<R>(&self, door: &D, act: impl FnOnce(&mut State<D>) -> R) -> R {
        let mut state = locked_modelled(&self.state);
        let result = act(&mut state);
        let wake = std::mem::take(&mut state.wake);
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        self.serve(door);
        result
    }

    /// Hands out what is owed, unless somebody else is at it who will see it.
    fn serve(&self, door: &D) {
        while self.owed.fetch_or(false, Ordering::AcqRel) {
            let mut state = match self.state.try_lock() {
                Ok(state) => state,
                // Whatever was being done when somebody's waker panicked, line and answers are sound.
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.owed.swap(false, Ordering::AcqRel);
            state.admit(door);
            let wake = std::mem::take(&mut state.wake);
            drop(state);
            wake.into_iter().for_each(Waker::wake);
        }
    }
}

impl<D: Door> State<D> {
    /// Lets in whoever is next, for as long as there is room.
    fn admit(&mut self, door: &D) {
        let now = door.now();
        while let Some(ticket) = self.line.next() {
            if self.line.is_late(ticket, now) {
                self.refuse(door, ticket, Why::Late, now);
                continue;
            }
            let Some(places) = self.line.get(ticket).map(|waiting| waiting.places) else { return };
            match door.try_enter(ticket.class(), places) {
                Ok(None) => return,
                Ok(Some(pass)) => self.answer(door, ticket, Ok(pass), now),
                Err(refusal) => self.answer(door, ticket, Err(refusal), now),
            }
        }
    }

    fn refuse(&mut self, door: &D, ticket: Ticket, why: Why, now: u64) {
        let refusal = door.refuse(ticket.class(), why);
        self.answer(door, ticket, Err(refusal), now);
    }

    fn answer(&mut self, door: &D, ticket: Ticket, answer: Answer<D>, now: u64) {
        let Some(waiting) = self.line.leave(ticket, now) else { return };
        door.end_wait();
        self.seen.waits = self.seen.waits.wrapping_add(1);
        self.seen.wait_sum = self.seen.wait_sum.wrapping_add(now.saturating_sub(waiting.since));
        self.answers.insert(ticket.number, answer);
        self.wake.push(waiting.who);
    }
}

impl<D: Door> std::fmt::Debug for Queue<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
