//! What the process was doing when something was wrong with it, written down while it still is.
//!
//! A sidecar that holds new work back because tasks pile up cannot see what they do; the process can, and only now. A setpoint
//! whose rule is a task leak therefore makes the SDK write a dump: once for each trip, on a thread of its own, so that neither the
//! session nor the service waits for it. What it holds goes to the log; a hook of the service can add what it alone can
//! know (task dumps of its runtime, pool states). Dumps are at least a minute apart, whoever asks, and one at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use setpoint_policies::reason::TASK_LEAK;
use setpoint_policies::value::{Breaker, Value};
use setpoint_proto::message::{Frame, Mode};
use tokio::runtime::Handle;

use crate::actuator::Inner;
use crate::sync::locked;

/// Two dumps are at least this far apart.
const APART_NANOS: u64 = 60_000_000_000;

/// What the process was doing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dump {
    /// Who asked, or what the sidecar saw.
    pub why: String,
    /// The runtime, if one is known.
    pub runtime: Option<RuntimeDump>,
    /// Every limiter, by name.
    pub limiters: Vec<LimiterDump>,
}

/// What a tokio runtime tells of itself.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RuntimeDump {
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Worker threads.
    pub workers: usize,
    /// Tasks that wait in the queue that all workers share.
    pub queued: usize,
}

/// The calls of a limiter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LimiterDump {
    /// Its knob.
    pub knob: String,
    /// Calls in flight.
    pub in_flight: u64,
    /// How long they are in flight so far, on average.
    pub mean_age: Duration,
}

/// Called with each dump, on the dump's own thread.
pub(crate) type Hook = Box<dyn Fn(&Dump) + Send + Sync>;

/// Who wants dumps, and when the newest one was.
#[derive(Default)]
pub(crate) struct Dumps {
    hook: OnceLock<Hook>,
    runtime: OnceLock<Handle>,
    running: AtomicBool,
    newest_at: Mutex<Option<u64>>,
    /// The trip that was written down last: epoch and decision.
    trip: Mutex<Option<(u64, u64)>>,
}

impl Dumps {
    /// What the builder knows; the first word counts.
    pub fn set_up(&self, runtime: Option<&Handle>, hook: Option<Hook>) {
        runtime.cloned().map(|runtime| self.runtime.set(runtime));
        hook.map(|hook| self.hook.set(hook));
    }

    /// Writes a dump if this frame says that tasks leak, and has not said so before.
    pub fn heard(inner: &Arc<Inner>, frame: &Frame) {
        if frame.mode != Mode::Apply || inner.registry.disabled() {
            return;
        }
        let open = |value: &Value| matches!(value, Value::Breaker(Breaker::Open { .. }));
        let leak = frame.set.iter().find(|setpoint| setpoint.why.rule == TASK_LEAK && open(&setpoint.value));
        let Some(leak) = leak else { return };
        let trip = Some((frame.version.epoch, leak.decision_id));
        if std::mem::replace(&mut *locked(&inner.dumps.trip), trip) != trip {
            Self::write(inner, &leak.why.text);
        }
    }

    /// Writes a dump in the background; false when one is being written, or the newest is less than a minute old.
    pub fn write(inner: &Arc<Inner>, why: &str) -> bool {
        let dumps = &inner.dumps;
        let now = inner.clock.now();
        if dumps.running.swap(true, Ordering::Acquire) {
            return false;
        }
        let due = {
            let mut newest = locked(&dumps.newest_at);
            let due = newest.is_none_or(|newest| now.saturating_sub(newest) >= APART_NANOS);
            if due {
                *newest = Some(now);
            }
            due
        };
        let (of, why) = (Arc::clone(inner), why.to_owned());
        let thread = std::thread::Builder::new().name("setpoint-dump".to_owned());
        let started = due && thread.spawn(move || of.dumps.run(&of, why)).is_ok();
        if !started {
            dumps.running.store(false, Ordering::Release);
        }
        started
    }

    fn run(&self, inner: &Inner, why: String) {
        let dump = self.take(inner, why);
        log(&dump);
        let told = self.hook.get().map(|hook| catch_unwind(AssertUnwindSafe(|| hook(&dump))));
        if matches!(told, Some(Err(_))) {
            tracing::error!("on_dump panicked");
        }
        self.running.store(false, Ordering::Release);
    }

    fn take(&self, inner: &Inner, why: String) -> Dump {
        let now = inner.clock.now();
        let runtime = self.runtime.get().map(|runtime| {
            let metrics = runtime.metrics();
            RuntimeDump {
                tasks: metrics.num_alive_tasks(),
                workers: metrics.num_workers(),
                queued: metrics.global_queue_depth(),
            }
        });
        let limiters = inner.registry.limiters().into_iter().map(|(knob, limiter)| {
            let counted = limiter.counted(now);
            let in_flight = counted.in_flight();
            let mean_age = counted.in_flight_age_sum() / u32::try_from(in_flight).unwrap_or(u32::MAX).max(1);
            LimiterDump { knob: knob.to_string(), in_flight, mean_age }
        });
        Dump { why, runtime, limiters: limiters.collect() }
    }
}

fn log(dump: &Dump) {
    let runtime = dump.runtime;
    tracing::warn!(
        why = dump.why,
        tasks = runtime.map(|runtime| runtime.tasks),
        workers = runtime.map(|runtime| runtime.workers),
        queued = runtime.map(|runtime| runtime.queued),
        "dump of the runtime"
    );
    for limiter in &dump.limiters {
        let LimiterDump { knob, in_flight, mean_age } = limiter;
        tracing::warn!(knob, in_flight, ?mean_age, "dump of a limiter");
    }
}

#[cfg(test)]
mod tests;
