//! The calls whose answer has begun and whose end is in their body.
//!
//! A body ends when its reader has read it, and a reader may take for ever: one that never reads must not keep a place for
//! ever, or a few of them would close a service. So there is a bound, and the right to the place does not lie in the body
//! but here, where somebody else can take it back: whoever comes next looks for those that are overdue (one load while there
//! are none). That needs no timer and no runtime, and a place that nobody wants is not missed.
//!
//! Cost: two short locks for each body that is waited for, none for others.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::call::{Right, Verdict};
use crate::clock::{Clock, nanos};
use crate::sync::locked;

/// No call is held.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Holds {
    clock: Clock,
    /// When the first one is overdue, nanoseconds.
    first_due: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// By ticket, and so by when they are due.
    rights: BTreeMap<u64, (u64, Right)>,
}

impl Holds {
    pub const fn new(clock: Clock) -> Self {
        let held = Mutex::new(Held { next: 0, rights: BTreeMap::new() });
        Self { clock, first_due: AtomicU64::new(NEVER), held }
    }

    /// Keeps a right until it is taken out with the ticket, or is overdue.
    pub fn put(&self, right: Right, at_most: Duration) -> u64 {
        let mut held = locked(&self.held);
        let due = self.clock.now().saturating_add(nanos(at_most)).min(NEVER - 1);
        let ticket = held.next;
        held.next += 1;
        held.rights.insert(ticket, (due, right));
        self.note_first(&held);
        ticket
    }

    /// `None`: it was overdue.
    pub fn take(&self, ticket: u64) -> Option<Right> {
        let mut held = locked(&self.held);
        let (_, right) = held.rights.remove(&ticket)?;
        self.note_first(&held);
        Some(right)
    }

    /// Ends the calls that are overdue: they say nothing.
    #[inline]
    pub fn sweep(&self) {
        let first_due = self.first_due.load(Ordering::Relaxed);
        if first_due != NEVER && self.clock.now() >= first_due {
            self.end_overdue();
        }
    }

    #[cold]
    fn end_overdue(&self) {
        // One at a time, because the end of a call may wake up another one.
        while let Some(right) = self.take_overdue() {
            right.finish(Verdict::NONE);
        }
    }

    fn take_overdue(&self) -> Option<Right> {
        let mut held = locked(&self.held);
        let first = held.rights.first_entry()?;
        let overdue = self.clock.now() >= first.get().0;
        let right = overdue.then(|| first.remove().1);
        self.note_first(&held);
        right
    }

    fn note_first(&self, held: &Held) {
        let due = held.rights.first_key_value().map_or(NEVER, |(_, (due, _))| *due);
        self.first_due.store(due, Ordering::Relaxed);
    }
}
