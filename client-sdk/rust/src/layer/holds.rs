//! The calls whose answer has begun and whose end is in their body.
//!
//! A body ends when its reader has read it, and a reader may take for ever: one that never reads must not keep a place for
//! ever, or a few of them would close a service. So there is a bound, and the right to the place does not lie in the body
//! but here, where somebody else can take it back: whoever comes next looks for those that are overdue. That needs no timer
//! and no runtime, and a place that nobody wants is not missed.
//!
//! Threads have shards of their own, as far as there are any. One word for all of them says before when nothing can be
//! overdue: every call reads it, and it is written once in a bound. Cost: two short locks for each body that is waited for.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::call::{Right, Verdict};
use crate::clock::{Clock, nanos};
use crate::sync::{Padded, locked};

const SHARDS: usize = 16;
/// No call is held.
const NEVER: u64 = u64::MAX;
/// Places of ended calls that a line may keep beside one for each living one.
const SLACK: usize = 32;

#[derive(Debug)]
pub(super) struct Holds {
    clock: Clock,
    at_most: Duration,
    /// Nothing is overdue before, nanoseconds.
    not_before: Padded<AtomicU64>,
    shards: [Padded<Mutex<Line>>; SHARDS],
}

/// What a held call is taken back with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    shard: usize,
    number: u64,
}

/// Held calls in the order in which they came, and so in that in which they are due.
#[derive(Debug, Default)]
struct Line {
    next: u64,
    living: usize,
    held: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    number: u64,
    due: u64,
    /// `None`: it has ended.
    right: Option<Right>,
}

impl Holds {
    pub fn new(clock: Clock, at_most: Duration) -> Self {
        let shards = std::array::from_fn(|_| Padded::default());
        Self { clock, at_most, not_before: Padded(AtomicU64::new(NEVER)), shards }
    }

    /// Others with another bound. One bound for all in a line, or they would not be due in the order in which they came.
    pub fn bounded(&self, at_most: Duration) -> Self {
        Self::new(self.clock.clone(), at_most)
    }

    /// Keeps a right until it is taken back, or is overdue.
    pub fn put(&self, right: Right) -> Ticket {
        let shard = my_shard();
        let mut line = locked(&self.shards[shard]);
        let due = self.clock.now().saturating_add(nanos(self.at_most)).min(NEVER - 1);
        let number = line.push(due, right);
        // Still locked, so that a sweep that forgets the word sees either this call or the lock.
        if self.not_before.load(Ordering::Relaxed) > due {
            self.not_before.fetch_min(due, Ordering::Relaxed);
        }
        Ticket { shard, number }
    }

    /// `None`: it was overdue.
    pub fn take(&self, ticket: Ticket) -> Option<Right> {
        locked(&self.shards[ticket.shard]).take(ticket.number)
    }

    /// Ends the calls that are overdue.
    #[inline]
    pub fn sweep(&self) {
        let not_before = self.not_before.load(Ordering::Relaxed);
        if not_before != NEVER && self.clock.now() >= not_before {
            self.end_overdue();
        }
    }

    #[cold]
    fn end_overdue(&self) {
        self.not_before.store(NEVER, Ordering::Relaxed);
        for shard in &self.shards {
            let next = || {
                let mut line = locked(shard);
                let right = line.take_due(self.clock.now());
                if let (None, Some(first)) = (&right, line.held.front()) {
                    self.not_before.fetch_min(first.due, Ordering::Relaxed);
                }
                right
            };
            // One at a time, and outside of the lock: the end of a call may wake up another one. It says nothing.
            std::iter::from_fn(next).for_each(|right| right.finish(Verdict::NONE));
        }
    }
}

impl Line {
    fn push(&mut self, due: u64, right: Right) -> u64 {
        let number = self.next;
        self.next += 1;
        self.living += 1;
        self.held.push_back(Held { number, due, right: Some(right) });
        number
    }

    fn take(&mut self, number: u64) -> Option<Right> {
        let index = self.held.binary_search_by_key(&number, |held| held.number).ok()?;
        let right = self.held[index].right.take()?;
        self.tidy();
        Some(right)
    }

    fn take_due(&mut self, now: u64) -> Option<Right> {
        let first = self.held.front_mut().filter(|first| now >= first.due)?;
        let right = first.right.take();
        self.tidy();
        right
    }

    /// After an end: the first one lives, and the ended ones between are few.
    fn tidy(&mut self) {
        self.living -= 1;
        while self.held.front().is_some_and(|first| first.right.is_none()) {
            self.held.pop_front();
        }
        if self.held.len() > 2 * self.living + SLACK {
            self.held.retain(|held| held.right.is_some());
        }
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

    #[test]
    fn a_line_stays_as_short_as_what_lives_in_it() {
        let mut line = Line::default();
        let right = || Right::new(Permit::exempt(), None);
        let first = line.push(1, right());
        for _ in 0..10_000 {
            let number = line.push(2, right());
            assert!(line.take(number).is_some() && line.take(number).is_none());
            assert!(line.held.len() <= 2 + SLACK + 1, "{}", line.held.len());
        }
        assert!(line.take_due(0).is_none());
        assert!(line.take_due(1).is_some());
        assert!(line.take(first).is_none() && line.held.is_empty() && line.living == 0);
    }

    #[test]
    fn what_is_overdue_ends_whichever_thread_began_it() {
        let hand = Hand::default();
        let holds = Holds::new(hand.clock(), Duration::from_secs(1));
        let put = || holds.put(Right::new(Permit::exempt(), None));
        let tickets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2 * SHARDS).map(|_| scope.spawn(put)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        holds.sweep();
        assert!(holds.take(tickets[0]).is_some());
        hand.advance(Duration::from_secs(1));
        holds.sweep();
        assert!(tickets.into_iter().all(|ticket| holds.take(ticket).is_none()));
        assert_eq!(holds.not_before.load(Ordering::Relaxed), NEVER);
    }

    #[test]
    fn one_that_comes_later_is_found_when_it_is_due() {
        let hand = Hand::default();
        let holds = Holds::new(hand.clock(), Duration::from_secs(3)).bounded(Duration::from_secs(2));
        let put = || holds.put(Right::new(Permit::exempt(), None));
        let ended = put();
        hand.advance(Duration::from_secs(1));
        let late = put();
        assert!(holds.take(ended).is_some());
        for (expected, living) in [(3_000_000_000, 1), (NEVER, 0)] {
            hand.advance(Duration::from_secs(1));
            holds.sweep();
            assert_eq!(holds.not_before.load(Ordering::Relaxed), expected);
            assert_eq!(locked(&holds.shards[late.shard]).living, living);
        }
        assert!(holds.take(late).is_none());
    }
}
