//! The heap of a service without a garbage collector, under the same policy as those with one.
//!
//! A garbage-collection target is an envelope: so much memory may be used. A collector is told how often to collect; an
//! allocator, which collects nothing, can be told how long to keep what is freed. That is decided in `retention`, on a thread
//! of its own, because asking an allocator and giving memory back take its locks. The session hears what the thread saw last
//! and tells the sidecar, which needs it to work out the budget.

mod allocator;
#[cfg(feature = "jemalloc")]
pub mod jemalloc;
mod retention;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use setpoint_policies::envelope::GcTarget;
use setpoint_policies::knob::{Kind, Knob};
use setpoint_policies::signal::Signal;
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Entry, Inner};
use crate::declare::Declaration;
use crate::slot::Slot;
use crate::sync::locked;
pub use allocator::{Allocator, HeapUse};
pub use retention::MemoryPressure;
use retention::Retention;

/// The knob of garbage-collection targets in every SDK.
const KNOB: &str = "gc";
/// The thread looks this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What it saw is told for so long.
const TOLD_FOR: Duration = Duration::from_secs(2);

/// The heap of this process, knob `gc`. Clones are the same one.
#[derive(Clone)]
pub struct Memory(Arc<Core>);

struct Core {
    slot: Slot,
    shared: Mutex<Shared>,
    /// Wakes the thread; it ends when this is gone.
    wake: SyncSender<()>,
}

#[derive(Debug, Default)]
struct Shared {
    target: Option<GcTarget>,
    pressure: MemoryPressure,
    seen: Option<(Instant, HeapUse)>,
}

impl Memory {
    /// How hard memory presses. Takes a lock that is never held for long.
    pub fn pressure(&self) -> MemoryPressure {
        locked(&self.0.shared).pressure
    }

    /// What the allocator said last, if that is not older than two seconds.
    pub fn heap(&self) -> Option<HeapUse> {
        locked(&self.0.shared).seen.filter(|(at, _)| at.elapsed() < TOLD_FOR).map(|(_, heap)| heap)
    }

    /// The one of this process, made if need be.
    pub(crate) fn registered(inner: &Inner, allocator: impl Allocator) -> Self {
        let highest = f64::from(GcTarget::PERCENT_LIMIT);
        let knob = Declaration::new("", KNOB, Kind::GcTarget, (1.0, highest), 100.0).checked();
        let name = knob.name.clone();
        match inner.registry.register(&name, || Entry::Memory(Self::start(knob.clone(), allocator))) {
            Some(Entry::Memory(memory)) => memory,
            _ => {
                inner.open(&name);
                Self::new(knob).0
            }
        }
    }

    fn new(knob: Knob) -> (Self, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        (Self(Arc::new(Core { slot: Slot::new(knob), shared: Mutex::default(), wake })), woken)
    }

    fn start(knob: Knob, allocator: impl Allocator) -> Self {
        let (memory, woken) = Self::new(knob);
        let core = Arc::downgrade(&memory.0);
        let body = move || look_after(&core, &woken, allocator);
        if let Err(error) = std::thread::Builder::new().name("setpoint-memory".to_owned()).spawn(body) {
            tracing::error!(%error, "no thread for the allocator: it is left alone");
        }
        memory
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Memory").field(&*locked(&self.0.shared)).finish()
    }
}

impl Actuator for Memory {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        locked(&self.0.shared).target = match value {
            Some(Value::Gc(target)) => Some(target),
            _ => None,
        };
        // A wake-up that waits already is as good.
        let _ = self.0.wake.try_send(());
    }

    fn signals(&self) -> Vec<(Signal, f64)> {
        let Some(heap) = self.heap() else { return Vec::new() };
        let bytes = |bytes: u64| bytes as f64;
        vec![
            (Signal::RuntimeMemoryBytes, bytes(heap.resident_bytes)),
            (Signal::HeapLiveBytes, bytes(heap.live_bytes)),
            (Signal::RuntimeOverheadBytes, bytes(heap.overhead_bytes)),
        ]
    }
}

/// The thread: until nobody holds the memory any more.
fn look_after(core: &Weak<Core>, woken: &Receiver<()>, mut allocator: impl Allocator) {
    let (origin, mut retention, mut complained) = (Instant::now(), Retention::default(), false);
    loop {
        let look = || look(core, &mut allocator, &mut retention, origin.elapsed());
        match catch_unwind(AssertUnwindSafe(look)) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) if complained => {}
            Err(_) => {
                complained = true;
                tracing::error!("the allocator panicked: it is asked again, and this is said once");
            }
        }
        if woken.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// One look. False: nobody is interested any more.
fn look(core: &Weak<Core>, allocator: &mut impl Allocator, retention: &mut Retention, now: Duration) -> bool {
    let heap = allocator.heap();
    let Some(core) = core.upgrade() else { return false };
    let orders = {
        let mut shared = locked(&core.shared);
        let orders = retention.look(now, shared.target.as_ref(), heap);
        shared.pressure = retention.pressure();
        shared.seen = heap.map(|heap| (Instant::now(), heap));
        orders
    };
    if let Some(keep) = orders.keep {
        tracing::info!(?keep, pressure = ?retention.pressure(), "freed memory is kept for another time");
        allocator.keep_freed(keep);
    }
    if orders.give_back {
        tracing::info!(pressure = ?retention.pressure(), "freed memory is given back");
        allocator.give_back();
    }
    true
}

#[cfg(test)]
mod tests;
