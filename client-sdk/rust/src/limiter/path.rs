//! The way of a call through a limiter: in, counted, out, counted.
//!
//! What is inlined here goes into the caller's code, so that a permit is built in registers: what is written to memory in
//! pieces and read again at once as a whole stalls a processor for as long as all the rest takes. What happens once in so
//! many calls is kept out of line.

use std::time::Duration;

use setpoint_policies::value::Value;

use super::Core;
use super::limits::Regime;
use super::seat::Seat;
use super::shard::Claim;
use super::waiters::Waiters;
use crate::breaker::Pass;
use crate::outcome::Outcome;
use crate::rejected::Advice;
use crate::sync::Ordering;

/// What a call in flight holds of its limiter.
#[derive(Debug)]
pub(crate) struct Place {
    /// Since when, nanoseconds.
    at: u64,
    /// How many.
    places: u32,
    /// Whether the time was read from the clock.
    timed: bool,
}

impl Place {
    /// Of a call that no limiter knows of.
    pub const NONE: Self = Self { at: 0, places: 0, timed: true };
}

impl Core {
    #[inline(always)]
    pub(super) fn admit(&self, class: usize, places: u32) -> Option<Place> {
        let (shard, places) = self.places.enter(Seat::mine(), class, places.into())?;
        let (at, timed) = if self.sampling.is_off() {
            (self.clock.now(), true)
        } else {
            shard.estimated_admission(&self.sampling, || self.clock.now())
        };
        shard.admit(at);
        // No more than was asked for.
        Some(Place { at, places: places as u32, timed })
    }

    /// Counts the end of a call and frees its place. Returns the time, if it was looked up.
    #[inline(always)]
    pub fn release(&self, place: &Place, outcome: Outcome) -> Option<u64> {
        if self.sampling.is_off() {
            Some(self.release_timed(place, outcome))
        } else if place.timed {
            Some(self.release_sample(place, outcome))
        } else {
            self.release_estimated(place, outcome);
            None
        }
    }

    #[inline(always)]
    fn release_timed(&self, place: &Place, outcome: Outcome) -> u64 {
        // Another core's counter can be a little behind.
        let at = self.clock.now().max(place.at);
        let claim = self.places.claim(Seat::mine());
        claim.0.release(outcome, place.at, at, self.sampling.deadline());
        self.leave(claim, place);
        at
    }

    /// For one call in so many.
    #[inline(never)]
    fn release_sample(&self, place: &Place, outcome: Outcome) -> u64 {
        let at = self.clock.now().max(place.at);
        let claim = self.places.claim(Seat::mine());
        claim.0.timed_release(outcome, place.at, at, &self.sampling);
        self.leave(claim, place);
        at
    }

    #[inline(always)]
    fn release_estimated(&self, place: &Place, outcome: Outcome) {
        let claim = self.places.claim(Seat::mine());
        claim.0.estimated_release(outcome, place.at, &self.sampling, || self.clock.now());
        self.leave(claim, place);
    }

    #[inline(always)]
    fn leave(&self, claim: (Claim<'_>, Regime), place: &Place) {
        self.places.leave(claim, place.places.into());
        if self.places.limits().awaited() {
            self.waiters.wake();
        }
    }

    /// Says that one more caller waits for a place; see [`waiters`]. It must try once more before it sleeps.
    #[allow(dead_code, reason = "for the queue")]
    pub fn begin_wait(&self) {
        self.places.begin_wait();
    }

    /// Takes one [`Core::begin_wait`] back.
    #[allow(dead_code, reason = "for the queue")]
    pub fn end_wait(&self) {
        self.places.limits().end_wait();
    }

    /// Who is told when a place becomes free.
    #[allow(dead_code, reason = "for the queue")]
    pub const fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Counts a rejection by the limit and says when to come back. No more than that: what it returned in memory would be
    /// read again before it is written, and that costs as much as the rest.
    #[cold]
    pub(super) fn full(&self, class: usize, pass: Pass) -> Duration {
        self.breaker.give_back(pass);
        let lot = self.places.reject(Seat::mine(), class);
        Advice::of_words([0, 1].map(|word: usize| self.advice[word].load(Ordering::Relaxed))).draw(lot)
    }

    /// Counts a rejection by the breaker.
    #[inline]
    pub(super) fn shut(&self, class: usize) {
        self.places.reject(Seat::mine(), class);
    }

    pub(super) fn put(&self, value: Option<Value>) {
        self.places.change(|limits| match value {
            Some(value) => limits.set(value.scalar()),
            None => limits.open(self.slot.knob().baseline),
        });
        if self.places.limits().awaited() {
            self.waiters.wake();
        }
    }
}
