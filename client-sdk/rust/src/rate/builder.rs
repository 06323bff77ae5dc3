//! Declaring a rate limit.

use std::time::Duration;

use setpoint_policies::knob::Kind;

use super::Rate;
use crate::actuator::{Entry, Inner};
use crate::declare::Declaration;
use crate::keyed::KeyedRateBuilder;

/// A rate of 1 to a million calls per second with a baseline of 1000, unless told otherwise.
pub(crate) fn declaration(name: &str) -> Declaration {
    let mut knob = Declaration::new("rate", name, Kind::RateLimit, (1.0, 1_000_000.0), 1000.0);
    "req".clone_into(&mut knob.unit);
    knob
}

/// Declares a rate limit. See [`crate::Setpoint::rate`].
#[must_use = "nothing happens before `register`"]
pub struct RateBuilder<'a> {
    inner: &'a Inner,
    knob: Declaration,
    burst: Option<f64>,
}

impl<'a> RateBuilder<'a> {
    pub(crate) fn new(inner: &'a Inner, name: &str) -> Self {
        Self { inner, knob: declaration(name), burst: None }
    }

    /// Hard bounds, in calls per second, which no push can leave. Default 1 to 1,000,000. A lowest rate of 0 allows all
    /// calls to be rejected. More than 100 million per second are the same as 100 million.
    pub fn bounds(mut self, lowest: f64, highest: f64) -> Self {
        self.knob.bounds = (lowest, highest);
        self
    }

    /// The rate in force without a sidecar, in calls per second. Default 1000.
    pub fn baseline(mut self, per_second: f64) -> Self {
        self.knob.baseline = Some(per_second);
        self
    }

    /// Calls that may pass at once after a pause, whenever a push does not say (0 is the same as 1). Default: as many as
    /// come in one second of the rate. At least the weight of the heaviest call, or heavy calls count for less than they
    /// weigh: see [`Rate::try_acquire_many`].
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = Some(f64::from(calls));
        self
    }

    /// The largest relative increase by one push (0.5 is half as much again; 0, the default, any), and the shortest time
    /// between two. A decrease is never held back.
    pub fn pace(mut self, max_change_ratio: f64, min_dwell: Duration) -> Self {
        (self.knob.max_change_ratio, self.knob.min_dwell) = (max_change_ratio, min_dwell);
        self
    }

    /// Makes it a rate for each key (a client, a client and a route) instead of one for all calls, with room for so many keys
    /// that are held back at once: see [`crate::KeyedRate`]. It takes 16 to 32 bytes for each, at once and for ever; 2
    /// million at most.
    pub fn for_each_key(self, keys: usize) -> KeyedRateBuilder<'a> {
        let Self { inner, knob, burst } = self;
        KeyedRateBuilder { inner, knob, burst, keys }
    }

    /// Registers the rate limit, or finds the one of that name as it was registered first.
    pub fn register(self) -> Rate {
        let Self { inner, knob, burst } = self;
        let name = knob.name().clone();
        match inner.registry.register(&name, || Entry::Rate(Rate::leak(inner, knob, burst))) {
            Some(Entry::Rate(rate)) => rate,
            _ => inner.open(&name).rate,
        }
    }
}
