//! Without a sidecar: everything works at the values that you chose, and what is local goes on deciding.
//!
//! `cargo run -p setpoint-sdk --example standalone`.
//!
//! - There is no socket here, so the session tries again for ever in the background and no call ever waits for it.
//! - The breaker trips by itself (3 failures in a row), the limiter has its reflex, and a knob can be moved by the service's own
//!   rules (`pin`). What needs to see the host or to compare (adaptive limits, error rates) needs the sidecar.
//! - `SETPOINT_DISABLED=1` switches all of it off.

use std::time::Duration;

use setpoint_sdk::{BreakerState, Outcome, Priority, Setpoint};

#[allow(clippy::print_stdout, reason = "what happens is what it is run for")]
fn main() {
    let sp = Setpoint::builder("batch").socket("/nonexistent/setpoint.sock").start();
    println!("health: {:?}", sp.health());
    sp.breaker("db").failures(3).wait_in_open(Duration::from_secs(1), Duration::from_secs(10)).register();
    let db = sp.limiter("db").bounds(1, 10).baseline(2).register();

    let first = db.try_acquire(Priority::Normal);
    let second = db.try_acquire(Priority::Normal);
    match db.try_acquire(Priority::Normal) {
        Err(rejected) => println!("{} in flight of {}: {rejected}", db.in_flight(), db.limit()),
        Ok(_) => println!("switched off: everything is admitted"),
    }
    drop((first, second));
    println!("moved by our own rule to {}", db.pin(8.0));

    for _ in 0..3 {
        if let Ok(permit) = db.try_acquire(Priority::Normal) {
            permit.finish(Outcome::Failure);
        }
    }
    if db.breaker().state() == BreakerState::Open {
        println!("three failures in a row: {:?}", db.try_acquire(Priority::Normal).map(drop));
    }
}
