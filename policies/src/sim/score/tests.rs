use super::fixed::PhasedFixed;
use super::measure::Score;
use super::oracle::search_and_tell;
use super::tally::Tally;
use crate::sim::distribution::Distribution;
use crate::sim::run::{Counts, Run, Slice};
use crate::sim::scenario::{Phase, Scenario};

/// 4 workers with 20 ms each: 200 calls per second. 120 are offered, from 10 s to 20 s 300.
fn scenario() -> Scenario {
    let phase = |at, overload| Phase { at, overload, kind: None };
    let points = vec![(0.0, 120.0), (10.0, 300.0), (20.0, 120.0)];
    let mut scenario = Scenario::plain(4, Distribution::Fixed(0.02), points);
    (scenario.seconds, scenario.warm_up) = (30.0, 2.0);
    scenario.phases = vec![phase(0.0, false), phase(10.0, true), phase(20.0, false)];
    scenario.classes[0].deadline = 0.2;
    scenario
}

/// A run with these answers in time, rejections, latency and limit in each slice, by its time in seconds.
fn made_up(slice: impl Fn(f64) -> (u32, u32, f32, f64)) -> Tally {
    let slices = (0..300).map(|number| {
        let (in_time, rejected, latency, limit) = slice(f64::from(number) / 10.0);
        Slice {
            classes: vec![Counts { arrived: 100, rejected, in_time, ..Counts::default() }],
            limit,
            limits: vec![limit],
            latencies: vec![latency; 10],
            ..Slice::default()
        }
    });
    let mut tally = Tally::default();
    tally.add(&scenario(), Run { slices: slices.collect(), ..Run::default() });
    tally
}

fn score(law: impl Fn(f64) -> (u32, u32, f32, f64)) -> Score {
    Score::of(&scenario(), &made_up(law), &made_up(|_| (100, 0, 0.05, 10.0)))
}

#[test]
fn goodput_counts_from_the_end_of_the_warm_up() {
    let half_in_overload = score(|at| {
        (
            if at < 2.0 {
                0
            } else if (10.0..20.0).contains(&at) {
                50
            } else {
                100
            },
            0,
            0.05,
            10.0,
        )
    });
    assert!((half_in_overload.goodput_ratio - 23.0 / 28.0).abs() < 1e-9);
    assert_eq!(half_in_overload.phases, [1.0, 0.5, 1.0]);
    assert_eq!(half_in_overload.by_seed.len(), 1);
    assert!((half_in_overload.classes[0] - 23.0 / 28.0).abs() < 1e-9);
}

#[test]
fn rejections_count_in_normal_phases_a_second_after_their_start() {
    let in_the_change = score(|at| {
        (100, if (20.0..21.0).contains(&at) || (10.0..20.0).contains(&at) { 80 } else { 0 }, 0.05, 10.0)
    });
    assert_eq!(in_the_change.false_reject_ratio, 0.0);
    let later = score(|at| (100, if at >= 21.0 { 10 } else { 0 }, 0.05, 10.0));
    assert!((later.false_reject_ratio - 0.1 * 9.0 / 17.0).abs() < 1e-9);
}

#[test]
fn latency_counts_in_overload_that_has_settled() {
    let slow_elsewhere = score(|at| (100, 0, if (11.5..20.0).contains(&at) { 0.25 } else { 9.0 }, 10.0));
    assert_eq!(slow_elsewhere.p99, Some(0.25));
}

#[test]
fn convergence_is_the_worst_change_and_needs_two_good_seconds() {
    assert_eq!(score(|_| (90, 0, 0.05, 10.0)).convergence, Some(0.0));
    let slow = score(|at| {
        (if (10.0..11.2).contains(&at) || (20.0..20.4).contains(&at) { 50 } else { 95 }, 0, 0.05, 10.0)
    });
    assert_eq!(slow.convergence, Some(1.5));
    let relapse = score(|at| {
        (if (10.0..11.0).contains(&at) || (12.0..13.0).contains(&at) { 50 } else { 95 }, 0, 0.05, 10.0)
    });
    assert_eq!(relapse.convergence, Some(3.0));
    assert_eq!(score(|at| (if at >= 20.0 { 85 } else { 100 }, 0, 0.05, 10.0)).convergence, None);
}

#[test]
fn oscillation_is_that_of_the_last_third_of_the_worst_phase() {
    let swings = |from: f64, at: f64| {
        if at >= from && ((at * 10.0).round() as u64).is_multiple_of(2) { 12.0 } else { 8.0 }
    };
    let early =
        score(|at| (100, 0, 0.05, if at < 6.0 || (10.0..16.0).contains(&at) { 100.0 * at } else { 10.0 }));
    assert_eq!(early.oscillation, 0.0);
    let late = score(|at| (100, 0, 0.05, if at < 20.0 { 10.0 } else { swings(27.0, at) }));
    assert!((late.oscillation - 0.2).abs() < 0.02, "{}", late.oscillation);
}

#[test]
fn the_oracle_finds_limits_that_use_all_workers_and_keep_the_deadline() {
    let scenario = scenario();
    let mut told = Vec::new();
    let oracle = search_and_tell(&scenario, &[1, 2], &mut |tried| told.push(tried));
    assert!(told.len() > 20 && told.iter().copied().eq(1..=told.len()), "each limit is told once: {told:?}");
    // 200 ms are ten times the work: 40 calls fit in time, 4 are the least that keep all workers busy.
    assert!((5.0..=40.0).contains(&oracle.phases[1]), "{oracle:?}");
    assert!((5.0..=40.0).contains(&oracle.single), "{oracle:?}");
    let answers = |limits: &[f64]| {
        let tally = Tally::run(&scenario, &[3], &|_| PhasedFixed::fleet(&scenario, limits));
        f64::from(tally.counts(10.0, 20.0).in_time)
    };
    let best = answers(&oracle.phases);
    assert!(best > 1900.0, "{best}");
    assert!(answers(&[f64::INFINITY; 3]) < 0.2 * best);
    assert!(answers(&[3.0; 3]) < 0.8 * best);
}
