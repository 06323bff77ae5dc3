//! Which counters a thread writes: a small number that no other living thread has.
//!
//! A thread that alone writes a word needs no atomic read-modify-write for it, and those are what a permit's cost consists
//! of, beside the clock. Threads are seated when they first ask, lowest free number first, and give the number back when
//! they end. Those for whom no seat is left share what is kept for them.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Seats that only one thread has at a time. More processors than this and some threads share.
pub(super) const SEATS: usize = 256;

/// The number of a thread; below [`SEATS`] it is alone with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat(pub(super) usize);

const UNSEATED: usize = usize::MAX;
static TAKEN: [AtomicU64; SEATS / 64] = [const { AtomicU64::new(0) }; SEATS / 64];
static STANDING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(UNSEATED) };
    /// Gives the seat back; apart from the number, which would cost more to read if it had a destructor.
    static GIVE_BACK: OnceCell<GiveBack> = const { OnceCell::new() };
}

struct GiveBack(usize);

impl Seat {
    /// The current thread's, if it has asked for one before. If not, it is beyond all seats, where whoever looks for what
    /// belongs to it finds nothing and has to ask: so those who have a seat need no look at whether they have.
    #[inline]
    pub fn mine() -> Self {
        Self(MINE.get())
    }

    /// This one, or if the current thread has none, one for it.
    pub fn taken(self) -> Self {
        if self.is_none() { Self(sit_down()) } else { self }
    }

    /// Whether the thread has not asked for one yet.
    pub const fn is_none(self) -> bool {
        self.0 == UNSEATED
    }
}

#[cold]
fn sit_down() -> usize {
    // The destructors of this thread's other locals may still end calls after this one has run: then it stands.
    let seat = GIVE_BACK.try_with(|give_back| give_back.get_or_init(|| GiveBack(free_seat())).0);
    let seat = seat.unwrap_or(SEATS);
    MINE.set(seat);
    seat
}

fn free_seat() -> usize {
    for (row, taken) in TAKEN.iter().enumerate() {
        let mut seen = taken.load(Ordering::Relaxed);
        while seen != u64::MAX {
            let seat = (!seen).trailing_zeros();
            // Acquire: what the thread that sat here before wrote is seen.
            match taken.compare_exchange_weak(seen, seen | 1 << seat, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return row * 64 + seat as usize,
                Err(now) => seen = now,
            }
        }
    }
    SEATS + STANDING.fetch_add(1, Ordering::Relaxed) % SEATS
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        MINE.set(SEATS);
        if let Some(row) = TAKEN.get(self.0 / 64) {
            row.fetch_and(!(1 << (self.0 % 64)), Ordering::Release);
        }
    }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn living_threads_have_seats_of_their_own_and_leave_them_behind() {
        let barrier = Barrier::new(32);
        let sit = || {
            assert!(Seat::mine().is_none());
            let seat = Seat::mine().taken();
            assert_eq!(Seat::mine(), seat);
            barrier.wait();
            seat.0
        };
        for _ in 0..20 {
            let seats: HashSet<usize> = thread::scope(|scope| {
                let all: Vec<_> = (0..32).map(|_| scope.spawn(sit)).collect();
                all.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(seats.len(), 32);
            // Twenty rounds of 32 threads: they could not all sit if those before them had not left.
            assert!(seats.iter().all(|seat| *seat < SEATS), "{seats:?}");
        }
    }

    #[test]
    fn a_thread_on_its_way_out_stands() {
        struct Late(std::sync::mpsc::Sender<Seat>);
        impl Drop for Late {
            fn drop(&mut self) {
                let _ = self.0.send(Seat::mine().taken());
            }
        }
        thread_local!(static LATE: OnceCell<Late> = const { OnceCell::new() });
        let (tell, told) = std::sync::mpsc::channel();
        // Locals are destroyed in the order in which they were first used or in the reverse: one of these two is late.
        for late_first in [true, false] {
            let tell = tell.clone();
            let run = move || {
                let seat = if late_first { None } else { Some(Seat::mine().taken()) };
                LATE.with(|late| _ = late.set(Late(tell)));
                seat.unwrap_or_else(|| Seat::mine().taken())
            };
            assert!(thread::spawn(run).join().unwrap().0 < SEATS);
        }
        let seats: Vec<_> = told.iter().take(2).map(|seat| seat.0).collect();
        assert!(seats.contains(&SEATS), "{seats:?}");
    }
}
