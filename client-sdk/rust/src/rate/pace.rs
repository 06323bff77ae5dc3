//! Token time: how many tokens have dripped since the start.
//!
//! governor's quota cannot be changed, and a new limiter starts full, so a rate that is pushed ten times a second would
//! hand out ten bursts a second. To carry the level over in the obvious way, read the old bucket and fill the new one, loses
//! what callers take between the two: a thread that pushed and was preempted there gave a burst away.
//!
//! So here the *clock* of the buckets runs at the rate, and the buckets count in its units. A new rate is a new slope of
//! that clock: no bucket is touched, however many there are, and none gains or loses a token by it. Only the burst is left
//! to governor's quota ([`super::terms`]).
//!
//! # A stretch ends before the next one begins
//! A thread may hold on to an old stretch for as long as it likes (it was preempted). Were the old slope steeper, it would
//! see a time that is still to come, and a bucket that it empties then would stay shut until that time comes. So a stretch
//! that is replaced is given an end, a moment ahead of now; whoever reads the clock after that end sees the end. The
//! moment is [`AHEAD`]: when the thread that replaces it was stopped for longer, it sets a later end and looks again.

use crate::sync::{AtomicU64, Ordering};

/// Units of token time in a token: a bucket is right to a 256th of a call.
pub const TOKEN: u64 = 256;
/// The token time at the start: as long ago as the largest bucket takes to fill.
pub const ORIGIN: u64 = TOKEN << 32;
/// The slowest rate, one call in 31 years; the fastest, at which token time lasts for eleven.
const SLOWEST_PER_SECOND: f64 = 1e-9;
const FASTEST_PER_SECOND: f64 = 1e8;
/// A stretch is replaced from so many nanoseconds ahead on.
pub const AHEAD: u64 = 100_000;
/// Binary places of slopes and levels: the fastest slope is 26 units in a nanosecond.
const PLACES: u32 = 58;

/// A stretch of token time with one slope.
#[derive(Debug)]
pub struct Pace {
    /// Its first nanosecond, and the token time then.
    from: u64,
    level: u128,
    /// Units in a nanosecond; before `from`, and after.
    before: u64,
    slope: u64,
    /// The nanosecond at which it ends.
    until: AtomicU64,
}

impl Pace {
    /// The first stretch.
    pub fn start(per_second: f64, now: u64) -> Self {
        let slope = slope(per_second);
        let level = u128::from(ORIGIN) << PLACES;
        Self { from: now, level, before: slope, slope, until: AtomicU64::new(u64::MAX) }
    }

    /// Ends this stretch a moment ahead of `clock` and gives the one that follows.
    pub fn followed_by(&self, per_second: f64, clock: impl Fn() -> u64) -> Self {
        let from = loop {
            let from = clock().saturating_add(AHEAD).max(self.from);
            self.until.store(from, Ordering::SeqCst);
            if clock() <= from {
                break from;
            }
        };
        let until = AtomicU64::new(u64::MAX);
        Self { from, level: self.level_at(from), before: self.slope, slope: slope(per_second), until }
    }

    /// The token time at a nanosecond, in units.
    #[inline]
    pub fn at(&self, now: u64) -> u64 {
        // The end is looked at after the clock was read: whoever does not see it has a time before it.
        let level = self.level_at(now.min(self.until.load(Ordering::Acquire)));
        (level >> PLACES) as u64
    }

    #[inline]
    fn level_at(&self, now: u64) -> u128 {
        match now.checked_sub(self.from) {
            Some(since) => self.level + u128::from(since) * u128::from(self.slope),
            None => self.level.saturating_sub(u128::from(self.from - now) * u128::from(self.before)),
        }
    }

    /// The first nanosecond at which it is so late; `None`: never, as things are.
    pub fn when(&self, time: u64) -> Option<u64> {
        let level = u128::from(time) << PLACES;
        let nanos = if level >= self.level {
            let left = (level - self.level).checked_div(u128::from(self.slope))?;
            let exact = left * u128::from(self.slope) == level - self.level;
            u128::from(self.from) + left + u128::from(!exact)
        } else {
            let passed = (self.level - level).checked_div(u128::from(self.before)).unwrap_or(0);
            u128::from(self.from).saturating_sub(passed)
        };
        u64::try_from(nanos).ok()
    }
}

/// The slope of a rate, rounded up, so that ten calls a second make a whole one in 100 ms; 0 for a rate of 0.
fn slope(per_second: f64) -> u64 {
    if per_second <= 0.0 {
        return 0;
    }
    let per_second = per_second.clamp(SLOWEST_PER_SECOND, FASTEST_PER_SECOND);
    (per_second * TOKEN as f64 / 1e9 * (1_u64 << PLACES) as f64).ceil() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn token_time_runs_at_the_rate_and_goes_on_where_it_was() {
        let first = Pace::start(1000.0, 5);
        assert_eq!((first.at(5), first.at(5 + SECOND)), (ORIGIN, ORIGIN + 1000 * TOKEN));
        let second = first.followed_by(10.0, || SECOND);
        let turn = SECOND + AHEAD;
        assert_eq!(first.at(2 * SECOND), second.at(turn), "the old one has ended");
        assert_eq!(first.at(SECOND + 7), second.at(SECOND + 7), "and was the same until then");
        assert_eq!(second.at(turn + SECOND), second.at(turn) + 10 * TOKEN);
    }

    #[test]
    fn an_end_that_comes_too_late_is_moved() {
        let first = Pace::start(1e6, 0);
        // Stopped for a second between the first look at the clock and the second.
        let moments = std::cell::RefCell::new(vec![3 * SECOND, 3 * SECOND, 2 * SECOND, SECOND]);
        let second = first.followed_by(1.0, || moments.borrow_mut().pop().expect("four looks"));
        assert_eq!(first.at(u64::MAX), second.at(3 * SECOND + AHEAD));
    }

    proptest! {
        #[test]
        fn when_is_the_first_nanosecond_of_that_time(
            rates in prop::collection::vec((0.001..1e7_f64, 0_u64..10 * SECOND), 1..6),
            ahead in 0_u64..1_000_000,
        ) {
            let (mut pace, mut now) = (Pace::start(10.0, 0), 0);
            for (per_second, wait) in rates {
                now += wait;
                pace = pace.followed_by(per_second, || now);
            }
            let time = pace.at(now) + ahead;
            let when = pace.when(time).expect("the rate is above zero");
            prop_assert!(pace.at(when) >= time);
            prop_assert!(when == 0 || pace.at(when - 1) < time || pace.at(now) == time);
        }
    }
}
