//! How many worker threads the sidecar would give the runtime.
//!
//! tokio fixes their number when a runtime is built; nothing can change it afterwards. So the knob `parallelism` is the
//! service's own for ever: what is pushed is remembered as advice for the next start, and the sidecar is told that nothing was
//! moved. A policy that follows what is in force therefore advises one step at a time.

use std::sync::Arc;

use setpoint_policies::admission::Admission;
use setpoint_policies::knob::{Kind, Knob, Restrictive};
use setpoint_policies::signal::Signal;
use setpoint_policies::value::Value;
use setpoint_proto::message::Why;
use tokio::runtime::Handle;

use crate::actuator::{Actuator, Entry, Inner};
use crate::declare::Declaration;
use crate::slot::Slot;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

const KNOB: &str = "parallelism";

/// The worker threads of a tokio runtime, knob `parallelism`: observed, never changed. Clones are the same one.
#[derive(Debug, Clone)]
pub struct WorkerThreads(Arc<Core>);

#[derive(Debug)]
struct Core {
    slot: Slot,
    workers: u32,
    cpus: Option<usize>,
    pushed: AtomicU64,
    /// What was pushed is the sidecar's word now: not a decay, nor what nobody has pushed.
    counts: AtomicBool,
}

impl WorkerThreads {
    /// What the sidecar would have the runtime built with (`TOKIO_WORKER_THREADS` or `worker_threads` of its builder), while
    /// its word counts. Two relaxed loads.
    pub fn recommended(&self) -> Option<u32> {
        let counts = self.0.counts.load(Ordering::Relaxed);
        counts.then(|| u32::try_from(self.0.pushed.load(Ordering::Relaxed)).unwrap_or(u32::MAX))
    }

    /// What the runtime has.
    pub fn in_force(&self) -> u32 {
        self.0.workers
    }

    pub(crate) fn registered(inner: &Inner, runtime: &Handle) -> Self {
        let workers = u32::try_from(runtime.metrics().num_workers()).unwrap_or(u32::MAX).max(1);
        let cpus = affinity();
        let most = f64::from(workers).max(cpus.map_or(1.0, |cpus| cpus as f64));
        let declared = Declaration::new("", KNOB, Kind::Parallelism, (1.0, most), f64::from(workers));
        let knob = Knob { step: 1.0, restrictive: Restrictive::Lower, ..declared.checked() };
        let (name, own) = (knob.name.clone(), knob.baseline_value());
        let make = || {
            let (pushed, counts) = (AtomicU64::new(u64::from(workers)), AtomicBool::new(false));
            let core = Core { slot: Slot::new(knob.clone()), workers, cpus, pushed, counts };
            // Of the knob's own kind, so it cannot be refused.
            let _ = core.slot.pin(Some(own), |_| {});
            Self(Arc::new(core))
        };
        match inner.registry.register(&name, || Entry::Workers(make())) {
            Some(Entry::Workers(workers)) => workers,
            _ => {
                inner.open(&name);
                make()
            }
        }
    }
}

impl Actuator for WorkerThreads {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, _value: Option<Value>) {}

    fn apply(&self, value: &Value, why: &Why) -> Result<Value, String> {
        self.0.slot.push(value, |_| {})?;
        if let Value::Parallelism { threads, .. } = value {
            self.0.pushed.store(u64::from(*threads), Ordering::Relaxed);
            tracing::info!(workers = self.0.workers, threads, reason = %why.rule, "worker threads for the next start");
        }
        Ok(Actuator::in_force(self))
    }

    /// Advice is worth as much as the word it came with.
    fn admit(&self, admission: Option<Admission>) {
        self.0.counts.store(admission.is_some(), Ordering::Relaxed);
    }

    fn signals(&self) -> Vec<(Signal, f64)> {
        let cpus = self.0.cpus.map(|cpus| (Signal::CpuAffinityCores, cpus as f64));
        [(Signal::RuntimeParallelism, f64::from(self.0.workers))].into_iter().chain(cpus).collect()
    }
}

/// CPUs that this process may run on.
#[cfg(target_os = "linux")]
fn affinity() -> Option<usize> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    usize::try_from(set.count()).ok().filter(|cpus| *cpus > 0)
}

#[cfg(not(target_os = "linux"))]
const fn affinity() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hand;

    #[test]
    fn g4_what_is_pushed_is_advice_and_ends_with_its_lease() {
        let inner = Inner::new("test".into(), Hand::default().clock(), 1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let workers = WorkerThreads::registered(&inner, runtime.handle());
        assert_eq!((workers.in_force(), workers.recommended()), (1, None));
        let pushed = Value::Parallelism { threads: 3, blocking_threads: None };
        let own = Value::Parallelism { threads: 1, blocking_threads: None };
        assert_eq!(Actuator::apply(&workers, &pushed, &Why::default()), Ok(own), "nothing can be moved");
        workers.admit(Some(Admission::default()));
        assert_eq!((workers.recommended(), workers.pinned()), (Some(3), Some(own)));
        assert!(workers.signals().contains(&(Signal::RuntimeParallelism, 1.0)));
        workers.admit(None);
        assert_eq!(workers.recommended(), None);
        assert_eq!(Actuator::in_force(&workers), own);
        let again = WorkerThreads::registered(&inner, runtime.handle());
        assert!(Arc::ptr_eq(&workers.0, &again.0));
    }
}
