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
