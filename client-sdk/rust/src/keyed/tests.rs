use std::collections::HashMap;
use std::thread;

use proptest::prelude::*;

use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;
use crate::rate::{RateBuilder, Store};
use crate::rejected::RejectReason;
use crate::sync::scatter;

const MS: Duration = Duration::from_millis(1);

fn keyed(hand: &Hand, per_second: f64, keys: usize) -> KeyedRate {
    let inner = Inner::new("test".into(), hand.clock(), 5);
    RateBuilder::new(&inner, "clients").bounds(0.0, 1e6).baseline(per_second).for_each_key(keys).register()
}

fn push(rate: KeyedRate, per_second: f64, burst: Option<f64>) {
    rate.apply(&Value::Rate { per_second, burst }, &Why::default()).unwrap();
}

fn taken<K: Hash + ?Sized>(rate: KeyedRate, key: &K) -> usize {
    std::iter::from_fn(|| rate.try_acquire(key).ok()).count()
}

#[test]
fn c4_each_key_has_a_bucket_of_its_own_and_all_have_one_rate() {
    let hand = Hand::default();
    let rate = keyed(&hand, 10.0, 100);
    for client in ["alice", "bob"] {
        for route in ["/orders", "/carts"] {
            assert_eq!(taken(rate, &(client, route)), 10);
        }
    }
    let rejected = rate.try_acquire(&("bob", "/carts")).unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("rate.clients", RejectReason::RateLimit));
    assert_eq!(rejected.retry_after, 100 * MS, "exact");
    hand.advance(100 * MS);
    assert_eq!((taken(rate, &("bob", "/carts")), taken(rate, "new")), (1, 10));
    assert_eq!(rate.try_acquire_many("heavy", 7).map(|()| taken(rate, "heavy")), Ok(3));
    assert_eq!(rate.forgotten(), 0);
}

#[test]
fn c4_a_push_reaches_every_key_and_refills_none() {
    let hand = Hand::default();
    let rate = keyed(&hand, 10.0, 100);
    assert_eq!((taken(rate, "a"), (0..4).filter(|_| rate.try_acquire("b").is_ok()).count()), (10, 4));
    push(rate, 100.0, Some(50.0));
    assert_eq!((taken(rate, "a"), taken(rate, "b"), taken(rate, "c")), (0, 6, 10), "full was 10");
    hand.advance(Duration::from_millis(201));
    assert_eq!((taken(rate, "a"), taken(rate, "b")), (20, 20));
    push(rate, 0.0, None);
    assert_eq!((taken(rate, "a"), taken(rate, "never seen")), (0, 0));
    push(rate, 100.0, Some(50.0));
    hand.advance(Duration::from_millis(101));
    assert_eq!((taken(rate, "a"), taken(rate, "never seen")), (10, 10));
    rate.pin(5.0);
    assert_eq!(rate.per_second(), 5.0);
    rate.enforce(false);
    assert!((0..1000).all(|_| rate.try_acquire("a").is_ok()));
}

#[test]
fn c4_a_few_keys_may_have_a_rate_of_their_own() {
    let hand = Hand::default();
    let inner = Inner::new("test".into(), hand.clock(), 5);
    let all = RateBuilder::new(&inner, "clients").baseline(10.0).for_each_key(10).register();
    let own = RateBuilder::new(&inner, "big").baseline(25.0).register();
    all.set_override("big", own).unwrap();
    assert_eq!((taken(all, "big"), taken(all, "small")), (25, 10));
    assert_eq!(all.try_acquire("big").unwrap_err().limit, "rate.big");
    all.clear_override("big");
    all.clear_override("never had one");
    assert_eq!(taken(all, "big"), 10);
    for key in 0..256 {
        all.set_override(&key, own).unwrap();
    }
    assert_eq!(all.set_override("one more", own), Err(TooManyOverrides));
    all.set_override(&255, own).unwrap();
}

#[test]
fn c4_whatever_other_keys_do_no_key_is_rejected_that_has_tokens() {
    let hand = Hand::default();
    let rate = keyed(&hand, 100.0, 64);
    for millis in 0..2000_u64 {
        hand.advance(MS);
        // 50 new keys each millisecond, and somebody who keeps to the rate.
        assert!((0..50).all(|n| rate.try_acquire(&(millis, n)).is_ok()));
        if millis % 10 == 0 {
            assert!(rate.try_acquire("keeps to it").is_ok(), "{millis}");
        }
    }
}

/// One bucket of ten, ten a second, straight on the table: what governor would say.
fn take(table: &'static Table, hash: u64, now: u64) -> bool {
    const TOKEN: u64 = 256;
    let full = now - 10 * TOKEN;
    let decide = |spent: u64| match spent.max(full) + TOKEN {
        next if next <= now => Ok(((), next)),
        _ => Err(()),
    };
    table.spend(&Seat { hash, now, full }, decide).is_ok()
}

/// Ten million keys in ten seconds against a table for 4096: whoever is held back stays held back.
#[test]
fn c4_ten_million_keys_do_not_get_a_held_back_key_forgotten() {
    let table: &'static Table = Box::leak(Box::new(Table::of_keys(4096)));
    let (greedy, mut admitted, mut made_up) = (scatter(7), 0, 0);
    for millis in 0..10_000_u64 {
        let now = (1 << 42) + millis * 2560 / 1000;
        admitted += u32::from(take(table, greedy, now));
        for _ in 0..1000 {
            made_up += 1;
            assert!(take(table, scatter(1000 + made_up), now), "a new key has a full bucket");
        }
    }
    assert_eq!(made_up, 10_000_000);
    assert!((109..=110).contains(&admitted), "ten at once and ten a second: {admitted}");
    assert!(table.forgotten() > 9_000_000, "those that were made up for one call push out each other");
}

/// What it takes to have a key forgotten: as many others in its set, each of which has spent more.
#[test]
fn c4_a_key_is_forgotten_only_for_keys_that_spent_more() {
    let now = 1 << 42;
    for others in 0..12_u64 {
        let table: &'static Table = Box::leak(Box::new(Table::of_keys(1)));
        let of = |key: u64| scatter(key) | 1;
        assert!((0..9).all(|_| take(table, of(0), now)), "one of ten is left");
        for key in 1..=others {
            assert_eq!((0..11).filter(|_| take(table, of(key), now)).count(), 10, "spends all");
        }
        let left = (0..20).filter(|_| take(table, of(0), now)).count();
        assert_eq!(left, if others < 8 { 1 } else { 10 }, "{others}");
    }
}

#[test]
fn c4_threads_get_no_more_of_a_key_than_there_is() {
    let rate = keyed(&Hand::default(), 50.0, 4096);
    let keys = 0..64_u32;
    // Seen once, so that no two threads see a key for the first time at the same moment.
    assert!(keys.clone().all(|key| rate.try_acquire(&key).is_ok()));
    let all = |_| {
        thread::spawn({
            let keys = keys.clone();
            move || {
                keys.flat_map(|key| (0..50).map(move |_| key))
                    .filter(|key| rate.try_acquire(key).is_ok())
                    .count()
            }
        })
    };
    let threads: Vec<_> = (0..3).map(all).collect();
    (0..200).for_each(|n| push(rate, 50.0 + f64::from(n % 2), Some(50.0)));
    let taken: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(taken, 64 * 49);
    assert_eq!(rate.forgotten(), 0);
}

#[test]
fn words_keep_their_time_and_a_key_that_was_long_away_has_a_full_bucket() {
    let now = 1 << 42;
    let table: &'static Table = Box::leak(Box::new(Table::of_keys(1)));
    assert_eq!((0..20).filter(|_| take(table, 7, now)).count(), 10);
    // A thread that looked at the clock a moment before the others.
    assert!(!take(table, 7, now - 1000 * 256), "not taken for long ago");
    for away in [10 * 256, 1 << 20, 1 << 39, (1 << 40) - (1 << 19)] {
        let table: &'static Table = Box::leak(Box::new(Table::of_keys(1)));
        assert_eq!((0..20).filter(|_| take(table, 7, now)).count(), 10);
        assert_eq!((0..20).filter(|_| take(table, 7, now + away)).count(), 10, "{away}");
    }
}

proptest! {
    /// Keys of all kinds in a table of a single set: none is ever told no that a bucket of its own would let through, and
    /// with no more keys than places, none gets more than that.
    #[test]
    fn c4_keys_are_held_to_their_own_buckets(
        keys in 1_u64..20,
        calls in prop::collection::vec((0_u64..20, 0_u64..1000), 1..400),
    ) {
        let table: &'static Table = Box::leak(Box::new(Table::of_keys(1)));
        let mut own: HashMap<u64, u64> = HashMap::new();
        let mut now = 1 << 42;
        for (key, wait) in calls {
            let key = key % keys;
            now += wait;
            let spent = own.get(&key).copied().unwrap_or(0).max(now - 2560) + 256;
            let (own_says, table_says) = (spent <= now, take(table, scatter(key), now));
            if own_says {
                own.insert(key, spent);
            }
            prop_assert!(table_says || !own_says, "key {key}");
            prop_assert!(keys > 8 || table_says == own_says, "key {key}");
        }
    }
}
