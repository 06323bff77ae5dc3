//! Any other number of a service: a batch size, a pool size, a time-out.
//!
//! The value is put in force first and told after, so that a callback that looks at the knob sees the new value. A
//! callback is somebody else's code: when it panics, the push is refused and the previous value is put back; when it hangs, it
//! hangs alone (`callback`).

pub(crate) mod callback;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::knob::{Kind, Knob, Restrictive};
use setpoint_policies::value::Value;
use setpoint_proto::message::Why;

use crate::actuator::{Actuator, Entry, Inner};
use crate::declare::Declaration;
use crate::slot::{Slot, Wish};
use crate::sync::{AtomicU64, Ordering};
use callback::{By, Callback, Change};

/// Called after a change: the value before, the value now in force, and why.
type OnChange = Box<dyn Fn(f64, f64, &Why) + Send + Sync>;
/// What is really in force.
type ReadBack = Box<dyn Fn() -> f64 + Send + Sync>;

/// Whole numbers are exact up to here.
const MOST_BYTES: f64 = (1_u64 << 53) as f64;

/// A number that can be tuned. Clones are the same knob.
#[derive(Clone)]
pub struct NumericKnob(Arc<Core>);

struct Core {
    slot: Slot,
    value_bits: AtomicU64,
    callback: Option<Callback>,
    read_back: Option<ReadBack>,
}

impl NumericKnob {
    /// The value in force. One relaxed load.
    #[inline]
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.value_bits.load(Ordering::Relaxed))
    }

    /// Holds the knob at a value (within the bounds), whatever is pushed, until [`NumericKnob::unpin`]. Returns the value
    /// now in force: the previous one if `value` is not a number or the callback panicked.
    pub fn pin(&self, value: f64) -> f64 {
        let pinned = Some(Value::Number(value));
        self.change_as_owner(&why("pinned by the service"), |put| self.0.slot.pin(pinned, put));
        self.value()
    }

    /// Gives the knob back to what is pushed.
    pub fn unpin(&self) {
        self.change_as_owner(&why("unpinned by the service"), |put| self.0.slot.pin(None, put));
    }

    /// Waits until the callback knows of every change.
    #[cfg(test)]
    pub(crate) fn until_told(&self) {
        self.0.callback.as_ref().expect("it has a callback").until_idle();
    }

    fn new(knob: Knob, on_change: Option<OnChange>, read_back: Option<ReadBack>, patience: Duration) -> Self {
        let value_bits = AtomicU64::new(knob.baseline.to_bits());
        let callback = on_change.map(|call| Callback::new(call, knob.baseline, patience));
        Self(Arc::new(Core { slot: Slot::new(knob), value_bits, callback, read_back }))
    }

    fn change_as_owner(
        &self,
        why: &Why,
        edit: impl FnOnce(&mut dyn FnMut(Option<Value>)) -> Result<Wish, String>,
    ) {
        if let Err(problem) = self.change(why, By::Owner, edit) {
            tracing::error!(knob = %self.0.slot.knob().name, problem, why = why.text, "refused");
        }
    }

    /// Makes a change in the slot and tells of it; takes it back when that goes wrong.
    fn change(
        &self,
        why: &Why,
        by: By,
        edit: impl FnOnce(&mut dyn FnMut(Option<Value>)) -> Result<Wish, String>,
    ) -> Result<(), String> {
        let mut changed = None;
        let before = edit(&mut |value| changed = Some((self.swap(value), value)))?;
        // The slot is not locked any more: a callback may look at this knob, or pin it.
        let (Some(((old, to), asked)), Some(callback)) = (changed, &self.0.callback) else {
            return Ok(());
        };
        if old == to || callback.tell(self, Change { to, why: why.clone(), before, asked, by }) {
            return Ok(());
        }
        Err("on_change panicked".to_owned())
    }

    /// Puts a value in force (`None`: the baseline) and returns the one before and the new one.
    fn swap(&self, value: Option<Value>) -> (f64, f64) {
        let new = value.map_or(self.0.slot.knob().baseline, |value| value.scalar());
        (f64::from_bits(self.0.value_bits.swap(new.to_bits(), Ordering::Relaxed)), new)
    }
}

impl std::fmt::Debug for NumericKnob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NumericKnob")
            .field("knob", &self.0.slot.knob().name)
            .field("value", &self.value())
            .finish()
    }
}

impl Actuator for NumericKnob {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        self.swap(value);
    }

    fn apply(&self, value: &Value, why: &Why) -> Result<Value, String> {
        self.change(why, By::Session, |put| self.0.slot.push(value, put))?;
        Ok(self.in_force())
    }

    /// As the owner reads it, if there is a way; a reading that panics, or is no number, is none. Else what the callback took
    /// last.
    fn in_force(&self) -> Value {
        let read = self.0.read_back.as_ref().and_then(|read| catch_unwind(AssertUnwindSafe(read)).ok());
        let read = read.filter(|number| number.is_finite());
        let told = || self.0.callback.as_ref().and_then(Callback::behind);
        read.or_else(told).map_or_else(|| self.0.slot.value(), Value::Number)
    }

    fn behind(&self) -> bool {
        self.0.callback.as_ref().is_some_and(|callback| callback.behind().is_some())
    }

    fn take_refusal(&self) -> Option<String> {
        let refused = self.0.callback.as_ref().is_some_and(Callback::take_refusal);
        refused.then(|| "on_change panicked".to_owned())
    }

    fn enforce(&self, on: bool) {
        // A callback that panics was logged; there is nobody to refuse to.
        let _ = self.change(&why("kill switch"), By::Session, |put| Ok(self.0.slot.enforce(on, put)));
    }
}

fn why(text: &str) -> Why {
    Why { text: text.to_owned(), ..Why::default() }
}

/// Declares a knob. See [`crate::Setpoint::knob`].
#[must_use = "nothing happens before `register`"]
pub struct KnobBuilder<'a> {
    inner: &'a Inner,
    knob: Declaration,
    /// `None`: as is usual for its kind.
    restrictive: Option<Restrictive>,
    on_change: Option<OnChange>,
    read_back: Option<ReadBack>,
}

impl<'a> KnobBuilder<'a> {
    pub(crate) fn new(inner: &'a Inner, name: &str) -> Self {
        Self::of(inner, Declaration::new("", name, Kind::Numeric, (0.0, f64::MAX), 0.0))
    }

    /// The size of a pool: whole numbers up to a hundred thousand, ten unless told otherwise. What is in use when a pool shrinks
    /// stays in use: pools close connections as they are given back, and nothing waits for them.
    pub(crate) fn pool_size(inner: &'a Inner, name: &str) -> Self {
        let knob = Declaration::new("pool", name, Kind::PoolSize, (0.0, 100_000.0), 10.0);
        Self::of(inner, knob).step(1.0)
    }

    /// The memory of a cache: bytes up to 2^53, 64 MiB unless told otherwise.
    pub(crate) fn memory_budget(inner: &'a Inner, name: &str) -> Self {
        let knob =
            Declaration::new("memory", name, Kind::MemoryLimit, (0.0, MOST_BYTES), 64.0 * 1024.0 * 1024.0);
        Self::of(inner, knob).step(1.0).unit("bytes").restrictive(Restrictive::Lower)
    }

    pub(crate) fn of(inner: &'a Inner, knob: Declaration) -> Self {
        Self { inner, knob, restrictive: None, on_change: None, read_back: None }
    }

    /// Hard bounds, which no push can leave. Default: 0 to the largest number.
    pub fn bounds(mut self, lowest: f64, highest: f64) -> Self {
        self.knob.bounds = (lowest, highest);
        self
    }

    /// The value in force without a sidecar. Default 0, or the lowest allowed.
    pub fn baseline(mut self, value: f64) -> Self {
        self.knob.baseline = Some(value);
        self
    }

    /// The quantum of the value; 0, the default, is continuous.
    pub fn step(mut self, step: f64) -> Self {
        self.knob.step = step;
        self
    }

    /// The unit of the value, for people: `1` (the default), `bytes`, `ms`, `percent`.
    pub fn unit(mut self, unit: &str) -> Self {
        unit.clone_into(&mut self.knob.unit);
        self
    }

    /// The direction that sheds load, if there is one: such a move may jump. Default: neither; for the size of a pool, lower.
    pub fn restrictive(mut self, direction: Restrictive) -> Self {
        self.restrictive = Some(direction);
        self
    }

    /// The largest relative permissive move by one push (0.5 is half as much again; 0, the default, any), and the
    /// shortest time between two.
    pub fn pace(mut self, max_change_ratio: f64, min_dwell: Duration) -> Self {
        (self.knob.max_change_ratio, self.knob.min_dwell) = (max_change_ratio, min_dwell);
        self
    }

    /// Called with the value that it took last, the value now in force and why, after every change, on a thread of the SDK's (or on
    /// the thread that pins), never twice at once. If it panics the change is taken back and reported as refused. If it takes
    /// long, the sidecar is told that the value waits, and nothing else is held up: the number is in force all the same,
    /// and what changes meanwhile is told when it is back, the newest value only.
    pub fn on_change(mut self, call: impl Fn(f64, f64, &Why) + Send + Sync + 'static) -> Self {
        self.on_change = Some(Box::new(call));
        self
    }

    /// Reads what is really in force, where that can be something else than what was set: a pool that is shrinking, a library
    /// with bounds of its own. It is called on the session's thread whenever the sidecar is told, so it must not wait for
    /// anything. Default: what was set.
    pub fn read_back(mut self, read: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.read_back = Some(Box::new(read));
        self
    }

    /// Registers the knob, or finds the one of that name as it was registered first.
    pub fn register(self) -> NumericKnob {
        let Self { inner, knob, restrictive, mut on_change, mut read_back } = self;
        let name = knob.name().clone();
        let mut make = || {
            let knob = knob.clone().checked();
            let restrictive = restrictive.unwrap_or(knob.restrictive);
            let knob = Knob { restrictive, ..knob };
            NumericKnob::new(knob, on_change.take(), read_back.take(), inner.patience)
        };
        match inner.registry.register(&name, || Entry::Knob(make())) {
            Some(Entry::Knob(knob)) => knob,
            _ => {
                inner.open(&name);
                make()
            }
        }
    }
}

#[cfg(test)]
mod tests;
