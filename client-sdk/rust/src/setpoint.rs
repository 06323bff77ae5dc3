//! The handle that a service holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Handle;

use crate::actuator::Inner;
use crate::breaker::BreakerBuilder;
use crate::builder::Builder;
use crate::dump::Dumps;
use crate::gate::GateBuilder;
use crate::health::Health;
use crate::knob::KnobBuilder;
use crate::layer::LimitLayer;
use crate::limiter::LimiterBuilder;
use crate::memory::{Allocator, Memory};
use crate::rate::RateBuilder;
use crate::readiness::Readiness;
use crate::retry::RetryBudget;
use crate::throttle::Throttle;
use crate::timeout::TimeoutBuilder;
use crate::workers::WorkerThreads;

/// A started SDK. Clones are the same one. What it hands out lives as long as the process, and so does the session with the
/// sidecar: dropping a `Setpoint` ends nothing, [`Setpoint::stop`] does.
///
/// Registering never fails: a bound that makes no sense is corrected and logged, a name that was registered before gives
/// the same object again (as it was declared first). A sidecar hears of the first 256 knobs, others stay at their
/// baselines; and beyond 1024 what is handed out refuses no call. Register once, at the start, and keep the handle: a
/// registration takes a lock.
#[derive(Clone)]
pub struct Setpoint {
    inner: Arc<Inner>,
}

impl Setpoint {
    /// Prepares the SDK of the service of that name.
    pub fn builder(service: &str) -> Builder {
        Builder::new(service)
    }

    pub(crate) const fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// A concurrency limiter: knob `limit.NAME`. It comes with a breaker, knob `breaker.NAME`, that acts only when a
    /// state is pushed, or by itself as well once [`Setpoint::breaker`] was called with the same name.
    pub fn limiter(&self, name: &str) -> LimiterBuilder<'_> {
        LimiterBuilder::new(&self.inner, name)
    }

    /// A layer that holds requests to the limiter of that name, which is registered with 4 to 2000 calls and a baseline
    /// of 50 if it does not exist yet: those that a server takes, or those that a client sends.
    pub fn layer(&self, name: &str) -> LimitLayer {
        LimitLayer::new(self.limiter(name).register(), self.inner.holds.clone())
    }

    /// A breaker that trips by itself: knob `breaker.NAME`. A limiter of the same name asks it.
    pub fn breaker(&self, name: &str) -> BreakerBuilder<'_> {
        BreakerBuilder::new(&self.inner, name)
    }

    /// A rate limit: knob `rate.NAME`.
    pub fn rate(&self, name: &str) -> RateBuilder<'_> {
        RateBuilder::new(&self.inner, name)
    }

    /// How many connections may be open: knob `connections.NAME`.
    pub fn connection_gate(&self, name: &str) -> GateBuilder<'_> {
        GateBuilder::new(&self.inner, name)
    }

    /// How many calls may be made again: knob `retry.NAME`, 20 % of the calls and 3 a second.
    pub fn retry_budget(&self, name: &str) -> RetryBudget {
        RetryBudget::registered(&self.inner, name)
    }

    /// Refuses calls that their callee would most likely refuse: knob `throttle.NAME`.
    pub fn throttle(&self, name: &str) -> Throttle {
        Throttle::registered(&self.inner, name)
    }

    /// Any other number: a knob of exactly this name.
    pub fn knob(&self, name: &str) -> KnobBuilder<'_> {
        KnobBuilder::new(&self.inner, name)
    }

    /// The answer of the service's readiness check: knob `health.ready`.
    pub fn readiness(&self) -> Readiness {
        Readiness::registered(&self.inner)
    }

    /// Writes down, in the background, what the process does now: to the log and to the hook of [`Builder::on_dump`]. False
    /// when one is being written, or the newest is less than a minute old. The SDK asks for one by itself when a sidecar
    /// holds new work back because tasks pile up.
    pub fn dump(&self, why: &str) -> bool {
        Dumps::write(&self.inner, why)
    }

    /// The size of a pool: knob `pool.NAME`, in whole numbers.
    pub fn pool_size(&self, name: &str) -> KnobBuilder<'_> {
        KnobBuilder::pool_size(&self.inner, name)
    }

    /// How much memory a cache may use, in bytes: knob `memory.NAME`. A lower one may jump. Read back what the cache holds
    /// ([`KnobBuilder::read_back`]), for it seldom shrinks at once.
    pub fn memory_budget(&self, name: &str) -> KnobBuilder<'_> {
        KnobBuilder::memory_budget(&self.inner, name)
    }

    /// Lets garbage-collection targets act on the allocator: knob `gc`. It is asked for what it holds twice a second, on a thread of
    /// its own, and told how long to keep what is freed. The first one that is registered counts.
    pub fn memory(&self, allocator: impl Allocator) -> Memory {
        Memory::registered(&self.inner, allocator)
    }

    /// Has the sidecar say how many worker threads that runtime should be built with next time: knob `parallelism`. tokio cannot
    /// change their number while it runs.
    pub fn worker_threads(&self, runtime: &Handle) -> WorkerThreads {
        WorkerThreads::registered(&self.inner, runtime)
    }

    /// A time-out: knob `timeout.NAME`.
    pub fn timeout(&self, name: &str) -> TimeoutBuilder<'_> {
        TimeoutBuilder::new(&self.inner, name)
    }

    /// Ends the session with the sidecar within a quarter of a second, in the background: every knob goes to its baseline,
    /// and the sidecar forgets this process at once. Limiters go on with their baselines. A process that just ends need
    /// not call it.
    pub fn stop(&self) {
        self.inner.stopped.store(true, Ordering::Relaxed);
    }

    /// How the SDK stands with its sidecar.
    pub fn health(&self) -> Health {
        self.inner.health.get()
    }
}

impl std::fmt::Debug for Setpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setpoint")
            .field("service", &self.inner.service)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
