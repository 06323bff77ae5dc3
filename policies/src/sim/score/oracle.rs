//! The best limits in hindsight, found by trying.
//!
//! One limit for each kind of phase, out of [`GRID`]. First the best single limit for the whole scenario; then, kind by
//! kind, the best limit with the others held, until nothing gets better. Of limits that are within [`TIE`] of the best the
//! smallest wins: it keeps latencies low at no cost. Goodput over the limit has one hill in practice, so a scan tries
//! every third point and then the neighbours of the best.

use std::collections::BTreeMap;

use crate::sim::scenario::Scenario;
use crate::sim::score::fixed::PhasedFixed;
use crate::sim::score::tally::Tally;

/// Limits that are tried: all up to 8, six to an octave up to 512, then coarse; and none at all.
pub const GRID: [f64; 47] = [
    1.0,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    7.0,
    8.0,
    9.0,
    10.0,
    11.0,
    13.0,
    14.0,
    16.0,
    18.0,
    20.0,
    23.0,
    25.0,
    29.0,
    32.0,
    36.0,
    40.0,
    45.0,
    51.0,
    57.0,
    64.0,
    72.0,
    81.0,
    91.0,
    102.0,
    114.0,
    128.0,
    144.0,
    161.0,
    181.0,
    203.0,
    228.0,
    256.0,
    287.0,
    323.0,
    362.0,
    406.0,
    456.0,
    512.0,
    1024.0,
    2048.0,
    f64::INFINITY,
];
/// A smaller limit that has this much less goodput is as good.
pub const TIE: f64 = 0.001;
/// Points between two tries of the first scan.
const STRIDE: usize = 3;
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
    let kinds = kinds(scenario);
    let count = kinds.iter().max().map_or(0, |kind| kind + 1);
    let mut known = BTreeMap::new();
    let mut goodput = |points: &[usize]| {
        *known.entry(points.to_vec()).or_insert_with(|| {
            let limits: Vec<f64> = kinds.iter().map(|kind| GRID[points[*kind]]).collect();
            let tally = Tally::run(scenario, seeds, &|_| PhasedFixed::fleet(scenario, &limits));
            tally.counts(scenario.warm_up, scenario.seconds).in_time
        })
    };
    let single = best(GRID.len() - 1, &mut |point| goodput(&vec![point; count]));
    let mut points = vec![single; count];
    for _ in 0..ROUNDS {
        let before = points.clone();
        for kind in 0..count {
            let start = points[kind];
            points[kind] = best(start, &mut |point| {
                let mut tried = points.clone();
                tried[kind] = point;
                goodput(&tried)
            });
        }
        if points == before {
            break;
        }
    }
    Oracle { phases: kinds.iter().map(|kind| GRID[points[*kind]]).collect(), single: GRID[single] }
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

/// The smallest point of the grid that is within [`TIE`] of the best; `start` is tried too.
fn best(start: usize, goodput: &mut dyn FnMut(usize) -> u32) -> usize {
    let last = GRID.len() - 1;
    let scan = (0..=last).step_by(STRIDE).chain([start, last]);
    let (_, mut top, mut place) = scan.fold((0, 0, 0), |(_, top, place), point| {
        let value = goodput(point);
        if value > top { (0, value, point) } else { (0, top, place) }
    });
    for point in place.saturating_sub(STRIDE - 1)..=(place + STRIDE - 1).min(last) {
        let value = goodput(point);
        if value > top {
            (top, place) = (value, point);
        }
    }
    let good = f64::from(top) * (1.0 - TIE);
    let mut smallest = place;
    for point in (0..place).rev() {
        if f64::from(goodput(point)) >= good {
            smallest = point;
        } else if smallest > point + 1 {
            break;
        }
    }
    smallest
}
