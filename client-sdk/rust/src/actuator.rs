//! What the session sees of everything that can be tuned: one trait, one list.

mod registry;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use setpoint_policies::admission::{Admission, Shares};
use setpoint_policies::knob::{Knob, KnobName};
use setpoint_policies::signal::Signal;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;
use setpoint_proto::message::{BreakerState, Why};

use crate::breaker::Breaker;
use crate::clock::Clock;
use crate::dump::Dumps;
use crate::gate::ConnectionGate;
use crate::health::{Health, HealthCell};
use crate::keyed::KeyedRate;
use crate::knob::{NumericKnob, callback};
use crate::layer::Holds;
use crate::limiter::Limiter;
use crate::memory::Memory;
use crate::rate::Rate;
use crate::readiness::Readiness;
use crate::retry::RetryBudget;
use crate::slot::Slot;
use crate::throttle::Throttle;
use crate::workers::WorkerThreads;
pub(crate) use registry::{MAX_KNOBS, Registry};

/// One knob and what it drives. What is written here holds for every knob; one of a special kind says otherwise.
pub(crate) trait Actuator: Send + Sync {
    /// What is wanted of it, and by whom.
    fn slot(&self) -> &Slot;

    /// Puts a value in force; `None`: act as if there were no Setpoint.
    fn put(&self, value: Option<Value>);

    /// What may be tuned, and how far.
    fn knob(&self) -> Arc<Knob> {
        self.slot().knob().clone()
    }

    /// Puts `value` in force (already within bounds and pace). Returns the value read back.
    ///
    /// # Errors
    /// Refused, for the reason in the text; the previous value stands.
    fn apply(&self, value: &Value, _why: &Why) -> Result<Value, String> {
        self.slot().push(value, |value| self.put(value))?;
        Ok(self.in_force())
    }

    /// Read back.
    fn in_force(&self) -> Value {
        self.slot().value()
    }

    /// The service has not taken the newest value yet: what [`Actuator::in_force`] says is older.
    fn behind(&self) -> bool {
        false
    }

    /// Why the service refused a value after [`Actuator::apply`] had returned, once.
    fn take_refusal(&self) -> Option<String> {
        None
    }

    /// The value that the service's owner holds this knob at; then [`Actuator::apply`] only remembers.
    fn pinned(&self) -> Option<Value> {
        self.slot().pinned()
    }

    /// Switches enforcement off (the kill switch) or on again.
    fn enforce(&self, on: bool) {
        self.slot().enforce(on, |value| self.put(value));
    }

    /// The sidecar has just said something new of this knob (`Some`, with what goes with the value), or its word is worth
    /// nothing any more (`None`).
    fn admit(&self, _admission: Option<Admission>) {}

    /// The shares of the limit in force, if they were pushed.
    fn shares(&self) -> Option<Shares> {
        None
    }

    /// Counters, if this knob has any (limiters do).
    fn totals(&self, _at_nanos: u64, _stall_nanos: u64) -> Option<Totals> {
        None
    }

    /// What it does with calls now, if it is a breaker.
    fn breaker(&self) -> Option<BreakerState> {
        None
    }

    /// What this knob's runtime says of itself, for the reports.
    fn signals(&self) -> Vec<(Signal, f64)> {
        Vec::new()
    }

    /// From now on calls slower than each of these are to be counted (limiters do), and than no others.
    fn count_slower_than(&self, _latencies: &[Duration]) {}

    /// Called every 50 ms by the session thread: ends a slice of time. True: more can
    /// happen than can wait for the next slice.
    fn close_slice(&self, _at_nanos: u64) -> bool {
        false
    }

    /// Called every 10 ms between two slices while this or [`Actuator::close_slice`] said true: what cannot wait.
    fn watch(&self, _at_nanos: u64) -> bool {
        false
    }

    /// The session thread is about to end: nobody will watch.
    fn close(&self) {}
}

/// Something registered, with its type, so that a second registration can hand out the same one.
#[derive(Clone)]
pub(crate) enum Entry {
    Limiter(Limiter),
    Breaker(Breaker),
    Rate(Rate),
    KeyedRate(KeyedRate),
    Gate(ConnectionGate),
    Knob(NumericKnob),
    Retry(RetryBudget),
    Throttle(Throttle),
    Readiness(Readiness),
    Memory(Memory),
    Workers(WorkerThreads),
}

impl Entry {
    fn actuator(&self) -> Arc<dyn Actuator> {
        match self.clone() {
            Self::Limiter(it) => Arc::new(it),
            Self::Breaker(it) => Arc::new(it),
            Self::Rate(it) => Arc::new(it),
            Self::KeyedRate(it) => Arc::new(it),
            Self::Gate(it) => Arc::new(it),
            Self::Knob(it) => Arc::new(it),
            Self::Retry(it) => Arc::new(it),
            Self::Throttle(it) => Arc::new(it),
            Self::Readiness(it) => Arc::new(it),
            Self::Memory(it) => Arc::new(it),
            Self::Workers(it) => Arc::new(it),
        }
    }
}

/// What the handles and the session share.
pub(crate) struct Inner {
    pub registry: Registry,
    pub clock: Clock,
    pub health: HealthCell,
    pub dumps: Dumps,
    /// What the layers hold.
    pub holds: Arc<Holds>,
    pub service: String,
    /// Differs from process to process, so that instances do not jitter in step.
    pub seed: u64,
    /// Set once, when the service wants the session to end.
    pub stopped: AtomicBool,
    /// The session waits so long for a callback of the service.
    pub patience: Duration,
    open: OnceLock<Open>,
}

/// What is handed out in place of something that cannot be registered: it never refuses a call.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    pub limiter: Limiter,
    pub rate: Rate,
    pub keyed: KeyedRate,
    pub gate: ConnectionGate,
    pub retry: RetryBudget,
    pub throttle: Throttle,
}

impl Inner {
    pub fn new(service: String, clock: Clock, seed: u64) -> Self {
        let (registry, health) = (Registry::new(), HealthCell::default());
        let holds = Arc::new(Holds::new(clock.clone()));
        Self {
            registry,
            clock,
            health,
            dumps: Dumps::default(),
            holds,
            service,
            seed,
            stopped: AtomicBool::new(false),
            patience: callback::PATIENCE,
            open: OnceLock::new(),
        }
    }

    /// Stands in for what cannot be registered as `refused`. One for all of them, so that a service that makes up names
    /// without end does not use up memory without end. Logged the first time.
    pub fn open(&self, refused: &KnobName) -> Open {
        *self.open.get_or_init(|| {
            tracing::error!(
                knob = %refused,
                most = MAX_KNOBS,
                "knob not registered: too many, or the name has another kind; nothing is limited under it"
            );
            Open {
                limiter: Limiter::open(self),
                rate: Rate::open(self),
                keyed: KeyedRate::open(self),
                gate: ConnectionGate::open(self),
                retry: RetryBudget::open(self),
                throttle: Throttle::open(self),
            }
        })
    }

    /// Turns the kill switch: disabled, everything is admitted and every number is at its baseline.
    pub fn set_disabled(&self, disabled: bool) {
        if self.registry.set_disabled(disabled) {
            self.health.set(if disabled { Health::Disabled } else { Health::Baseline });
            tracing::warn!(service = %self.service, disabled, "kill switch turned");
        }
    }
}

#[cfg(test)]
mod tests;
