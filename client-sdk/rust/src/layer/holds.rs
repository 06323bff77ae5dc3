//! The calls whose answer has begun and whose end is in their body.
//!
//! A body ends when its reader has read it, and a reader may take for ever: one that never reads must not keep a place for
//! ever, or a few of them would close a service. So there is a bound, and the right to the place does not lie in the body
//! but here, where somebody else can take it back: whoever comes next, through whichever layer, looks for those that are
//! overdue. That needs no timer and no runtime, and a place that nobody wants is not missed.
//!
//! Threads have shards of their own, as far as there are any. One word for all of them says before when nothing can be overdue:
//! every call reads it, and it is written a few times a second at most. Cost: two short locks for each body that is waited
//! for; a look through all of them when one is overdue.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::call::{Right, Verdict};
use crate::clock::{Clock, nanos};
use crate::sync::{Padded, locked};

const SHARDS: usize = 16;
/// No call is held.
const NEVER: u64 = u64::MAX;
/// Calls that are due within so many nanoseconds are due together, so that few looks find many.
const TOGETHER: u64 = 100_000_000;

/// All calls of a process that are held, by all layers.
#[derive(Debug)]
pub(crate) struct Holds {
    clock: Clock,
    /// Nothing is overdue before, nanoseconds.
    not_before: Padded<AtomicU64>,
    shards: [Padded<Mutex<Shelf>>; SHARDS],
}

/// What a held call is taken back with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    shard: usize,
    index: usize,
    number: u64,
}

/// Held calls, each in a place that is used again: as many as were ever held at once.
#[derive(Debug, Default)]
struct Shelf {
    numbers: u64,
    held: Vec<Option<Held>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Held {
    number: u64,
    due: u64,
    right: Right,
}

impl Holds {
    pub fn new(clock: Clock) -> Self {
        let shards = std::array::from_fn(|_| Padded::default());
        Self { clock, not_before: Padded(AtomicU64::new(NEVER)), shards }
    }

    /// Keeps a right until it is taken back, or is overdue.
    pub(super) fn put(&self, right: Right, at_most: Duration) -> Ticket {
        let shard = my_shard();
        let mut shelf = locked(&self.shards[shard]);
        let due = self.clock.now().saturating_add(nanos(at_most)).checked_next_multiple_of(TOGETHER);
        let due = due.unwrap_or(NEVER - 1);
        let (index, number) = shelf.put(due, right);
        // Still locked: a look that forgets the word finds either this call or the lock.
        if self.not_before.load(Ordering::Relaxed) > due {
            self.not_before.fetch_min(due, Ordering::Relaxed);
        }
        Ticket { shard, index, number }
    }

    /// `None`: it was overdue.
    pub(super) fn take(&self, ticket: Ticket) -> Option<Right> {
        locked(&self.shards[ticket.shard]).take(ticket.index, ticket.number)
    }

    /// Ends the calls that are overdue.
    #[inline]
    pub(super) fn sweep(&self) {
        let not_before = self.not_before.load(Ordering::Relaxed);
        if not_before != NEVER && self.clock.now() >= not_before {
            self.end_overdue();
        }
    }

    #[cold]
    fn end_overdue(&self) {
        self.not_before.store(NEVER, Ordering::Relaxed);
        let now = self.clock.now();
        for shard in &self.shards {
            let overdue = {
                let mut shelf = locked(shard);
                let overdue = shelf.take_overdue(now);
                self.not_before.fetch_min(shelf.first_due(), Ordering::Relaxed);
                overdue
            };
            // Outside of the lock: the end of a call may wake up another one. It says nothing.
            overdue.into_iter().for_each(|right| right.finish(Verdict::NONE));
        }
    }
}

impl Shelf {
    fn put(&mut self, due: u64, right: Right) -> (usize, u64) {
        let number = self.numbers;
        self.numbers += 1;
        let held = Some(Held { number, due, right });
        let index = self.free.pop().unwrap_or(self.held.len());
        match self.held.get_mut(index) {
            Some(place) => *place = held,
            None => self.held.push(held),
        }
        (index, number)
    }

    fn take(&mut self, index: usize, number: u64) -> Option<Right> {
        let held = self.held.get_mut(index)?.take_if(|held| held.number == number)?;
        self.free.push(index);
        Some(held.right)
    }

    fn take_overdue(&mut self, now: u64) -> Vec<Right> {
        let mut overdue = Vec::new();
        for (index, place) in self.held.iter_mut().enumerate() {
            if let Some(held) = place.take_if(|held| now >= held.due) {
                self.free.push(index);
                overdue.push(held.right);
            }
        }
        overdue
    }

    fn first_due(&self) -> u64 {
        self.held.iter().flatten().map(|held| held.due).min().unwrap_or(NEVER)
    }
}

/// Threads take shards in turn.
fn my_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: Cell<usize> = const { Cell::new(SHARDS) });
    if MINE.get() == SHARDS {
        MINE.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    MINE.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hand;
    use crate::permit::Permit;

    const SECOND: Duration = Duration::from_secs(1);

    fn right() -> Right {
        Right::new(Permit::exempt(), None, None)
    }

    #[test]
    fn places_are_used_again_and_a_ticket_is_good_once() {
        let mut shelf = Shelf::default();
        let (first, number) = shelf.put(1, right());
        for _ in 0..10_000 {
            let (index, number) = shelf.put(2, right());
            assert!(shelf.take(index, number).is_some() && shelf.take(index, number).is_none());
        }
        assert_eq!((shelf.held.len(), shelf.free.len(), shelf.first_due()), (2, 1, 1));
        assert_eq!((shelf.take_overdue(0).len(), shelf.take_overdue(1).len()), (0, 1));
        let (index, _) = shelf.put(3, right());
        assert_eq!(index, first);
        assert!(shelf.take(first, number).is_none(), "another call has its place");
        assert_eq!(shelf.first_due(), 3);
    }

    #[test]
    fn what_is_overdue_ends_whichever_thread_began_it() {
        let hand = Hand::default();
        let holds = Holds::new(hand.clock());
        let put = || holds.put(right(), SECOND);
        let tickets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2 * SHARDS).map(|_| scope.spawn(put)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        holds.sweep();
        assert!(holds.take(tickets[0]).is_some());
        hand.advance(SECOND);
        holds.sweep();
        assert!(tickets.into_iter().all(|ticket| holds.take(ticket).is_none()));
        assert_eq!(holds.not_before.load(Ordering::Relaxed), NEVER);
    }

    #[test]
    fn bounds_differ_and_one_is_due_when_its_own_is_over() {
        let hand = Hand::default();
        let holds = Holds::new(hand.clock());
        let [long, short, ended, endless] =
            [4 * SECOND, 2 * SECOND, SECOND, Duration::MAX].map(|bound| holds.put(right(), bound));
        assert!(holds.take(ended).is_some());
        for expected in [2_000_000_000, 4_000_000_000, 4_000_000_000, NEVER - 1] {
            hand.advance(SECOND);
            holds.sweep();
            assert_eq!(holds.not_before.load(Ordering::Relaxed), expected);
        }
        assert!(holds.take(long).is_none() && holds.take(short).is_none());
        assert!(holds.take(endless).is_some());
    }
}
