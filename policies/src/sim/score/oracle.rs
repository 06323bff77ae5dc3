//! The best limits in hindsight, found by trying.
//!
//! One limit for each kind of phase, out of [`GRID`]. First the best single limit for the whole scenario; then, kind by
//! kind, the best limit with the others held, until nothing gets better. The smallest limit wins that loses no more than
//! [`TIE`] of the answers in phases of that kind: it keeps latencies low at no cost. Goodput over the limit has one hill as a
//! rule, so a scan tries every third point and then the neighbours of the best. Where cores are shared there can be a second
//! hill, far up: short calls make it in time however crowded it is, long ones never; so the coarse points are all tried.

use std::collections::BTreeMap;

use crate::sim::scenario::Scenario;
use crate::sim::score::fixed::PhasedFixed;
use crate::sim::score::tally::Tally;

/// Limits that are tried: all up to 8, six to an octave up to 512, then coarse; and none at all.
#[rustfmt::skip]
pub const GRID: [f64; 47] = [
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 13.0, 14.0, 16.0, 18.0, 20.0, 23.0, 25.0, 29.0, 32.0, 36.0,
    40.0, 45.0, 51.0, 57.0, 64.0, 72.0, 81.0, 91.0, 102.0, 114.0, 128.0, 144.0, 161.0, 181.0, 203.0, 228.0, 256.0,
    287.0, 323.0, 362.0, 406.0, 456.0, 512.0, 1024.0, 2048.0, f64::INFINITY,
];
/// A smaller limit that has this much less goodput is as good.
pub const TIE: f64 = 0.001;
/// Points between two tries of the first scan.
const STRIDE: usize = 3;
/// Points at the end of the grid that lie further apart than the others.
const COARSE: usize = 3;
/// Rounds over all kinds of phases.
const ROUNDS: usize = 2;

/// The best limits of a scenario, calls in flight of all instances together; infinite = none.
#[derive(Debug, Clone, PartialEq)]
pub struct Oracle {
    /// For each phase.
    pub phases: Vec<f64>,
    /// The best that stays the same all the time.
    pub single: f64,
}

/// Finds the best limits over these seeds. Takes some hundred runs.
pub fn search(scenario: &Scenario, seeds: &[u64]) -> Oracle {
    search_and_tell(scenario, seeds, &mut |_| {})
}

/// The same, and tells after each limit how many were tried so far.
pub fn search_and_tell(scenario: &Scenario, seeds: &[u64], tried: &mut dyn FnMut(usize)) -> Oracle {
    let kinds = kinds(scenario);
    let count = kinds.iter().max().map_or(0, |kind| kind + 1);
    let mut known: BTreeMap<Vec<usize>, Vec<u32>> = BTreeMap::new();
    let mut answers = |points: &[usize]| -> Vec<u32> {
        let limits = kinds.iter().map(|kind| GRID[points[*kind]]).collect::<Vec<_>>();
        if !known.contains_key(points) {
            known.insert(points.to_vec(), by_kind(scenario, &kinds, &limits, seeds));
            tried(known.len());
        }
        known[points].clone()
    };
    let single = best(GRID.len() - 1, &mut |point| {
        let total = answers(&vec![point; count]).iter().sum();
        (total, total)
    });
    let mut points = vec![single; count];
    for _ in 0..ROUNDS {
        let before = points.clone();
        for kind in 0..count {
            points[kind] = best(before[kind], &mut |point| {
                let mut tried = points.clone();
                tried[kind] = point;
                let answers = answers(&tried);
                (answers.iter().sum(), answers[kind])
            });
        }
        if points == before {
            break;
        }
    }
    Oracle { phases: kinds.iter().map(|kind| GRID[points[*kind]]).collect(), single: GRID[single] }
}

/// Answers in time after the warm-up, by kind of phase.
fn by_kind(scenario: &Scenario, kinds: &[usize], limits: &[f64], seeds: &[u64]) -> Vec<u32> {
    let tally = Tally::run(scenario, seeds, &|_| PhasedFixed::fleet(scenario, limits));
    let mut answers = vec![0; kinds.iter().max().map_or(0, |kind| kind + 1)];
    let ends = scenario.phases.iter().skip(1).map(|phase| phase.at).chain([scenario.seconds]);
    for ((phase, end), kind) in scenario.phases.iter().zip(ends).zip(kinds) {
        answers[*kind] += tally.counts(phase.at.max(scenario.warm_up), end).in_time;
    }
    answers
}

/// For each phase the number of its kind, from 0.
fn kinds(scenario: &Scenario) -> Vec<usize> {
    let mut named = BTreeMap::new();
    let mut count = 0;
    let mut new = || {
        count += 1;
        count - 1
    };
    let kind = |phase: &crate::sim::scenario::Phase| match phase.kind {
        Some(name) => *named.entry(name).or_insert_with(&mut new),
        None => new(),
    };
    scenario.phases.iter().map(kind).collect()
}

/// The smallest point of the grid that is as good as the best; `start` is tried too. `answers` gives all answers, which
/// are to be as many as possible, and those of which [`TIE`] may be lost.
fn best(start: usize, answers: &mut dyn FnMut(usize) -> (u32, u32)) -> usize {
    let last = GRID.len() - 1;
    let mut top = (0, 0);
    let mut place = 0;
    let mut consider = |point: usize, place: &mut usize| {
        let found = answers(point);
        if found.0 > top.0 {
            (top, *place) = (found, point);
        }
    };
    for point in (0..=last - COARSE).step_by(STRIDE).chain(last - COARSE..=last).chain([start]) {
        consider(point, &mut place);
    }
    let middle = place;
    for point in middle.saturating_sub(STRIDE - 1)..=(middle + STRIDE - 1).min(last) {
        consider(point, &mut place);
    }
    let good = f64::from(top.0) - TIE * f64::from(top.1);
    let mut smallest = place;
    for point in (0..place).rev() {
        if f64::from(answers(point).0) >= good {
            smallest = point;
        } else if smallest > point + 1 {
            break;
        }
    }
    smallest
}
