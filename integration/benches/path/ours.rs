//! Our request path: admit, read the clock, read it again, outcome, latency record, release.

use std::hint::black_box;
use std::time::Duration;

use setpoint_sdk::{Breaker, BreakerSetpoint, Limiter, Outcome, Priority, Setpoint};

use super::interleaved::Case;

/// Large for two threads, small for any number.
const LARGE: u32 = 1000;
const SMALL: u32 = 64;

fn call(limiter: Limiter) {
    if let Ok(permit) = limiter.try_acquire(Priority::Normal) {
        permit.finish(Outcome::Success);
    }
}

/// A breaker that no limiter asks: it looks at no clock while it is closed.
fn through(breaker: Breaker) {
    if let Ok(permit) = breaker.try_acquire() {
        permit.finish(Outcome::Success);
    }
}

fn calls(name: &'static str, limiter: Limiter) -> Case {
    Case::new(name, move || move || call(limiter))
}

fn refused(name: &'static str, limiter: Limiter) -> Case {
    Case::new(name, move || move || assert!(black_box(&limiter.try_acquire(Priority::Normal)).is_err()))
}

/// The floor, and each way through a limiter. The setpoint is to be kept while they run.
pub fn cases(setpoint: &Setpoint) -> Vec<Case> {
    let limiter = |name, limit| setpoint.limiter(name).bounds(0, limit).baseline(limit);
    let full = limiter("full", 1).register();
    // For ever.
    std::mem::forget(full.try_acquire(Priority::Normal));
    let shut = limiter("shut", SMALL).register();
    shut.breaker().pin(BreakerSetpoint::ForcedOpen { retry_after: Duration::from_secs(1) });
    let alone = setpoint.breaker("alone").register();
    vec![
        Case::new("two-clock-reads", || {
            let clock = quanta::Clock::new();
            move || _ = (black_box(clock.raw()), black_box(clock.raw()))
        }),
        calls("permit-exact", limiter("exact", SMALL).register()),
        calls("permit-large-limit", limiter("large", LARGE).register()),
        calls("permit-sampled-clock", limiter("sampled", LARGE).sample_clocks(16).register()),
        calls("permit-sampled-clock-of-8", limiter("sampled-of-8", LARGE).sample_clocks(8).register()),
        calls("permit-exact-sampled-clock", limiter("exact-sampled", SMALL).sample_clocks(16).register()),
        // No call is that fast: each is looked at again, as one is that exceeds a latency which a policy watches.
        calls("permit-exact-slow", limiter("slow", SMALL).deadline(Duration::from_nanos(1)).register()),
        Case::new("breaker-closed", move || move || through(alone)),
        refused("permit-refused", full),
        refused("permit-refused-by-breaker", shut),
    ]
}
