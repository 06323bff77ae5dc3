//! All inputs at one instant.
//!
//! A snapshot is immutable and complete: every policy sees the same one in the same tick, so their windows stay truthful
//! and a recorded snapshot is all that a replay needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::knob::{Knob, KnobName};
use crate::signal::Signals;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::Value;

/// One process with an SDK in it. Names are unique among the connected sessions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub Arc<str>);

/// What is known at `at`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The engine's clock.
    pub at: Timestamp,
    /// What the sidecar itself reads of the node and the pod.
    pub node: Signals,
    /// Connected processes.
    pub instances: Vec<Instance>,
}

/// A few names with values.
pub type Labels = BTreeMap<String, String>;

/// What is known of one connected process.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Which process.
    pub id: InstanceId,
    /// The name of its service.
    pub service: Arc<str>,
    /// Changes when the process restarts: its totals start again.
    pub incarnation: u64,
    /// What it says of itself, such as its zone: fixed for the life of the process.
    pub labels: Arc<Labels>,
    /// What may be tuned.
    pub knobs: Vec<Arc<Knob>>,
    /// The values in force, as acknowledged or told at connection; a knob that is absent has its baseline.
    pub in_force: BTreeMap<KnobName, Value>,
    /// The newest counters of each limiter.
    pub totals: BTreeMap<KnobName, Received>,
    /// Signals that the process reports of its own container and runtime.
    pub signals: Signals,
}

impl Instance {
    /// The counters behind a knob: its own, else those of the limiter of the same resource (`limit.db` for `breaker.db`). A
    /// knob of the whole process (`gc`) goes by what comes in: by `limit.inbound`, or by the only limiter.
    pub fn totals_of(&self, knob: &KnobName) -> Option<&Received> {
        // Rates and gates have counters as well; how long calls take only a limiter knows.
        let limiters = || {
            self.totals.iter().filter_map(|(name, all)| Some((name.as_str().strip_prefix("limit.")?, all)))
        };
        let of = |resource| limiters().find(|(name, _)| *name == resource);
        let only = || limiters().next().filter(|_| limiters().count() == 1);
        self.totals.get(knob).or_else(|| {
            let found = knob.resource().map_or_else(|| of("inbound").or_else(only), of);
            found.map(|(_, received)| received)
        })
    }
}

/// Counters and when they arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// When, on the engine's clock.
    pub at: Timestamp,
    /// What.
    pub totals: Arc<Totals>,
}
