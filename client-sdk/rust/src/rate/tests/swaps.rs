//! Any sequence of swaps under a hand-moved clock, beside a naive bucket in floating point.

use proptest::prelude::*;

use super::super::pace::AHEAD;
use super::*;

/// Rounding of the naive bucket, and the 256th of ours.
const SLACK: f64 = 0.01;

/// Between two swaps: what is pushed, and what callers do until the next one.
#[derive(Debug, Clone)]
struct Stretch {
    per_second: f64,
    burst: u32,
    /// The time before each attempt, nanoseconds, and its weight.
    attempts: Vec<(u64, u32)>,
}

fn stretch(longest_nanos: u64) -> impl Strategy<Value = Stretch> {
    let rate = prop_oneof![4 => 1.0..5000.0_f64, 1 => Just(0.0), 1 => 1e-9..0.01_f64, 1 => 1e4..1e6_f64];
    let attempts = prop::collection::vec((0..longest_nanos, 1_u32..4), 0..12);
    (rate, 1_u32..400, attempts).prop_map(|(per_second, burst, attempts)| Stretch {
        per_second,
        burst,
        attempts,
    })
}

/// A bucket as one would write it down: `level` at a time, at most `burst`, growing at a rate that changes a moment after
/// it was pushed.
struct Naive {
    level: f64,
    burst: f64,
    per_second: f64,
    /// The rate from that nanosecond on.
    next: Option<(u64, f64)>,
    at: u64,
    /// All that has dripped since the start, had no bucket ever been full.
    dripped: f64,
}

impl Naive {
    fn full(per_second: f64, burst: f64) -> Self {
        Self { level: burst, burst, per_second, next: None, at: 0, dripped: 0.0 }
    }

    fn advance(&mut self, to: u64) {
        if let Some((turn, per_second)) = self.next.filter(|(turn, _)| *turn <= to) {
            self.next = None;
            self.grow(turn);
            self.per_second = per_second;
        }
        self.grow(to);
    }

    fn grow(&mut self, to: u64) {
        let more = (to - self.at) as f64 / 1e9 * self.per_second;
        (self.level, self.at, self.dripped) = ((self.level + more).min(self.burst), to, self.dripped + more);
    }

    fn swap(&mut self, now: u64, per_second: f64, burst: f64) {
        self.advance(now);
        // A second swap within a moment: the rate in between has never run.
        let turn = self.next.map_or(now + AHEAD, |(turn, _)| turn.max(now + AHEAD));
        let shut = per_second == 0.0 || self.next.map_or(self.per_second, |(_, rate)| rate) == 0.0;
        self.next = Some((turn, per_second));
        self.level = if shut { 0.0 } else { self.level.min(burst) };
        self.burst = burst;
    }

    fn is_shut(&self) -> bool {
        self.next.map_or(self.per_second, |(_, rate)| rate) == 0.0
    }
}

/// A moment in a run: when, all that had dripped, all that was admitted, and the level.
type Mark = (f64, f64, f64);

fn run(stretches: &[Stretch]) -> Result<(), TestCaseError> {
    let hand = Hand::default();
    let rate = rate(&hand, 0.0, 10.0);
    let (mut naive, mut now, mut admitted) = (Naive::full(10.0, 10.0), 0, 0.0);
    let mut marks: Vec<Mark> = vec![(0.0, 0.0, 10.0)];
    for Stretch { per_second, burst, attempts } in stretches {
        push(rate, *per_second, Some(f64::from(*burst)));
        naive.swap(now, *per_second, f64::from(*burst));
        // Two swaps within the moment that one takes are not what the naive bucket can tell.
        for (wait, weight) in std::iter::once(&(AHEAD, 1)).chain(attempts) {
            now += wait;
            hand.set(now);
            naive.advance(now);
            let weighs = f64::from((*weight).min(*burst));
            let there = naive.level;
            match rate.try_acquire_many(*weight) {
                Ok(()) => {
                    prop_assert!(there > weighs - SLACK && !naive.is_shut(), "{there} for {weighs}");
                    (naive.level, admitted) = (there - weighs, admitted + weighs);
                }
                Err(rejected) => {
                    prop_assert!(there < weighs + SLACK || naive.is_shut(), "{there} for {weighs}");
                    exact(&hand, rate, *weight, rejected.retry_after, now)?;
                }
            }
            marks.push((naive.dripped, admitted, naive.level + weighs));
        }
    }
    bounded(&marks)
}

/// The advice is the first nanosecond at which the call passes. The clock is put back; the bucket is as it was.
fn exact(hand: &Hand, rate: Rate, weight: u32, wait: Duration, now: u64) -> Result<(), TestCaseError> {
    if wait == Duration::from_secs(5) {
        return Ok(());
    }
    let then = now + u64::try_from(wait.as_nanos()).expect("at most 5 s");
    hand.set(then - 1);
    prop_assert!(rate.try_acquire_many(weight).is_err(), "a nanosecond before {wait:?}");
    hand.set(then);
    let terms = rate.0.terms().expect("limited");
    let held = terms.tokens(rate.0.store().spent());
    prop_assert!(
        held >= f64::from(weight).min(f64::from(terms.burst())),
        "{held} for {weight} after {wait:?}"
    );
    hand.set(now);
    Ok(())
}

/// In every interval no more is admitted than was there at its start and has dripped since.
fn bounded(marks: &[Mark]) -> Result<(), TestCaseError> {
    for (index, (dripped, admitted, level)) in marks.iter().enumerate() {
        for (later_dripped, later, _) in &marks[index..] {
            let most = level + (later_dripped - dripped) + SLACK;
            prop_assert!(later - admitted <= most, "{} of {most}", later - admitted);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn c4_any_swaps_follow_the_naive_bucket_and_no_interval_gets_more_than_its_share(
        stretches in prop::collection::vec(stretch(300_000_000), 1..25),
    ) {
        run(&stretches)?;
    }

    #[test]
    fn c4_a_storm_of_swaps_every_100_ms_follows_the_naive_bucket(
        stretches in prop::collection::vec(stretch(6_000_000), 30..80),
    ) {
        run(&stretches)?;
    }

    // Bursts of four calls and more: no bucket is full between two attempts, a millisecond apart.
    #[test]
    fn c4_who_always_asks_gets_all_that_drips_whatever_is_pushed(
        pushes in prop::collection::vec((1.0..2000.0_f64, 4_u32..3000, 1_u64..400), 1..100),
    ) {
        let hand = Hand::default();
        let rate = rate(&hand, 1.0, 50.0);
        let mut got = taken(rate) as f64 - 50.0;
        let (mut due, mut in_force) = (0.0, 50.0);
        for (per_second, burst, millis) in pushes {
            push(rate, per_second, Some(f64::from(burst)));
            due += AHEAD as f64 / 1e9 * (in_force - per_second);
            for _ in 0..millis {
                hand.advance(MS);
                got += taken(rate) as f64;
                due += per_second / 1000.0;
            }
            in_force = per_second;
            prop_assert!(got <= due + SLACK && got > due - 1.0 - SLACK, "{got} of {due}");
        }
    }
}

#[test]
fn c4_the_end_of_a_lease_is_a_hundred_swaps_and_no_burst() {
    let hand = Hand::default();
    let rate = rate(&hand, 1.0, 100.0);
    push(rate, 2000.0, None);
    taken(rate);
    hand.advance(Duration::from_secs(1));
    let mut admitted = taken(rate) as f64;
    assert!((1999.0..=2000.0).contains(&admitted), "{admitted}");
    let mut due = 0.0;
    for step in 1..=100 {
        let per_second = 2000.0 - 19.0 * f64::from(step);
        push(rate, per_second, None);
        for _ in 0..60 {
            hand.advance(10 * MS);
            admitted += taken(rate) as f64;
        }
        due += 0.6 * per_second + 0.0001 * 19.0;
    }
    assert_eq!(rate.per_second(), 100.0);
    assert!((admitted - 2000.0 - due).abs() < 2.0, "{admitted} of {due}");
}
