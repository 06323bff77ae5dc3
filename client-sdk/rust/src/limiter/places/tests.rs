use std::sync::atomic::{AtomicBool as Flag, AtomicU64 as Count, Ordering::SeqCst};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::priority::Priority;

const SHARES: [f64; PRIORITIES] = Priority::DEFAULT_SHARES;

/// Places for so many threads with shards of their own, if this kernel allows them.
fn places(threads: usize, limit: u64) -> Places {
    let own = if barrier::available() { threads } else { 0 };
    Places::with_shards(own, 2, limit as f64, SHARES)
}

/// A call of the thread in that seat.
fn enter(places: &Places, seat: usize, class: usize, weight: u64) -> Option<u64> {
    places.enter(Seat(seat), class, weight).map(|(shard, taken)| {
        shard.admit(0);
        taken
    })
}

fn leave(places: &Places, seat: usize, taken: u64) {
    places.leave(places.claim(Seat(seat)), taken);
}

fn set(places: &Places, limit: u64) {
    places.change(|limits| limits.set(limit as f64));
}

#[test]
fn a_large_limit_has_spare_places_and_a_small_one_has_not() {
    let places = places(2, 1000);
    if !barrier::available() {
        eprintln!("no membarrier here: NOT TESTED");
        return;
    }
    for seat in [0, 1, 0] {
        let taken = enter(&places, seat, 0, 1).unwrap();
        leave(&places, seat, taken);
        assert_eq!(places.in_flight(), 0);
        places.close_slice();
    }
    assert_eq!(places.limits.regime(), Regime::SPARE);
    let held: Vec<_> = (0..20).map(|_| enter(&places, 0, 0, 1).unwrap()).collect();
    assert!(places.gauge.taken() > 20 && places.in_flight() == 20);
    // Ended on another thread, where they are spare from then on.
    held.into_iter().for_each(|taken| leave(&places, 1, taken));
    assert!(places.spare() > 0 && places.spare() <= 2 * BATCH && places.in_flight() == 0);
    set(&places, 8 * 2 * BATCH - 1);
    assert_eq!((places.limits.regime(), places.gauge.taken()), (Regime::EXACT, 0), "at once");
    places.close_slice();
    assert_eq!(places.limits.regime(), Regime::EXACT);
    set(&places, 8 * 2 * BATCH);
    places.close_slice();
    assert_eq!(places.limits.regime(), Regime::SPARE);
    places.begin_wait();
    assert_eq!((places.limits.regime(), places.gauge.taken()), (Regime::EXACT, 0), "somebody waits");
    places.close_slice();
    assert_eq!(places.limits.regime(), Regime::EXACT, "as long as somebody does");
}

#[test]
fn no_thread_is_rejected_for_what_lies_idle_with_another() {
    let places = places(4, 1000);
    for seat in 0..4 {
        let taken = enter(&places, seat, 0, 1).unwrap();
        leave(&places, seat, taken);
    }
    places.close_slice();
    // Three threads leave a batch idle each; the fourth can still have all.
    for seat in 0..3 {
        let taken: Vec<_> = (0..3 * BATCH).map(|_| enter(&places, seat, 0, 1).unwrap()).collect();
        taken.into_iter().for_each(|taken| leave(&places, seat, taken));
    }
    assert!(places.spare() > 0 || !barrier::available());
    let admitted = (0..2000).map_while(|_| enter(&places, 3, 0, 1)).count();
    assert_eq!((admitted, places.in_flight(), places.take_peak()), (1000, 1000, 1000));
}

#[derive(Debug, Clone)]
enum Step {
    /// By the thread in that seat, of that class and weight.
    Ask(usize, usize, u64),
    /// Ends one of the calls in flight, on the thread in that seat.
    End(prop::sample::Index, usize),
    Limit(u64),
    Slice,
}

fn step() -> impl Strategy<Value = Step> {
    // Seats beyond the threads that have shards of their own share the common ones.
    let seat = 0..6_usize;
    let limit = prop_oneof![0_u64..20, 100_u64..300, 500_u64..3000];
    let weight = prop_oneof![9 => Just(1_u64), 1 => 1_u64..40];
    let ask = (seat.clone(), 0..PRIORITIES, weight);
    prop_oneof![
        30 => ask.prop_map(|(seat, class, weight)| Step::Ask(seat, class, weight)),
        24 => (any::<prop::sample::Index>(), seat).prop_map(|(index, seat)| Step::End(index, seat)),
        1 => limit.prop_map(Step::Limit),
        3 => Just(Step::Slice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// In both regimes and across every switch: never above the limit, and never a rejection while there is room.
    #[test]
    fn c1_the_limit_is_kept_and_used_whatever_the_regime(
        steps in prop::collection::vec(step(), 1..1500),
        limit in prop_oneof![1_u64..20, 100_u64..300, 500_u64..3000],
    ) {
        let places = places(4, limit);
        let (mut inside, mut calls, mut admitted) = (0, Vec::new(), 0);
        for step in steps {
            match step {
                Step::Ask(seat, class, weight) => {
                    let cap = places.limits.cap(class);
                    match enter(&places, seat, class, weight) {
                        Some(taken) => {
                            prop_assert_eq!(taken, weight.min(cap));
                            inside += taken;
                            admitted += 1;
                            calls.push(taken);
                            prop_assert!(inside <= cap, "{} of {}", inside, cap);
                        }
                        None => prop_assert!(cap == 0 || inside + weight.min(cap) > cap, "{} of {}", inside, cap),
                    }
                }
                Step::End(which, seat) if !calls.is_empty() => {
                    let taken = calls.swap_remove(which.index(calls.len()));
                    inside -= taken;
                    leave(&places, seat, taken);
                }
                Step::End(..) => {}
                Step::Limit(limit) => set(&places, limit),
                Step::Slice => places.close_slice(),
            }
            prop_assert_eq!(places.in_flight(), inside);
        }
        let (_, counted) = places.reader().snapshot();
        prop_assert_eq!(counted.admitted, admitted);
        set(&places, 1);
        prop_assert_eq!(places.gauge.taken(), inside, "no place is lost");
    }
}

/// What one thread does until it is told to stop: up to 99 calls at once, of 1 to 3 places. A witness counts what is inside.
fn caller(places: &Places, largest: u64, seat: usize, inside: &Count, stop: &Flag) {
    let (mut held, mut n) = (Vec::new(), 0_u64);
    while !stop.load(SeqCst) {
        n += 1;
        let target = crate::sync::scatter(n / 512 + seat as u64 * 1000) % 100;
        if (held.len() as u64) < target {
            if let Some(taken) = enter(places, seat, 0, 1 + n % 3) {
                let now = inside.fetch_add(taken, SeqCst) + taken;
                assert!(now <= largest, "{now}");
                held.push(taken);
            }
        } else if let Some(taken) = held.pop() {
            inside.fetch_sub(taken, SeqCst);
            // Now and then on a common shard, as a thread without a seat would.
            leave(places, if n.is_multiple_of(16) { 99 } else { seat }, taken);
        }
    }
    for taken in held {
        inside.fetch_sub(taken, SeqCst);
        leave(places, seat, taken);
    }
}

/// Several threads and a limit that moves between small and large, until every regime was met many times.
#[test]
fn c1_the_limit_is_kept_by_threads_that_meet_at_every_switch() {
    const LARGEST: u64 = 600;
    const PATIENCE: Duration = Duration::from_secs(20);
    let places = &places(4, LARGEST);
    let (inside, stop) = (&Count::new(0), &Flag::new(false));
    let (called, spare) = std::thread::scope(|scope| {
        let call = |seat| scope.spawn(move || caller(places, LARGEST, seat, inside, stop));
        let callers: Vec<_> = (0..4).map(call).collect();
        let (mut rounds, mut spare, began) = (0_u64, 0, Instant::now());
        while rounds < 60 || (spare < 12 && barrier::available() && began.elapsed() < PATIENCE) {
            rounds += 1;
            set(places, if rounds.is_multiple_of(5) { 3 + rounds % 50 } else { LARGEST });
            places.close_slice();
            places.close_slice();
            spare += u64::from(places.limits.regime() == Regime::SPARE);
            let (released, admitted) = places.reader().snapshot();
            assert!(admitted.admitted >= released.count());
            std::thread::yield_now();
        }
        stop.store(true, SeqCst);
        (callers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>(), spare)
    });
    assert!(called.iter().all(Result::is_ok));
    assert!(spare >= 12 || !barrier::available(), "only {spare} times");
    set(places, 1);
    places.close_slice();
    assert_eq!((places.gauge.taken(), places.in_flight()), (0, 0));
}
