//! The request path of the SDK allocates nothing, in whatever way a call is admitted, rejected or ended.
//!
//! In a binary of its own: the allocator that counts is in force for all of it. It counts by thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use setpoint_sdk::{BreakerSetpoint, Limiter, Outcome, Priority, Setpoint};

/// Long enough for limiters to change their ways with the slices of 50 ms.
const RUN: Duration = Duration::from_millis(250);

fn call(limiter: Limiter, places: u32, end: Option<Outcome>) {
    match (limiter.try_acquire_many(Priority::Normal, places), end) {
        (Ok(permit), Some(outcome)) => permit.finish(outcome),
        (held_or_rejected, _) => drop(black_box(held_or_rejected)),
    }
}

#[test]
fn c1_no_call_allocates() {
    let setpoint = Setpoint::builder("test").socket("/nonexistent/setpoint.sock").start();
    let limiter = |name, limit| setpoint.limiter(name).bounds(0, limit).baseline(limit);
    let [small, large, sampled, none, shut] = [
        limiter("small", 8).register(),
        limiter("large", 4000).register(),
        limiter("sampled", 4000).sample_clocks(8).register(),
        limiter("none", 0).register(),
        limiter("shut", 8).register(),
    ];
    shut.breaker().pin(BreakerSetpoint::ForcedOpen { retry_after: Duration::from_secs(1) });
    let held: Vec<_> = (0..7).map(|_| small.try_acquire(Priority::Normal)).collect();
    let ends =
        [Some(Outcome::Success), Some(Outcome::Dropped), Some(Outcome::Failure), Some(Outcome::Ignore), None];
    let began = Instant::now();
    let mut calls = 0_u64;
    let counted = allocation_counter::measure(|| {
        while began.elapsed() < RUN {
            for (end, places) in ends.into_iter().zip([1, 1, 1, 3, 40]) {
                [small, large, sampled, none, shut]
                    .into_iter()
                    .for_each(|limiter| call(limiter, places, end));
                calls += 1;
            }
        }
    });
    assert_eq!((counted.count_total, held.len()), (0, 7), "in {calls} calls of each");
    let counted = allocation_counter::measure(|| drop(black_box(Box::new(1_u8))));
    assert_eq!(counted.count_total, 1, "what does allocate is seen");
}

/// Memory for keys is taken once: a hundred thousand that were never seen before take none.
#[test]
fn c4_no_rate_check_allocates_whatever_keys_come() {
    let setpoint = Setpoint::builder("rates").socket("/nonexistent/setpoint.sock").start();
    let all = setpoint.rate("all").bounds(1.0, 1e6).baseline(1e6).register();
    let none = setpoint.rate("none").bounds(0.0, 0.0).register();
    let mut keyed = None;
    let table = allocation_counter::measure(|| {
        keyed = Some(setpoint.rate("each").bounds(1.0, 10.0).baseline(5.0).for_each_key(10_000).register());
    });
    let keyed = keyed.expect("registered");
    assert!((160_000..400_000).contains(&table.bytes_total), "16 to 32 bytes a key: {}", table.bytes_total);
    let gate = setpoint.connection_gate("http").bounds(0, 1).baseline(1).register();
    let held = gate.try_enter();
    let check = |key: u64| {
        _ = black_box((all.try_acquire(), none.try_acquire(), keyed.try_acquire(&key)));
        _ = black_box((keyed.try_acquire_many("greedy", 3), gate.try_enter()));
    };
    // A thread's first one takes a place among the readers of what can be replaced.
    check(0);
    let counted = allocation_counter::measure(|| (1..100_000).for_each(check));
    assert_eq!((counted.count_total, held.is_ok()), (0, true));
}
