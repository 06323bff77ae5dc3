//! Limiters as services have them, on a clock that is moved by hand.

mod admission;
mod in_force;
mod observer;
mod reports;

use setpoint_policies::totals::Totals;
use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;
use crate::outcome::Outcome;

/// A limiter `db` on a clock that stands still.
fn limiter(hand: &Hand, lowest: u32, limit: u32) -> Limiter {
    let inner = Inner::new("test".into(), hand.clock(), 7);
    LimiterBuilder::new(&inner, "db").bounds(lowest, 1000).baseline(limit).register()
}

fn push(limiter: Limiter, limit: f64) -> Value {
    limiter.apply(&Value::Concurrency(limit), &Why::default()).unwrap()
}

fn totals(limiter: Limiter, at_nanos: u64) -> Totals {
    limiter.totals(at_nanos, 0).unwrap()
}
