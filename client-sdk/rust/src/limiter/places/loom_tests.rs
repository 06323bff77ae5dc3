use loom::sync::Arc;

use super::*;
use crate::limiter::counters::{Admitted, Released};
use crate::limiter::pulse::Sampling;
use crate::limiter::thresholds::Thresholds;
use crate::outcome::Outcome;
use crate::priority::Priority;
use crate::sync::{AtomicU64, explore};

/// Places for so many threads with shards of their own; the first of them holds `spare` places.
fn places(own: usize, limit: u64, spare: u64) -> Arc<Places> {
    let places = Places::with_shards(own, 1, limit as f64, Priority::DEFAULT_SHARES);
    if spare > 0 {
        assert!(places.gauge.try_take(spare, limit).is_some());
        places.own[0].held.store(spare, Ordering::Relaxed);
        places.limits.set_regime(Regime::SPARE);
    }
    Arc::new(places)
}

/// One call, in company of no more than `limit - 1`.
fn call(places: &Places, inside: &AtomicU64, seat: usize, limit: u64) -> bool {
    let Some((shard, taken)) = places.enter(Seat(seat), 0, 1) else { return false };
    drop(shard);
    assert!(inside.fetch_add(1, Ordering::Relaxed) < limit, "above the limit");
    inside.fetch_sub(1, Ordering::Relaxed);
    places.leave(places.claim(Seat(seat)), taken);
    true
}

/// A thread uses its spare places while another one, who finds none left, takes them back.
#[test]
fn loom_c1_spare_places_are_used_or_taken_back_never_both() {
    explore(|| {
        let places = places(2, 1, 1);
        let inside = Arc::new(AtomicU64::new(0));
        let owner = {
            let (places, inside) = (places.clone(), inside.clone());
            loom::thread::spawn(move || call(&places, &inside, 0, 1))
        };
        call(&places, &inside, 1, 1);
        assert!(owner.join().expect("no panic") || places.gauge.take_limited());
        places.close_slice();
        assert_eq!((places.gauge.taken(), places.in_flight()), (0, 0), "a place was lost");
    });
}

/// The same with a limit that is cut at that moment: no call is let in above what it was.
#[test]
fn loom_c1_a_limit_is_cut_while_spare_places_are_used() {
    explore(|| {
        let places = places(1, 2, 2);
        let inside = Arc::new(AtomicU64::new(0));
        let owner = {
            let (places, inside) = (places.clone(), inside.clone());
            loom::thread::spawn(move || call(&places, &inside, 0, 2))
        };
        places.change(|limits| limits.set(1.0));
        call(&places, &inside, 7, 2);
        owner.join().expect("no panic");
        places.close_slice();
        assert_eq!(places.gauge.taken(), 0, "a place was lost");
    });
}

/// A place that was in use when somebody began to wait: it is seen, or its thread sees that somebody waits.
#[test]
fn loom_a_caller_that_waits_is_not_forgotten_by_a_thread_with_spare_places() {
    explore(|| {
        // Largest enough for `begin_wait` to look for spare places, and full.
        let limit = FEWEST_BATCHES * BATCH;
        let places = places(2, limit, 1);
        assert!(places.gauge.try_take(limit - 1, limit).is_some());
        places.own[0].held.store(0, Ordering::Relaxed);
        let owner = {
            let places = places.clone();
            loom::thread::spawn(move || {
                places.leave(places.claim(Seat(0)), 1);
                places.limits.awaited()
            })
        };
        places.begin_wait();
        let entered = places.enter(Seat(1), 0, 1).is_some();
        // A thread that was inside meanwhile is looked at again by the session.
        let woken = owner.join().expect("no panic");
        assert!(entered || woken, "it sleeps for ever");
    });
}

fn busy(places: &Places, seat: usize) {
    let (shard, taken) = places.enter(Seat(seat), 0, 1).expect("there is room");
    shard.admit(1000);
    drop(shard);
    let claim = places.claim(Seat(seat));
    claim.0.release(Outcome::Success, 1000, 1500, &Thresholds::new(None));
    places.leave(claim, taken);
}

/// Reads while one call is admitted at 1000 and released at 1500, and again when that is over.
fn read_beside(places: &Arc<Places>, write: impl FnOnce(&Places) + Send + 'static) -> (Released, Admitted) {
    let writer = {
        let places = places.clone();
        loom::thread::spawn(move || write(&places))
    };
    let (released, admitted) = places.reader().snapshot();
    assert!(admitted.admitted >= released.count());
    assert_eq!(admitted.admit_time_sum, 1000 * admitted.admitted);
    assert_eq!(released.release_time_sum, 1500 * released.completed);
    assert_eq!(released.latency_sum, 500 * released.completed);
    writer.join().expect("no panic");
    let (released, admitted) = places.reader().snapshot();
    assert_eq!((admitted.admitted, released.count()), (1, 1));
    (released, admitted)
}

/// On a shard of the writer's own (where the reader holds it off when it is overtaken) and on a common one.
#[test]
fn loom_c1_a_reader_never_sees_half_an_event_or_a_negative_in_flight() {
    for own in [0, 1] {
        explore(move || {
            read_beside(&places(own, 2, 0), |places| busy(places, 0));
        });
    }
}

/// A call that looks at no clock: its times are in no sum, and the reader works them out from the counts.
fn busy_untimed(places: &Places, sampling: &Sampling) {
    let (shard, taken) = places.enter(Seat(0), 0, 1).expect("there is room");
    // Held off from its own shard it is timed in another one, where nothing was read yet.
    let at = shard.untimed_admission(sampling);
    let at = at.unwrap_or_else(|| shard.timed_admission(sampling, || 1000));
    drop(shard);
    let claim = places.claim(Seat(0));
    claim.0.untimed_release(Outcome::Success, at, sampling, || 1500);
    places.leave(claim, taken);
}

#[test]
fn loom_c1_a_reader_never_sees_half_an_event_that_is_not_timed() {
    explore(|| {
        let places = places(1, 2, 0);
        places.own[0].pulse.sampled(1000, 1500);
        let (released, admitted) =
            read_beside(&places, |places| busy_untimed(places, &Sampling::new(8, None)));
        assert_eq!((admitted.admit_time_sum, released.latency_sum), (1000, 500));
    });
}

#[test]
fn loom_c1_writers_that_meet_in_one_shard_lose_nothing() {
    explore(|| {
        let places = places(0, 2, 0);
        let writer = {
            let places = places.clone();
            loom::thread::spawn(move || busy(&places, 0))
        };
        busy(&places, 1);
        writer.join().expect("no panic");
        let (released, admitted) = places.reader().snapshot();
        assert_eq!((admitted.admitted, admitted.admit_time_sum, released.completed), (2, 2000, 2));
    });
}
