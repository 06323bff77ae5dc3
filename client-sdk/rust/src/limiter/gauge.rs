//! How many calls are in flight, exactly.
//!
//! Admission is one compare-and-swap loop on one word, never "look, then add": two callers can not both take the last
//! place. The limit lies on another cache line that nobody writes on the request path, so reading it is free of traffic,
//! and lowering it below what is in flight needs no surgery: calls are refused until enough of them have left.

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// The calls in flight.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    in_flight: AtomicU64,
    /// Most in flight since it was last taken.
    peak: AtomicU64,
    /// Whether a limit was reached since it was last taken.
    limited: AtomicBool,
}

impl Gauge {
    /// Takes a place when fewer than `cap` are taken.
    #[inline]
    pub fn try_enter(&self, cap: u64) -> bool {
        let mut taken = self.in_flight.load(Ordering::Relaxed);
        loop {
            if taken >= cap {
                self.note_limited();
                return false;
            }
            match self.in_flight.compare_exchange_weak(taken, taken + 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => taken = now,
            }
        }
        let taken = taken + 1;
        // This core owns the line now, so these two looks cost nothing; the writes are rare.
        if taken > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(taken, Ordering::Relaxed);
        }
        if taken >= cap {
            self.note_limited();
        }
        true
    }

    /// Gives a place back that [`Gauge::try_enter`] took.
    #[inline]
    pub fn leave(&self) {
        // Acquire as well: it sees that somebody waits, if that was said before (see `waiters`).
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// Orders what this thread wrote before every later [`Gauge::leave`], and shows it every earlier one.
    pub fn synchronize(&self) {
        self.in_flight.fetch_add(0, Ordering::AcqRel);
    }

    /// Calls in flight now.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The most that were in flight at once since the last call.
    pub fn take_peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed).max(self.in_flight())
    }

    /// Whether a limit was reached since the last call.
    pub fn take_limited(&self) -> bool {
        self.limited.swap(false, Ordering::Relaxed)
    }

    #[inline]
    fn note_limited(&self) {
        if !self.limited.load(Ordering::Relaxed) {
            self.limited.store(true, Ordering::Relaxed);
        }
    }
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
                    if gauge.try_enter(1) {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two calls in one place");
                        inside.fetch_sub(1, Ordering::Relaxed);
                        gauge.leave();
                    }
                }
            };
            let others = [0; 2].map(|_| loom::thread::spawn(call(gauge.clone(), inside.clone())));
            call(gauge.clone(), inside.clone())();
            for other in others {
                other.join().expect("no panic");
            }
            assert_eq!(gauge.in_flight(), 0);
            assert_eq!(gauge.take_peak(), 1);
            assert!(gauge.take_limited());
        });
    }

    #[test]
    fn loom_a_caller_that_waits_is_never_forgotten() {
        explore(|| {
            let gauge = Arc::new(Gauge::default());
            let awaited = Arc::new(AtomicBool::new(false));
            assert!(gauge.try_enter(1));
            let leaver = {
                let (gauge, awaited) = (gauge.clone(), awaited.clone());
                loom::thread::spawn(move || {
                    gauge.leave();
                    awaited.load(Ordering::Relaxed)
                })
            };
            awaited.store(true, Ordering::Relaxed);
            gauge.synchronize();
            let entered = gauge.try_enter(1);
            let woken = leaver.join().expect("no panic");
            assert!(entered || woken, "it sleeps for ever");
        });
    }

    #[test]
    fn loom_c1_a_cut_takes_hold_while_calls_are_in_flight() {
        explore(|| {
            let gauge = Arc::new(Gauge::default());
            let limit = Arc::new(AtomicU64::new(2));
            assert!(gauge.try_enter(2));
            let other = {
                let (gauge, limit) = (gauge.clone(), limit.clone());
                loom::thread::spawn(move || {
                    let cap = limit.load(Ordering::Relaxed);
                    let entered = gauge.try_enter(cap);
                    assert!(!entered || cap == 2, "entered above the limit that it saw");
                    entered
                })
            };
            limit.store(1, Ordering::Relaxed);
            assert!(!gauge.try_enter(limit.load(Ordering::Relaxed)), "one is inside and one is allowed");
            let entered = other.join().expect("no panic");
            assert_eq!(gauge.in_flight(), 1 + u64::from(entered));
        });
    }
}
