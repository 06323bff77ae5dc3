use proptest::prelude::*;

use super::*;
use MemoryPressure::{Normal, Shed, Watch};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn heap(resident: u64, live: u64) -> Option<HeapUse> {
    Some(HeapUse { resident_bytes: resident, live_bytes: live, overhead_bytes: 0 })
}

#[test]
fn g1_what_is_freed_is_kept_for_less_time_the_more_of_the_budget_is_in_ram() {
    let budget = GcTarget::budget(1000);
    let table = [
        // second, resident, pressure, told to keep, given back
        (0, 750, Normal, None, false),
        (1, 751, Watch, Some(Some(KEPT_IN_WATCH)), false),
        (2, 901, Shed, Some(Some(Duration::ZERO)), true),
        (3, 950, Shed, None, false),
        (4, 799, Shed, None, false),
        (13, 799, Shed, None, false),
        (14, 799, Watch, Some(Some(KEPT_IN_WATCH)), false),
        (15, 640, Watch, None, false),
        (24, 650, Watch, None, false),
        (25, 640, Watch, None, false),
        (35, 640, Normal, Some(None), false),
        (36, 990, Shed, Some(Some(Duration::ZERO)), true),
    ];
    let mut retention = Retention::default();
    for (second, resident, pressure, keep, give_back) in table {
        let orders = retention.look(at(second), Some(&budget), heap(resident, 100));
        assert_eq!(retention.pressure(), pressure, "second {second}");
        assert_eq!(orders, Orders { keep, give_back }, "second {second}");
    }
}

#[test]
fn g1_memory_is_given_back_every_30_s_at_most_and_where_there_is_some() {
    let budget = GcTarget::budget(1000);
    let mut retention = Retention::default();
    let mut given = |second, live| retention.look(at(second), Some(&budget), heap(950, live)).give_back;
    assert!(!given(0, 940), "it is all in use");
    let seconds: Vec<u64> = (1..100).filter(|second| given(*second, 500)).collect();
    assert_eq!(seconds, [1, 31, 61, 91]);
}

#[test]
fn g1_the_sidecar_can_ask_for_pages_once_each_time() {
    let mut target = GcTarget::budget(1000);
    let mut retention = Retention::default();
    let mut given = |second: u64, asks| {
        target.return_memory = asks;
        retention.look(at(second), Some(&target), heap(100, 100)).give_back
    };
    let asked: Vec<bool> =
        [(0, false), (1, true), (2, true), (40, true), (41, false), (42, true), (43, true)]
            .map(|(second, asks)| given(second, asks))
            .into();
    assert_eq!(asked, [false, true, false, false, false, true, false]);
    // One that comes too early is not forgotten while it stands.
    assert_eq!(
        [(50, false), (51, true), (71, true), (72, true)].map(|(at, asks)| given(at, asks)),
        [false, false, false, true]
    );
}

#[test]
fn l2_without_a_lease_everything_is_as_at_the_start_at_once() {
    let budget = GcTarget::budget(1000);
    let mut retention = Retention::default();
    retention.look(at(0), Some(&budget), heap(990, 100));
    let orders = retention.look(at(1), None, heap(990, 100));
    assert_eq!((retention.pressure(), orders), (Normal, Orders { keep: Some(None), give_back: false }));
    assert_eq!(retention.look(at(2), None, heap(990, 100)), Orders::default());
    // A lease that comes and goes does not make for more than one in 30 s.
    assert!(!retention.look(at(3), Some(&budget), heap(990, 100)).give_back);
}

#[test]
fn an_allocator_that_falls_silent_is_let_go_step_by_step() {
    let budget = GcTarget::budget(1000);
    let mut retention = Retention::default();
    retention.look(at(0), Some(&budget), heap(990, 100));
    let after = [5, 15, 16, 26].map(|second| {
        retention.look(at(second), Some(&budget), None);
        retention.pressure()
    });
    assert_eq!(after, [Shed, Watch, Watch, Normal]);
}

proptest! {
    #[test]
    fn whatever_comes_it_is_never_given_back_twice_in_30_s(
        looks in prop::collection::vec((0..20_u64, any::<bool>(), prop::option::of((0..2000_u64, 0..2000_u64)), any::<bool>()), 1..200),
    ) {
        let (mut retention, mut now, mut given) = (Retention::default(), Duration::ZERO, None);
        for (seconds, leased, seen, asks) in looks {
            now += at(seconds);
            let target = GcTarget { return_memory: asks, ..GcTarget::budget(1000) };
            let seen = seen.and_then(|(resident, live)| heap(resident, live));
            let orders = retention.look(now, leased.then_some(&target), seen);
            prop_assert!(leased || (retention.pressure() == Normal && !orders.give_back));
            if orders.give_back {
                prop_assert!(given.is_none_or(|before| now - before >= GIVE_BACK_EVERY));
                given = Some(now);
            }
        }
    }
}
