//! The calls whose answer has begun and whose end is in their body.
//!
//! A body ends when its reader has read it, and a reader may take for ever: one that never reads must not keep a place for
//! ever, or a few of them would close a service. So there is a bound, and the right to the place does not lie in the body
//! but here, where somebody else can take it back: whoever comes next looks for those that are overdue. That needs no timer
//! and no runtime, and a place that nobody wants is not missed.
//!
//! Threads have shards of their own, as far as there are any: a call looks through its own shard, which is one load where
//! nothing is held, and through all of them when it was refused. Cost: two short locks for each body that is waited for.

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
    shards: [Padded<Shard>; SHARDS],
}

/// What a held call is taken back with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    shard: usize,
    number: u64,
}

#[derive(Debug)]
struct Shard {
    /// When the first one is overdue, nanoseconds.
    first_due: AtomicU64,
    line: Mutex<Line>,
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
    pub fn new(clock: Clock) -> Self {
        let shard = || Shard { first_due: AtomicU64::new(NEVER), line: Mutex::default() };
        Self { clock, shards: std::array::from_fn(|_| Padded(shard())) }
    }

    /// Keeps a right until it is taken back, or is overdue.
    pub fn put(&self, right: Right, at_most: Duration) -> Ticket {
        let index = my_shard();
        let shard = &self.shards[index];
        let mut line = locked(&shard.line);
        let due = self.clock.now().saturating_add(nanos(at_most)).min(NEVER - 1);
        let number = line.push(due, right);
        shard.note_first(&line);
        Ticket { shard: index, number }
    }

    /// `None`: it was overdue.
    pub fn take(&self, ticket: Ticket) -> Option<Right> {
        let shard = &self.shards[ticket.shard];
        let mut line = locked(&shard.line);
        let right = line.take(ticket.number);
        shard.note_first(&line);
        right
    }

    /// Ends those calls of this thread's shard that are overdue.
    #[inline]
    pub fn sweep_mine(&self) {
        self.sweep(&self.shards[my_shard()]);
    }

    /// Ends all calls that are overdue. Whether there were any.
    #[cold]
    pub fn sweep_all(&self) -> bool {
        self.shards.iter().fold(false, |any, shard| self.sweep(shard) || any)
    }

    #[inline]
    fn sweep(&self, shard: &Shard) -> bool {
        let first_due = shard.first_due.load(Ordering::Relaxed);
        first_due != NEVER && self.clock.now() >= first_due && self.end_overdue(shard)
    }

    #[cold]
    fn end_overdue(&self, shard: &Shard) -> bool {
        let now = self.clock.now();
        let next = || {
            let mut line = locked(&shard.line);
            let right = line.take_due(now);
            shard.note_first(&line);
            right
        };
        // One at a time, and outside of the lock: the end of a call may wake up another one. It says nothing.
        std::iter::from_fn(next).map(|right| right.finish(Verdict::NONE)).count() > 0
    }
}

impl Shard {
    fn note_first(&self, line: &Line) {
        let due = line.held.front().map_or(NEVER, |first| first.due);
        self.first_due.store(due, Ordering::Relaxed);
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
        let holds = Holds::new(hand.clock());
        let put = || holds.put(Right::new(Permit::exempt(), None), Duration::from_secs(1));
        let tickets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2 * SHARDS).map(|_| scope.spawn(put)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(!holds.sweep_all());
        assert!(holds.take(tickets[0]).is_some());
        hand.advance(Duration::from_secs(1));
        assert!(holds.sweep_all() && !holds.sweep_all());
        assert!(tickets.into_iter().all(|ticket| holds.take(ticket).is_none()));
    }
}
