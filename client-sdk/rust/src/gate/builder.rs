//! Declaring a connection gate.

use std::time::Duration;

use setpoint_policies::knob::Kind;

use super::ConnectionGate;
use crate::actuator::{Entry, Inner};
use crate::declare::Declaration;

/// One to a hundred thousand connections, ten thousand unless told otherwise.
pub(super) fn declaration(name: &str) -> Declaration {
    Declaration::new("connections", name, Kind::ConcurrencyLimit, (1.0, 100_000.0), 10_000.0)
}

/// Declares a connection gate. See [`crate::Setpoint::connection_gate`].
#[must_use = "nothing happens before `register`"]
pub struct GateBuilder<'a> {
    inner: &'a Inner,
    knob: Declaration,
    reserve: u32,
}

impl<'a> GateBuilder<'a> {
    pub(crate) fn new(inner: &'a Inner, name: &str) -> Self {
        Self { inner, knob: declaration(name), reserve: 0 }
    }

    /// Hard bounds, in connections, which no push can leave. Default 1 to 100,000; keep the highest below the process's limit
    /// of descriptors. A lowest limit of 0 allows all connections to be kept out.
    pub fn bounds(mut self, lowest: u32, highest: u32) -> Self {
        self.knob.bounds = (f64::from(lowest), f64::from(highest));
        self
    }

    /// The limit in force without a sidecar, in connections. Default 10,000.
    pub fn baseline(mut self, limit: u32) -> Self {
        self.knob.baseline = Some(f64::from(limit));
        self
    }

    /// So many places of the limit are only for [`ConnectionGate::try_enter_reserved`]. Default 0.
    pub fn reserve(mut self, places: u32) -> Self {
        self.reserve = places;
        self
    }

    /// The largest relative increase by one push (0.5 is half as much again; 0, the default, any), and the shortest time
    /// between two. A decrease is never held back.
    pub fn pace(mut self, max_change_ratio: f64, min_dwell: Duration) -> Self {
        (self.knob.max_change_ratio, self.knob.min_dwell) = (max_change_ratio, min_dwell);
        self
    }

    /// Registers the gate, or finds the one of that name as it was registered first.
    pub fn register(self) -> ConnectionGate {
        let Self { inner, knob, reserve } = self;
        let name = knob.name().clone();
        match inner.registry.register(&name, || Entry::Gate(ConnectionGate::leak(inner, knob, reserve))) {
            Some(Entry::Gate(gate)) => gate,
            _ => inner.open(&name).gate,
        }
    }
}
