//! For the tests of the laws: calls of a trace.

use std::time::Duration;

use crate::sim::law::{Arrival, End, Ended};
use crate::time::Timestamp;

/// A call that asks at a time (milliseconds) with so many in flight.
pub(super) fn arrival(at_ms: u64, in_flight: u32) -> Arrival {
    Arrival {
        at: Timestamp::from_millis(at_ms),
        in_flight,
        class: 0,
        priority: 2,
        deadline: Duration::from_millis(500),
        chance: 0.5,
    }
}

/// A call that ended at a time (milliseconds) after a latency (milliseconds); as many are still in flight as before it.
pub(super) fn ended(at_ms: u64, latency_ms: u64, in_flight_at_start: u32, end: End) -> Ended {
    Ended {
        at: Timestamp::from_millis(at_ms),
        latency: Duration::from_millis(latency_ms),
        in_flight_at_start,
        in_flight: in_flight_at_start.saturating_sub(1),
        class: 0,
        priority: 2,
        end,
    }
}
