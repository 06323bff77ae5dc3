use super::*;
use crate::demo::history::LaneSample;
use crate::demo::script::story;
use crate::load::outcome::Outcome;

fn samples(goodput: &[f64], p99_ms: u64) -> Vec<Sample> {
    let one = |(i, goodput_per_second): (usize, &f64)| {
        let p99 = Some(Duration::from_millis(p99_ms));
        let lane = LaneSample { goodput_per_second: *goodput_per_second, p99, ..LaneSample::default() };
        let at = Duration::from_secs(10) + EVERY * (i as u32 + 1);
        Sample { at, lanes: [lane, LaneSample::default()], ..Sample::default() }
    };
    goodput.iter().enumerate().map(one).collect()
}

#[test]
fn convergence_by_table() {
    let began = Duration::from_secs(10);
    let of = |goodput: &[f64], p99_ms| convergence(&samples(goodput, p99_ms), began, 100.0, Some(50.0));
    assert_eq!(of(&[100.0; 8], 100), Some(0.0));
    assert_eq!(of(&[10.0, 10.0, 95.0, 95.0, 95.0, 95.0], 100), Some(0.5));
    assert_eq!(of(&[10.0, 120.0, 10.0, 120.0, 10.0, 120.0], 100), None, "a peak is no second");
    assert_eq!(of(&[100.0; 8], 151), None, "goodput at three times the p99 is none");
    assert_eq!(of(&[100.0; 3], 100), None, "less than a second");
    let unknown_p99 = convergence(&samples(&[100.0; 8], 100), began, 100.0, None);
    assert_eq!(unknown_p99, None, "nothing to compare with");
}

#[test]
fn a_side_is_measured_against_capacity_and_against_what_was_offered() {
    let mut tally = Tally::default();
    tally.scheduled = 200;
    for _ in 0..90 {
        tally.record(Outcome::Ok, Duration::from_millis(10));
    }
    for _ in 0..110 {
        tally.record(Outcome::Rejected, Duration::ZERO);
    }
    let side = side(&tally, Duration::from_secs(2), 50.0);
    assert_eq!((side.goodput_ratio, side.goodput_of_offered_ratio), (0.9, Some(0.45)));
    assert_eq!(side.rejected_ratio, Some(0.55));
    assert_eq!(super::side(&Tally::default(), Duration::from_secs(2), 50.0).rejected_ratio, None);
}

fn phases(overload_goodput: f64, overload_p99_ms: f64) -> Vec<PhaseFigures> {
    let side = |goodput_ratio, p99_ms| Side { goodput_ratio, p99_ms: Some(p99_ms), ..Side::default() };
    let figures = |phase: &Phase| PhaseFigures {
        name: phase.name,
        load_ratio: phase.load_ratio,
        seconds: 1.0,
        protected: if phase.name == OVERLOAD {
            side(overload_goodput, overload_p99_ms)
        } else {
            side(0.5, 100.0)
        },
        unprotected: Side::default(),
    };
    story(true).iter().map(figures).collect()
}

fn edit(in_force_ms: Option<f64>) -> Edit {
    Edit { limit: 40, accepted_ms: Some(200.0), in_force_ms }
}

#[test]
fn promises_by_table() {
    let quick = [edit(Some(230.0)), edit(Some(1000.0))];
    let slow = [edit(Some(1001.0))];
    let lost = [edit(None)];
    let calm = Toll { in_time_before_ratio: 0.9, ..Toll::default() };
    let harm = Toll { failed: 1, ..calm.clone() };
    let late = Toll { delayed: 1, ..calm.clone() };
    let choked = Toll { in_time_before_ratio: 0.89, ..calm.clone() };
    type Row<'a> = (&'a str, f64, f64, &'a Toll, &'a [Edit], [bool; 4]);
    let table: [Row<'_>; 9] = [
        ("all kept", 0.90, 300.0, &calm, &quick, [true, true, true, true]),
        ("goodput", 0.89, 300.0, &calm, &quick, [false, true, true, true]),
        ("p99", 0.95, 301.0, &calm, &quick, [true, false, true, true]),
        ("failed", 0.95, 200.0, &harm, &quick, [true, true, false, true]),
        ("delayed", 0.95, 200.0, &late, &quick, [true, true, false, true]),
        ("choked before", 0.95, 200.0, &choked, &quick, [true, true, false, true]),
        ("slow edit", 0.95, 200.0, &calm, &slow, [true, true, true, false]),
        ("lost edit", 0.95, 200.0, &calm, &lost, [true, true, true, false]),
        ("no edit", 0.95, 200.0, &calm, &[], [true, true, true, false]),
    ];
    for (name, goodput, p99_ms, toll, edits, expected) in table {
        let seen = promises(&story(true), &phases(goodput, p99_ms), toll, edits);
        assert_eq!(seen.iter().map(|promise| promise.kept).collect::<Vec<_>>(), expected, "{name}: {seen:?}");
    }
}

#[test]
fn what_was_not_measured_is_not_kept() {
    let seen = promises(&[], &[], &Toll::default(), &[]);
    assert!(seen.iter().all(|promise| !promise.kept), "{seen:?}");
}
