//! What stands between the clients and the simulated service: one law per instance of the service.
//!
//! A law sees what its original would see in a real process: calls that ask, calls that end, timers, and how busy the
//! host is. It does not see the plant.

use std::time::Duration;

use crate::time::Timestamp;

/// A call that asks for admission.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// Calls in flight, without this one.
    pub in_flight: u32,
    /// Index of its class in the scenario.
    pub class: u8,
    /// 0 = critical ... 4 = background.
    pub priority: u8,
    /// The caller's patience.
    pub deadline: Duration,
    /// A uniform draw from 0 to 1, for laws that reject at random.
    pub chance: f64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Within its deadline.
    InTime,
    /// Answered, but after its deadline: the caller had given up.
    Late,
    /// Refused by the service itself for overload (503, RESOURCE_EXHAUSTED).
    Dropped,
    /// Another failure of the service, which says nothing about load.
    Failed,
}

/// An admitted call that ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// From admission to the end.
    pub latency: Duration,
    /// Calls in flight when it began, with itself.
    pub in_flight_at_start: u32,
    /// Calls still in flight, without it.
    pub in_flight: u32,
    /// Index of its class in the scenario.
    pub class: u8,
    /// 0 = critical ... 4 = background.
    pub priority: u8,
    /// How.
    pub end: End,
}

/// What a process can read of its host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Host {
    /// Share of the workers (or cores) that were busy since the last time this law woke, 0 to 1.
    pub busy: f64,
}

/// A law at work in one instance.
pub trait Law {
    /// Whether one more call may start. An admitted call is in flight from then on.
    fn admit(&mut self, call: &Arrival) -> bool;

    /// An admitted call ended.
    fn ended(&mut self, call: &Ended);

    /// When it wants to be woken next; asked at the start and after each time it woke.
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// A timer fired.
    fn wake(&mut self, at: Timestamp, host: &Host) {
        _ = (at, host);
    }

    /// The limit in force, calls in flight; infinite without one.
    fn limit(&self) -> f64;

    /// What it decided since the last time it was asked, for people: time and text.
    fn take_log(&mut self) -> Vec<(Timestamp, String)> {
        Vec::new()
    }
}
