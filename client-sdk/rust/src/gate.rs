//! A hard limit on accepted connections.
//!
//! A limit on calls does not bound connections: each of them takes a descriptor, buffers and a task before it has asked for
//! anything, and a thousand slow handshakes are no call at all. So connections are counted where they are accepted, in one
//! word, by compare-and-swap: never one above the limit, however many threads accept. A guard frees the place however the
//! connection ends, a panic included. A lower limit closes nothing that is open; it keeps newcomers out until enough have
//! gone.
//!
//! Whoever waits for a place is woken when there may be one, by the guard that frees it or by the push that raises the
//! limit; nobody looks again and again.
//!
//! # Health checks
//! When a connection is accepted nobody knows yet what it will ask for, so a gate cannot let health checks pass as a
//! layer does. Two things help: a listener of its own for health and metrics, without a gate, which is the better one; or
//! places held in reserve ([`GateBuilder::reserve`]) for peers that are known by their address
//! ([`ConnectionGate::try_enter_reserved`]).

mod builder;
mod count;
#[cfg(feature = "listener")]
pub(crate) mod listener;
#[cfg(all(test, setpoint_loom))]
mod loom_tests;
#[cfg(test)]
mod tests;

use setpoint_policies::totals::{PRIORITIES, Totals};
use setpoint_policies::value::Value;
use tokio::sync::Notify;

use crate::actuator::{Actuator, Inner};
use crate::declare::Declaration;
use crate::priority::Priority;
use crate::rejected::{Advice, RejectReason, Rejected};
use crate::slot::Slot;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
pub use builder::GateBuilder;
use builder::declaration;
use count::Count;

/// How many connections may be open, knob `connections.NAME`. Copies are the same gate, which lives as long as the process.
///
/// ```no_run
/// use setpoint_sdk::Setpoint;
///
/// # async fn serve(listener: tokio::net::TcpListener) -> std::io::Result<()> {
/// let sp = Setpoint::builder("checkout").start();
/// let gate = sp.connection_gate("http").bounds(16, 10_000).baseline(2000).register();
/// loop {
///     let place = gate.enter().await; // the kernel's queue fills meanwhile
///     let (stream, _) = listener.accept().await?;
///     tokio::spawn(async move {
///         let _place = place; // freed when the connection is done with, or its task panics
///         drop(stream); // ... serve it
///     });
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ConnectionGate(&'static Core);

#[derive(Debug)]
struct Core {
    slot: Slot,
    count: Count,
    /// Places of the limit that only reserved connections take.
    reserve: u64,
    freed: Notify,
    rejected: AtomicU64,
    /// Of the advice to those who are rejected.
    seed: u64,
    limited: AtomicBool,
}

/// The limit as a number of connections: rounded down, but at least one unless it is below one.
fn places(limit: f64) -> u64 {
    if limit < 1.0 { 0 } else { limit as u64 }
}

impl ConnectionGate {
    /// Takes a place, or says at once that there is none. One compare-and-swap.
    ///
    /// # Errors
    /// [`Rejected`] with [`RejectReason::ConnectionLimit`]: as many connections are open as may be.
    pub fn try_enter(&self) -> Result<GateGuard, Rejected> {
        self.admit(self.0.reserve)
    }

    /// The same for a connection that may take a reserved place, such as one from the address of whoever checks health.
    ///
    /// # Errors
    /// As for [`ConnectionGate::try_enter`], reserved places included.
    pub fn try_enter_reserved(&self) -> Result<GateGuard, Rejected> {
        self.admit(0)
    }

    /// Waits for a place. It works on any runtime, and a wait that is dropped leaves nothing behind. Those who wait are let
    /// in about in their order; [`ConnectionGate::try_enter`] may be faster.
    pub async fn enter(&self) -> GateGuard {
        loop {
            // Asked to be woken before looking: what becomes free in between is not missed.
            let mut freed = std::pin::pin!(self.0.freed.notified());
            freed.as_mut().enable();
            if let Some(guard) = self.look() {
                return guard;
            }
            freed.await;
        }
    }

    /// A place, if there is one; no caller is turned away by this look.
    fn look(&self) -> Option<GateGuard> {
        let entered = self.0.count.enter(self.0.reserve);
        if !entered {
            self.0.limited.store(true, Ordering::Relaxed);
        }
        entered.then(|| GateGuard { core: self.0 })
    }

    fn admit(&self, reserve: u64) -> Result<GateGuard, Rejected> {
        let core = self.0;
        if core.count.enter(reserve) {
            return Ok(GateGuard { core });
        }
        core.limited.store(true, Ordering::Relaxed);
        Err(Rejected {
            limit: core.slot.knob().name.as_str(),
            reason: RejectReason::ConnectionLimit,
            retry_after: ADVICE.draw(core.seed.wrapping_add(core.rejected.fetch_add(1, Ordering::Relaxed))),
        })
    }

    /// Connections inside, those included that a listener is about to accept.
    pub fn inside(&self) -> u64 {
        self.0.count.inside()
    }

    /// The limit in force.
    pub fn limit(&self) -> f64 {
        self.0.slot.value().scalar()
    }

    /// Holds the limit at a value (within the bounds), whatever is pushed, until [`ConnectionGate::unpin`]. Returns the limit
    /// now in force; what is not a number changes nothing.
    pub fn pin(&self, limit: f64) -> f64 {
        let pinned = Some(Value::Concurrency(limit));
        if let Err(problem) = self.0.slot.pin(pinned, |value| self.put(value)) {
            tracing::error!(knob = %self.0.slot.knob().name, problem, "pin refused");
        }
        self.limit()
    }

    /// Gives the limit back to what is pushed.
    pub fn unpin(&self) {
        // To let go is never refused.
        let _ = self.0.slot.pin(None, |value| self.put(value));
    }

    fn leak(inner: &Inner, knob: Declaration, reserve: u32) -> Self {
        let knob = knob.checked();
        Self(Box::leak(Box::new(Core {
            count: Count::new(places(knob.baseline)),
            slot: Slot::new(knob),
            reserve: u64::from(reserve),
            freed: Notify::new(),
            rejected: AtomicU64::new(0),
            seed: inner.seed,
            limited: AtomicBool::new(false),
        })))
    }

    /// A gate outside of the registry that admits everything.
    pub(crate) fn open(inner: &Inner) -> Self {
        let gate = Self::leak(inner, declaration("unregistered"), 0);
        gate.enforce(false);
        gate
    }
}

/// When to try again: nothing is known of how long connections last.
const ADVICE: Advice = Advice::every(100_000_000);

/// A place of a gate. Dropped, it is free: when the connection ends in whatever way.
#[derive(Debug)]
#[must_use = "a place that is dropped at once is free again"]
pub struct GateGuard {
    core: &'static Core,
}

impl Drop for GateGuard {
    fn drop(&mut self) {
        self.core.count.leave();
        self.core.freed.notify_one();
    }
}

impl Actuator for ConnectionGate {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        let limit = value.map_or(u64::MAX, |value| places(value.scalar()));
        if self.0.count.limit(limit) {
            self.0.freed.notify_waiters();
        }
    }

    fn totals(&self, at_nanos: u64, stall_nanos: u64) -> Option<Totals> {
        let Core { count, .. } = self.0;
        let (entered, left) = count.come_and_gone();
        let turned_away = self.0.rejected.load(Ordering::Relaxed);
        let mut rejected = [0; PRIORITIES];
        rejected[Priority::ORDINARY] = turned_away;
        Some(Totals {
            at_nanos,
            stall_nanos,
            arrived: entered.wrapping_add(turned_away),
            admitted: entered,
            // What a connection comes to says nothing.
            cancelled: left,
            rejected,
            in_flight_peak: count.take_peak(),
            limit_in_force: self.limit(),
            limited: self.0.limited.swap(false, Ordering::Relaxed),
            ..Totals::default()
        })
    }
}
