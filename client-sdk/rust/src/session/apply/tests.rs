//! Frames against knobs that remember what they were asked.

mod atomic;
mod frames;
mod leases;
mod moves;

use std::sync::Mutex;
use std::time::Duration;

use setpoint_policies::admission::Admission;
use setpoint_policies::knob::Kind;
use setpoint_policies::lease::{Lease, OnExpiry};
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::message::{Status, Why};

use super::*;
use crate::slot::Slot;

/// A knob whose service can refuse, panic, cut and pin.
struct Fake {
    slot: Slot,
    does: Mutex<Does>,
}

#[derive(Default)]
struct Does {
    value: Option<Value>,
    calls: Vec<f64>,
    refuse: Option<f64>,
    panic_at: Option<f64>,
    cap: Option<f64>,
    pinned: bool,
    admitted: Vec<Option<Admission>>,
    watched: Vec<u64>,
}

impl Fake {
    fn new(knob: Knob) -> Arc<Self> {
        Arc::new(Self { slot: Slot::new(knob), does: Mutex::default() })
    }

    fn limit(name: &str) -> Arc<Self> {
        Self::new(Knob { step: 1.0, ..knob(name, Kind::ConcurrencyLimit, 4.0, 400.0, 64.0) })
    }

    fn does(&self) -> std::sync::MutexGuard<'_, Does> {
        self.does.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn value(&self) -> f64 {
        self.in_force().scalar()
    }

    fn calls(&self) -> Vec<f64> {
        self.does().calls.clone()
    }
}

impl Actuator for Fake {
    fn slot(&self) -> &Slot {
        &self.slot
    }

    fn put(&self, _value: Option<Value>) {}

    fn apply(&self, value: &Value, _why: &Why) -> Result<Value, String> {
        let mut does = self.does();
        let asked = value.scalar();
        does.calls.push(asked);
        assert!(does.panic_at != Some(asked), "the service's own bug");
        if does.refuse == Some(asked) {
            return Err("no room".to_owned());
        }
        let value = value.with_scalar(does.cap.map_or(asked, |cap| asked.min(cap)));
        does.value = Some(value);
        Ok(value)
    }

    fn in_force(&self) -> Value {
        self.does().value.unwrap_or(self.slot.knob().baseline_value())
    }

    fn admit(&self, admission: Option<Admission>) {
        self.does().admitted.push(admission);
    }

    fn count_slower_than(&self, latencies: &[Duration]) {
        self.does().watched = latencies.iter().map(|after| after.as_secs()).collect();
    }

    fn pinned(&self) -> Option<Value> {
        let does = self.does();
        does.value.filter(|_| does.pinned)
    }
}

fn knob(name: &str, kind: Kind, min: f64, max: f64, baseline: f64) -> Knob {
    Knob::try_new(KnobName::try_new(name).unwrap(), kind, min, max, baseline).unwrap()
}

const EPOCH: u64 = 7;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn applier(fakes: &[&Arc<Fake>]) -> Applier {
    let mut applier = Applier::default();
    applier.sync(fakes.iter().map(|&fake| fake.clone() as Arc<dyn Actuator>).collect());
    applier.start_stream(EPOCH);
    applier
}

fn setpoint(knob: &str, value: Value) -> Setpoint {
    Setpoint {
        knob: KnobName::try_new(knob).unwrap(),
        value,
        admission: Admission::default(),
        lease: Lease::default(),
        why: Arc::default(),
        decision_id: 0,
    }
}

fn limits(seq: u64, set: &[(&str, f64)]) -> Frame {
    let set = set.iter().map(|&(knob, limit)| setpoint(knob, Value::Concurrency(limit)));
    Frame {
        channel: Channel::Limits,
        nonce: seq,
        version: Version { epoch: EPOCH, seq },
        config_revision: String::new(),
        set: set.collect(),
        unsupported: Vec::new(),
        atomic: false,
        mode: Mode::Apply,
        watched: Vec::new(),
    }
}

fn lines(ack: &Ack) -> Vec<(&str, Status, f64)> {
    ack.results.iter().map(|line| (line.knob.as_str(), line.status, line.effective)).collect()
}

/// The only line of an ack.
fn status(ack: &Ack) -> (Status, f64) {
    assert_eq!(ack.results.len(), 1, "{ack:?}");
    (ack.results[0].status, ack.results[0].effective)
}
