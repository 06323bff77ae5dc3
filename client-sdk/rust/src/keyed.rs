//! A rate for each key: clients, clients and routes, whatever can be hashed.
//!
//! All keys of one [`KeyedRate`] share a rate and a burst, and so a knob: keys that deserve other ones are of another class,
//! with a `KeyedRate` of its own, or have a [`Rate`] of their own ([`KeyedRate::set_override`]), which is a knob as well.
//! Keys are hashed and never kept: no list of them can be had, and none shows in a metric. What the table of fixed size
//! holds to, and at what price, is in [`table`].

mod overrides;
mod table;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Entry, Inner};
use crate::declare::Declaration;
use crate::outcome::Outcome;
use crate::rate::{Meter, Rate, declaration};
use crate::rejected::Rejected;
use crate::slot::Slot;
use overrides::Overrides;
pub use overrides::TooManyOverrides;
use table::{Seat, Table};

/// A rate limit for each key, knob `rate.NAME`. Copies are the same one, which lives as long as the process.
///
/// A key that was not seen before has a full bucket. Memory is fixed when it is registered; made-up keys neither grow it, nor
/// get a key rejected that has tokens, nor make it forget cheaply that a key has spent its own. They do get a burst each:
/// where anybody can make up keys, bound all of them together with a [`Rate`] as well.
///
/// ```
/// use setpoint_sdk::Setpoint;
///
/// let sp = Setpoint::builder("checkout").start();
/// let per_client = sp.rate("per-client").bounds(1.0, 1000.0).baseline(5.0).for_each_key(10_000).register();
/// assert!((0..5).all(|_| per_client.try_acquire(&("alice", "/orders")).is_ok()));
/// assert!(per_client.try_acquire(&("alice", "/orders")).is_err());
/// assert!(per_client.try_acquire(&("bob", "/orders")).is_ok());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct KeyedRate(&'static Core);

#[derive(Debug)]
struct Core {
    meter: Meter<&'static Table>,
    table: &'static Table,
    /// Seeded anew in each process: nobody outside knows which keys share a set.
    hasher: RandomState,
    overrides: Overrides,
}

impl KeyedRate {
    /// Takes a token of this key for one call. It never waits or locks, and allocates as little as [`Rate::try_acquire`]. To
    /// hash a key of a few words costs about as much as the rest.
    ///
    /// # Errors
    /// [`Rejected`] with [`crate::RejectReason::RateLimit`], as for [`Rate::try_acquire`].
    #[inline]
    pub fn try_acquire<K: Hash + ?Sized>(&self, key: &K) -> Result<(), Rejected> {
        self.try_acquire_many(key, 1)
    }

    /// Takes so many tokens of this key, as [`Rate::try_acquire_many`] does.
    ///
    /// # Errors
    /// As for [`Rate::try_acquire`].
    pub fn try_acquire_many<K: Hash + ?Sized>(&self, key: &K, tokens: u32) -> Result<(), Rejected> {
        let Core { meter, hasher, overrides, .. } = self.0;
        let hash = hasher.hash_one(key);
        let Some(terms) = meter.terms() else { return Ok(()) };
        if let Some(rate) = overrides.of(hash) {
            return rate.try_acquire_many(tokens);
        }
        let now = terms.now();
        let full = now.saturating_sub(terms.capacity());
        meter.answer(terms.take(&Seat { hash, now, full }, tokens))
    }

    /// Gives a key a rate of its own, which is a knob of its own: `sp.rate("big-customer")...register()`.
    ///
    /// # Errors
    /// [`TooManyOverrides`]: 256 keys have one already.
    pub fn set_override<K: Hash + ?Sized>(&self, key: &K, rate: Rate) -> Result<(), TooManyOverrides> {
        self.0.overrides.set(self.0.hasher.hash_one(key), rate)
    }

    /// Gives a key back to the rate of all.
    pub fn clear_override<K: Hash + ?Sized>(&self, key: &K) {
        self.0.overrides.clear(self.0.hasher.hash_one(key));
    }

    /// Tells how a call of any key ended: see [`Rate::record`].
    pub fn record(&self, outcome: Outcome, retry_after: Option<Duration>) {
        self.0.meter.tally.record(self.0.meter.clock.now(), outcome, retry_after);
    }

    /// How often a key was forgotten that had not got back all that it had spent, because its set was full of keys that had
    /// spent more. If this grows fast, there are more keys than it was made for.
    pub fn forgotten(&self) -> u64 {
        self.0.table.forgotten()
    }

    /// The rate of each key in force, calls per second.
    pub fn per_second(&self) -> f64 {
        self.0.meter.per_second()
    }

    /// Holds the rate at a value: see [`Rate::pin`].
    pub fn pin(&self, per_second: f64) -> f64 {
        self.0.meter.pin(per_second)
    }

    /// Gives the rate back to what is pushed.
    pub fn unpin(&self) {
        self.0.meter.unpin();
    }

    fn leak(inner: &Inner, knob: Declaration, burst: Option<f64>, keys: usize) -> Self {
        let table: &'static Table = Box::leak(Box::new(Table::of_keys(keys)));
        let (hasher, overrides) = (RandomState::new(), Overrides::default());
        Self(Box::leak(Box::new(Core {
            meter: Meter::new(inner, knob, burst, table),
            table,
            hasher,
            overrides,
        })))
    }

    /// One outside of the registry that admits everything.
    pub(crate) fn open(inner: &Inner) -> Self {
        let rate = Self::leak(inner, declaration("unregistered"), None, 1);
        rate.enforce(false);
        rate
    }
}

impl Actuator for KeyedRate {
    fn slot(&self) -> &Slot {
        &self.0.meter.slot
    }

    fn put(&self, value: Option<Value>) {
        self.0.meter.put(value);
    }

    fn totals(&self, at_nanos: u64, stall_nanos: u64) -> Option<Totals> {
        self.0.meter.tally.totals(at_nanos, stall_nanos, self.per_second())
    }
}

/// Declares a rate for each key. See [`crate::RateBuilder::for_each_key`].
#[must_use = "nothing happens before `register`"]
pub struct KeyedRateBuilder<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) knob: Declaration,
    pub(crate) burst: Option<f64>,
    pub(crate) keys: usize,
}

impl KeyedRateBuilder<'_> {
    /// Registers the rate limit, or finds the one of that name as it was registered first.
    pub fn register(self) -> KeyedRate {
        let Self { inner, knob, burst, keys } = self;
        let name = knob.name().clone();
        let make = || Entry::KeyedRate(KeyedRate::leak(inner, knob, burst, keys));
        match inner.registry.register(&name, make) {
            Some(Entry::KeyedRate(rate)) => rate,
            _ => inner.open(&name).keyed,
        }
    }
}
