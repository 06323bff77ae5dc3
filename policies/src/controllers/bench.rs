//! A process on the test bench: signals and counters by hand, one tick at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::knob::{Kind, Knob, KnobName};
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::signal::{Signal, Signals};
use crate::snapshot::Received;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::Value;

/// What a policy sees.
pub(crate) struct Bench {
    pub(crate) knob: Knob,
    pub(crate) now: Timestamp,
    pub(crate) in_force: Value,
    pub(crate) totals: Option<Totals>,
    values: Vec<(Signal, f64)>,
}

impl Bench {
    pub(crate) fn new(name: &str, kind: Kind, max: f64, baseline: f64) -> Self {
        let name = KnobName::try_new(name).expect("valid");
        let knob = Knob::try_new(name, kind, 1.0, max, baseline).expect("valid");
        let in_force = knob.baseline_value();
        Self { knob, now: Timestamp::from_millis(1000), in_force, totals: None, values: Vec::new() }
    }

    /// Sets a signal, or forgets it.
    pub(crate) fn set(&mut self, signal: Signal, value: Option<f64>) {
        self.values.retain(|(known, _)| *known != signal);
        self.values.extend(value.map(|value| (signal, value)));
    }

    pub(crate) fn value(&self, signal: Signal) -> f64 {
        self.values.iter().find(|(known, _)| *known == signal).map_or(f64::NAN, |(_, value)| *value)
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Calls that came and were answered in so many seconds: per second, seconds each.
    pub(crate) fn answer(&mut self, seconds: f64, per_second: f64, latency: f64) {
        let totals = self.totals.get_or_insert_default();
        let calls = (per_second * seconds) as u64;
        let nanos = |seconds: f64| (seconds * 1e9) as u64;
        totals.at_nanos = self.now.as_nanos();
        totals.arrived += calls;
        totals.admitted += calls;
        totals.completed += calls;
        totals.admit_time_sum += calls * (self.now.as_nanos() - nanos(latency));
        totals.release_time_sum += calls * self.now.as_nanos();
        totals.latency_sum += calls * nanos(latency);
        totals.success_latency_sum += calls * nanos(latency);
    }

    pub(crate) fn with_seen<T>(&self, look: impl FnOnce(&Seen<'_>) -> T) -> T {
        let mut signals = Signals::default();
        for (signal, value) in &self.values {
            signals.set(*signal, *value, self.now);
        }
        let received = self.totals.clone().map(|totals| Received { at: self.now, totals: Arc::new(totals) });
        look(&Seen {
            now: self.now,
            since: Timestamp::from_millis(1000),
            knob: &self.knob,
            in_force: self.in_force,
            held_up: false,
            capped: false,
            totals: received.as_ref(),
            incarnation: 1,
            signals: &signals,
            node: &Signals::default(),
        })
    }

    pub(crate) fn step(&self, policy: &mut impl Policy) -> Proposal {
        self.with_seen(|seen| policy.step(seen))
    }

    /// A step whose wish is put in force at once.
    pub(crate) fn obey(&mut self, policy: &mut impl Policy) -> Proposal {
        let proposal = self.step(policy);
        if let Want::Set(value) = proposal.want {
            self.in_force = value;
        }
        proposal
    }
}
