//! How many places are taken, exactly.
//!
//! Admission is one compare-and-swap loop on one word, never "look, then add": two callers can not both take the last
//! place. The limit lies on another cache line that nobody writes on the request path, so reading it is free of traffic,
//! and lowering it below what is in flight needs no surgery: calls are refused until enough of them have left.

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// The places that are taken.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    taken: AtomicU64,
    /// Most taken since it was last asked for.
    peak: AtomicU64,
    /// Whether a limit was reached since that was last asked for.
    limited: AtomicBool,
    /// Whether spare places were needed since that was last asked for.
    tightened: AtomicBool,
}

impl Gauge {
    /// Takes so many places when no more than `cap` are taken then.
    #[inline]
    pub fn try_enter(&self, places: u64, cap: u64) -> bool {
        let taken = self.try_take(places, cap);
        if taken.is_some_and(|taken| taken >= cap) {
            self.note_limited();
        }
        taken.is_some()
    }

    /// The same for places of which some are spare. Returns how many are taken then.
    #[inline]
    pub fn try_take(&self, places: u64, cap: u64) -> Option<u64> {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            if !fits(taken, places, cap) {
                return None;
            }
            let with = taken + places;
            match self.taken.compare_exchange_weak(taken, with, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => taken = now,
            }
        }
        let taken = taken + places;
        // This core owns the line now, so these two looks cost nothing; the writes are rare.
        if taken > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(taken, Ordering::Relaxed);
        }
        Some(taken)
    }

    /// Whether so many places are free.
    #[inline]
    pub fn has_room(&self, places: u64, cap: u64) -> bool {
        fits(self.taken.load(Ordering::Relaxed), places, cap)
    }

    /// Gives places back that [`Gauge::try_enter`] took.
    #[inline]
    pub fn leave(&self, places: u64) {
        // Acquire as well: it sees that somebody waits, if that was said before (see `queue`).
        self.taken.fetch_sub(places, Ordering::AcqRel);
    }

    /// Gives places back that no call used.
    pub fn leave_unused(&self, places: u64) {
        if places != 0 {
            self.leave(places);
        }
    }

    /// Orders what this thread wrote before every later [`Gauge::leave`], and shows it every earlier one.
    pub fn synchronize(&self) {
        self.taken.fetch_add(0, Ordering::AcqRel);
    }

    /// Places taken now.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The most that were taken at once since the last call.
    pub fn take_peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed).max(self.taken())
    }

    /// Whether a limit was reached since the last call.
    pub fn take_limited(&self) -> bool {
        self.limited.swap(false, Ordering::Relaxed)
    }

    /// Whether spare places were needed since the last call.
    pub fn take_tightened(&self) -> bool {
        self.tightened.swap(false, Ordering::Relaxed)
    }

    /// Notes that spare places are needed.
    pub fn note_tightened(&self) {
        self.tightened.store(true, Ordering::Relaxed);
    }

    /// Notes that a limit is reached.
    #[inline]
    pub fn note_limited(&self) {
        if !self.limited.load(Ordering::Relaxed) {
            self.limited.store(true, Ordering::Relaxed);
        }
    }
}

#[inline]
const fn fits(taken: u64, places: u64, cap: u64) -> bool {
    taken < cap && places <= cap - taken
}

#[cfg(all(test, setpoint_loom))]
mod loom_tests {
    use super::*;
    use crate::sync::explore;
    use loom::sync::Arc;

    #[test]
    fn loom_c1_never_above_the_limit_and_no_place_is_lost() {
        explore(|| {
            let gauge = Arc::new(Gauge::default());
            let inside = Arc::new(AtomicU64::new(0));
            let call = |gauge: Arc<Gauge>, inside: Arc<AtomicU64>| {
                move || {
                    if gauge.try_enter(1, 1) {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two calls in one place");
                        inside.fetch_sub(1, Ordering::Relaxed);
                        gauge.leave(1);
                    }
                }
            };
            let others = [0; 2].map(|_| loom::thread::spawn(call(gauge.clone(), inside.clone())));
            call(gauge.clone(), inside.clone())();
            for other in others {
                other.join().expect("no panic");
            }
            assert_eq!(gauge.taken(), 0);
            assert_eq!(gauge.take_peak(), 1);
            assert!(gauge.take_limited(), "one of them took the last place");
        });
    }

    #[test]
    fn loom_a_caller_that_waits_is_never_forgotten() {
        explore(|| {
            let gauge = Arc::new(Gauge::default());
            let awaited = Arc::new(AtomicBool::new(false));
            assert!(gauge.try_enter(1, 1));
            let leaver = {
                let (gauge, awaited) = (gauge.clone(), awaited.clone());
                loom::thread::spawn(move || {
                    gauge.leave(1);
                    awaited.load(Ordering::Relaxed)
                })
            };
            awaited.store(true, Ordering::Relaxed);
            gauge.synchronize();
            let entered = gauge.try_enter(1, 1);
            let woken = leaver.join().expect("no panic");
            assert!(entered || woken, "it sleeps for ever");
        });
    }

    #[test]
    fn loom_c1_a_cut_takes_hold_while_calls_are_in_flight() {
        explore(|| {
            let gauge = Arc::new(Gauge::default());
            let limit = Arc::new(AtomicU64::new(2));
            assert!(gauge.try_enter(1, 2));
            let other = {
                let (gauge, limit) = (gauge.clone(), limit.clone());
                loom::thread::spawn(move || {
                    let cap = limit.load(Ordering::Relaxed);
                    let entered = gauge.try_enter(1, cap);
                    assert!(!entered || cap == 2, "entered above the limit that it saw");
                    entered
                })
            };
            limit.store(1, Ordering::Relaxed);
            assert!(!gauge.try_enter(1, limit.load(Ordering::Relaxed)), "one is inside and one is allowed");
            let entered = other.join().expect("no panic");
            assert_eq!(gauge.taken(), 1 + u64::from(entered));
        });
    }
}
