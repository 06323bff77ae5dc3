//! How long a breaker stays open.
//!
//! The wait doubles with each opening, from `base` to `cap`, or is always the same. It is spread, so that the instances of a
//! service do not probe in step; the spread comes out of the process, the knob and the number of openings, so the same
//! snapshots give the same waits. A callee that says when to come back (Retry-After) is believed, within bounds.
//!
//! One doubling is forgiven for each clean while in closed, of ten seconds or of the last wait, if that was longer. To forgive
//! all of them at once makes a callee that fails only under full load flap for ever.

use std::time::Duration;

use crate::spec::InvalidConfig;
use crate::time::Timestamp;

/// The shortest clean while that forgives a doubling.
const CLEAN: Duration = Duration::from_secs(10);
/// A fixed wait has no cap that could bound what a callee asks for.
const LONGEST_ASKED: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);

/// How long to wait in open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wait {
    base: Duration,
    cap: Duration,
    jitter: f64,
}

impl Wait {
    /// Default of `base`.
    pub const BASE: Duration = Duration::from_secs(1);
    /// Default of `cap`.
    pub const CAP: Duration = Duration::from_secs(30);
    /// Default of `jitter`.
    pub const JITTER: f64 = 0.2;

    /// `base`, then twice that with each opening, at most `cap`; spread by `jitter` (0 to 0.5) in both directions.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn exponential(base: Duration, cap: Duration, jitter: f64) -> Result<Self, InvalidConfig> {
        if !(SHORTEST..=LONGEST).contains(&base) {
            return Err(InvalidConfig::OutOfRange { field: "base", range: "between 100ms and 1h" });
        }
        if cap < base || cap > LONGEST {
            return Err(InvalidConfig::Order {
                field: "cap",
                relation: "at most 1h and at least",
                other: "base",
            });
        }
        Self { base, cap, jitter: 0.0 }.spread(jitter)
    }

    /// Always `wait`, spread by `jitter` (0 to 0.5) in both directions.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn fixed(wait: Duration, jitter: f64) -> Result<Self, InvalidConfig> {
        if !(SHORTEST..=LONGEST).contains(&wait) {
            return Err(InvalidConfig::OutOfRange { field: "wait", range: "between 100ms and 1h" });
        }
        Self { base: wait, cap: wait, jitter: 0.0 }.spread(jitter)
    }

    fn spread(self, jitter: f64) -> Result<Self, InvalidConfig> {
        if !(0.0..=0.5).contains(&jitter) {
            return Err(InvalidConfig::OutOfRange { field: "jitter", range: "between 0% and 50%" });
        }
        Ok(Self { jitter, ..self })
    }

    /// The first wait, before it is spread.
    pub const fn base(&self) -> Duration {
        self.base
    }

    fn is_fixed(&self) -> bool {
        self.base == self.cap
    }
}

impl Default for Wait {
    fn default() -> Self {
        Self { base: Self::BASE, cap: Self::CAP, jitter: Self::JITTER }
    }
}

/// The waits of one breaker.
#[derive(Debug)]
pub(super) struct Waits {
    doublings: u32,
    last: Duration,
    openings: u64,
    seed: u64,
}

impl Waits {
    /// For the breaker `knob` of this life of a process.
    pub(super) fn new(knob: &str, incarnation: u64) -> Self {
        let seed = knob.bytes().fold(incarnation, |seed, byte| scatter(seed ^ u64::from(byte)));
        Self { doublings: 0, last: Duration::ZERO, openings: 0, seed }
    }

    /// The next wait; the callee has asked for `asked`.
    pub(super) fn next(&mut self, spec: &Wait, asked: Option<Duration>) -> Duration {
        let doubled =
            1_u32.checked_shl(self.doublings).map_or(spec.cap, |times| spec.base.saturating_mul(times));
        let share = (scatter(self.seed ^ self.openings) >> 11) as f64 / (1_u64 << 53) as f64;
        let spread = doubled.min(spec.cap).mul_f64(1.0 + spec.jitter * (2.0 * share - 1.0));
        let wait = whole_millis(if spec.is_fixed() { spread } else { spread.min(spec.cap) });
        let most = if spec.is_fixed() { spec.cap.max(LONGEST_ASKED) } else { spec.cap };
        self.doublings = self.doublings.saturating_add(1);
        self.openings += 1;
        self.last = asked.map_or(wait, |asked| wait.max(asked.min(most)));
        self.last
    }

    /// Forgives a doubling if it has been closed for a clean while; true when the next while begins.
    pub(super) fn forgive(&mut self, now: Timestamp, clean_since: Timestamp) -> bool {
        let over = self.doublings > 0 && now.since(clean_since) >= CLEAN.max(self.last);
        self.doublings -= u32::from(over);
        over
    }
}

/// As people read it.
fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Spreads the bits of a number evenly (the finaliser of splitmix64).
const fn scatter(number: u64) -> u64 {
    let x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn waits(spec: &Wait, asked: Option<u64>, count: usize) -> Vec<f64> {
        let mut waits = Waits::new("breaker.db", 7);
        (0..count).map(|_| waits.next(spec, asked.map(Duration::from_secs)).as_secs_f64()).collect()
    }

    #[test]
    fn b1_waits_double_up_to_the_cap() {
        let spec = Wait::exponential(SECOND, 30 * SECOND, 0.0).expect("sound");
        assert_eq!(waits(&spec, None, 7), [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(waits(&spec, None, 100)[99], 30.0, "no overflow");
    }

    #[test]
    fn b2_fixed_waits_stay() {
        assert_eq!(waits(&Wait::fixed(5 * SECOND, 0.0).expect("sound"), None, 4), [5.0; 4]);
        let spread = waits(&Wait::fixed(5 * SECOND, 0.2).expect("sound"), None, 100);
        assert!(spread.iter().all(|wait| (4.0..=6.0).contains(wait)), "{spread:?}");
        let mean = spread.iter().sum::<f64>() / 100.0;
        assert!((4.8..5.2).contains(&mean), "{mean}");
    }

    #[test]
    fn the_spread_tells_processes_and_knobs_apart_and_is_always_the_same() {
        let first = |knob, incarnation| Waits::new(knob, incarnation).next(&Wait::default(), None);
        assert_eq!(first("breaker.db", 7), first("breaker.db", 7));
        assert_ne!(first("breaker.db", 7), first("breaker.db", 8));
        assert_ne!(first("breaker.db", 7), first("breaker.mail", 7));
        let capped = waits(&Wait::default(), None, 50);
        assert!(capped.iter().all(|wait| *wait <= 30.0), "{capped:?}");
    }

    #[test]
    fn a_callee_that_says_when_to_come_back_is_believed_within_bounds() {
        let exponential = Wait::exponential(SECOND, 30 * SECOND, 0.0).expect("sound");
        assert_eq!(waits(&exponential, Some(7), 4), [7.0, 7.0, 7.0, 8.0]);
        assert_eq!(waits(&exponential, Some(86_400), 1), [30.0]);
        let fixed = Wait::fixed(5 * SECOND, 0.0).expect("sound");
        assert_eq!((waits(&fixed, Some(20), 1), waits(&fixed, Some(86_400), 1)), (vec![20.0], vec![30.0]));
    }

    #[test]
    fn a_clean_while_forgives_one_doubling_not_all() {
        let spec = Wait::exponential(SECOND, 30 * SECOND, 0.0).expect("sound");
        let mut waits = Waits::new("breaker.db", 7);
        (0..5).for_each(|_| _ = waits.next(&spec, None));
        let at = |seconds: u64| Timestamp::ZERO + Duration::from_secs(seconds);
        assert!(!waits.forgive(at(15), at(0)), "the last wait was 16 s");
        assert!(waits.forgive(at(16), at(0)));
        assert_eq!(waits.next(&spec, None), 16 * SECOND, "without it: 30 s");
        let mut fresh = Waits::new("breaker.db", 7);
        assert!(!fresh.forgive(at(100), at(0)), "nothing to forgive");
    }
}
