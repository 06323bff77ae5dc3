//! The way of a call through a limiter: in, counted, out, counted.
//!
//! What is inlined here goes into the caller's code, so that a permit is built in registers: what is written to memory in
//! pieces and read again at once as a whole stalls a processor for as long as all the rest takes. What happens once in so
//! many calls, or waits for the clock anyway, is kept out of line, and is given no reference to what could be in a register.

use std::time::Duration;

use super::Core;
use super::limits::Regime;
use super::seat::Seat;
use super::shard::Claim;
use crate::breaker::Pass;
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::rejected::{Advice, RejectReason, Rejected};
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
        let (at, timed) = match shard.untimed_admission(&self.sampling) {
            Some(at) => (at, false),
            None if self.sampling.is_off() => {
                let at = self.clock.now();
                shard.admit(at);
                (at, true)
            }
            None => (shard.timed_admission(&self.sampling, || self.clock.now()), true),
        };
        // No more than was asked for.
        Some(Place { at, places: places as u32, timed })
    }

    /// Counts the end of a call and frees its place. Returns the time, if it was looked up.
    #[inline(always)]
    pub fn release(&'static self, place: &Place, outcome: Outcome) -> Option<u64> {
        if !place.timed {
            self.release_untimed(place.at, place.places, outcome);
            None
        } else if self.sampling.is_off() {
            Some(self.release_timed(place.at, place.places, outcome))
        } else {
            Some(self.release_sample(place.at, place.places, outcome))
        }
    }

    #[inline(never)]
    fn release_timed(&'static self, since: u64, places: u32, outcome: Outcome) -> u64 {
        // Another core's counter can be a little behind.
        let at = self.clock.now().max(since);
        let claim = self.places.claim(Seat::mine());
        claim.0.release(outcome, since, at, self.sampling.thresholds());
        self.leave(claim, places);
        at
    }

    /// For one call in so many.
    #[inline(never)]
    fn release_sample(&'static self, since: u64, places: u32, outcome: Outcome) -> u64 {
        let at = self.clock.now().max(since);
        let claim = self.places.claim(Seat::mine());
        claim.0.timed_release(outcome, since, at, &self.sampling);
        self.leave(claim, places);
        at
    }

    #[inline(always)]
    fn release_untimed(&'static self, since: u64, places: u32, outcome: Outcome) {
        let claim = self.places.claim(Seat::mine());
        claim.0.untimed_release(outcome, since, &self.sampling, || self.clock.now());
        self.leave(claim, places);
    }

    #[inline(always)]
    fn leave(&'static self, claim: (Claim<'_>, Regime), places: u32) {
        self.places.leave(claim, places.into());
        if self.places.limits().awaited() {
            self.wake();
        }
    }

    /// A place may be free, and somebody waits.
    #[cold]
    pub(super) fn wake(&'static self) {
        if let Some(queue) = &self.queue {
            queue.poke(&self);
        }
    }

    /// Admits a call if there is room, and counts nothing if not.
    pub(super) fn take(&'static self, class: usize, places: u32) -> Result<Option<Permit>, Rejected> {
        let pass = match self.breaker.admit() {
            Ok(pass) => pass,
            Err(retry_after) => {
                self.shut(class);
                return Err(self.breaker.rejected(retry_after));
            }
        };
        let place = self.admit(class, places);
        if place.is_none() {
            self.breaker.give_back(pass);
        }
        Ok(place.map(|place| Permit::new(Some(self), self.breaker, pass, place)))
    }

    /// Counts a rejection by the limit and says when to come back. No more than that: what it returned in memory would be
    /// read again before it is written, and that costs as much as the rest.
    #[cold]
    pub(super) fn full(&self, class: usize, pass: Pass) -> Duration {
        self.breaker.give_back(pass);
        self.advise(class)
    }

    /// Counts a rejection for want of a place and says when to come back.
    #[inline]
    pub(super) fn advise(&self, class: usize) -> Duration {
        let lot = self.places.reject(Seat::mine(), class);
        Advice::of_words([0, 1].map(|word: usize| self.advice[word].load(Ordering::Relaxed))).draw(lot)
    }

    /// Counts a rejection by the breaker.
    #[inline]
    pub(super) fn shut(&self, class: usize) {
        self.places.reject(Seat::mine(), class);
    }

    /// What a rejected caller is told.
    #[inline(always)]
    pub(super) fn rejected(&'static self, reason: RejectReason, retry_after: Duration) -> Rejected {
        Rejected { limit: self.slot.knob().name.as_str(), reason, retry_after }
    }
}
