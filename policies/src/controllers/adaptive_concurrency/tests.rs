//! The parts of the law by hand-computed cases; how they work together is shown by the scenarios in
//! `tests/concurrency_law.rs` and by the scoreboard.
use std::sync::Arc;

use super::arm::Arm;
use super::capacity::Capacity;
use super::curve::Curve;
use super::cut::{Cut, Finding, Point};
use super::drops::DropCeiling;
use super::floor::Floor;
use super::patience::Patience;
use super::sample::{Meter, Observed, Sample};
use super::*;
use crate::knob::{Kind, Knob, KnobName};
use crate::reflex;
use crate::signal::Signals;
use crate::snapshot::Received;

/// A tenth of a second at `rate` calls per second of `latency` each, all in time, with calls rejected.
fn sample(rate: f64, latency: f64) -> Sample {
    let ended = rate * 0.1;
    Sample {
        seconds: 0.1,
        arrived: 2.0 * ended,
        rejected: ended,
        ended,
        answered: ended,
        good: ended,
        latency_sum: ended * latency,
        area: ended * latency,
        in_flight_now: rate * latency,
        age: latency / 2.0,
        peak: rate * latency,
        limit: Some(20.0),
        ..Sample::default()
    }
}

fn late(sample: Sample, ratio: f64) -> Sample {
    Sample { late: ratio * sample.answered, good: (1.0 - ratio) * sample.answered, ..sample }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * b.abs().max(1.0)
}

mod floors {
    use super::*;

    fn floor(samples: impl IntoIterator<Item = (Sample, bool)>) -> Option<f64> {
        let mut floor = Floor::default();
        samples.into_iter().for_each(|(sample, calm)| floor.see(&sample, calm));
        floor.latency()
    }

    #[test]
    fn the_first_half_second_is_not_looked_at_and_a_block_takes_a_second() {
        let fast = || std::iter::repeat_n((sample(400.0, 0.010), true), 5);
        assert_eq!(floor(fast().chain(std::iter::repeat_n((sample(400.0, 0.030), true), 9))), None);
        let enough = floor(fast().chain(std::iter::repeat_n((sample(400.0, 0.030), true), 11)));
        assert!(close(enough.unwrap(), 0.030), "{enough:?}");
    }

    #[test]
    fn it_is_the_lowest_block_of_the_last_calm_minute() {
        let block =
            |latency, calm, blocks: usize| std::iter::repeat_n((sample(400.0, latency), calm), 10 * blocks);
        let start = || block(0.050, true, 1).chain(block(0.020, true, 2));
        assert!(
            close(floor(start().chain(block(0.040, true, 30))).unwrap(), 0.020),
            "remembered for a minute"
        );
        assert!(close(floor(start().chain(block(0.040, true, 70))).unwrap(), 0.040), "and then forgotten");
        let overload = floor(start().chain(block(0.200, false, 300)));
        assert!(close(overload.unwrap(), 0.020), "in overload nothing is forgotten");
    }

    #[test]
    fn an_experiment_replaces_it() {
        let mut floor = Floor::default();
        (0..30).for_each(|_| floor.see(&sample(400.0, 0.020), true));
        floor.is_now(0.300);
        assert_eq!(floor.latency(), Some(0.300));
    }
}

mod patience {
    use super::*;

    #[test]
    fn the_budget_is_a_share_of_the_deadline_within_floors() {
        let with = |deadline| Patience::new(Some(deadline));
        assert!(close(with(0.5).budget(Some(0.050)), 0.21), "0.42 of it");
        assert!(close(with(0.1).budget(Some(0.030)), 0.060), "two floors at least");
        assert!(close(with(0.1).budget(Some(0.080)), 0.085), "as far as the deadline allows");
        assert!(close(with(30.0).budget(Some(0.050)), 0.5), "ten floors at most");
        assert!(close(with(30.0).budget(Some(0.001)), 0.2), "but always 200 ms");
        assert!(close(Patience::new(None).budget(Some(0.050)), 0.2), "four floors without a deadline");
        assert_eq!(Patience::new(None).budget(None), 0.0, "nothing is known");
    }

    #[test]
    fn its_share_follows_late_answers_within_bounds() {
        let mut patience = Patience::new(Some(1.0));
        (0..100).for_each(|_| patience.see_full(&late(sample(400.0, 0.1), 0.5)));
        assert!(close(patience.budget(Some(0.050)), 0.40), "never under 0.40: a spiral would end at nothing");
        (0..100).for_each(|_| patience.see_full(&sample(400.0, 0.1)));
        assert!(close(patience.budget(Some(0.1)), 0.85));
    }

    #[test]
    fn answers_that_are_always_late_are_no_sign_of_overload() {
        let mut patience = Patience::new(Some(0.1));
        let slow = late(Sample { in_flight_now: 40.0, ..sample(400.0, 0.1) }, 0.2);
        assert!(patience.is_exceeded(&slow, Some(0.080)), "a fifth too late, and latency over the budget");
        (0..500).for_each(|_| patience.see_calm(&slow));
        assert!(!patience.is_exceeded(&slow, Some(0.080)), "as usual");
        assert!(patience.is_exceeded(&late(slow, 0.5), Some(0.080)), "more than usual");
    }
}

mod capacities {
    use super::*;

    #[test]
    fn one_bad_sample_is_no_news_and_two_that_agree_are() {
        let mut capacity = Capacity::default();
        for _ in 0..10 {
            capacity.see(&sample(400.0, 0.02));
            capacity.see_room(&sample(400.0, 0.02));
        }
        let bad = sample(100.0, 0.2);
        capacity.see(&bad);
        capacity.see_saturated(&bad, true, 0.1);
        assert!(capacity.known() >= 390.0, "{}", capacity.known());
        for _ in 0..3 {
            capacity.see(&bad);
            capacity.see_saturated(&bad, true, 0.1);
        }
        assert!(capacity.known() < 200.0, "{}", capacity.known());
    }

    #[test]
    fn a_pause_of_the_process_is_not_its_capacity() {
        let mut capacity = Capacity::default();
        capacity.is_now(400.0);
        let still = sample(10.0, 0.5);
        (0..4).for_each(|_| capacity.see_saturated(&still, false, 0.1));
        assert!(close(capacity.known(), 400.0));
        (0..6).for_each(|_| capacity.see_saturated(&still, false, 0.1));
        assert!(capacity.known() < 100.0, "longer than that it is");
    }
}

mod curves {
    use super::*;

    #[test]
    fn more_calls_that_get_less_done_make_a_ceiling() {
        let mut curve = Curve::new();
        let fine = || sample(400.0, 0.050);
        (0..20).for_each(|_| curve.see(&fine(), 0.1, true));
        assert_eq!(curve.ceiling(), f64::INFINITY);
        (0..3).for_each(|_| curve.see(&sample(200.0, 0.3), 0.1, true));
        // 20 calls in flight are level 13 (18.2): 1.3 x 18 + 2.
        assert!(close(curve.ceiling(), 1.3 * 18.0 + 2.0), "{}", curve.ceiling());
        let short = sample(300.0, 0.066);
        (0..3).for_each(|_| curve.see(&short, 0.1, true));
        assert_eq!(curve.ceiling(), f64::INFINITY, "what it promised is not to be had any more");
    }
}

mod cuts {
    use super::*;

    /// 20 calls in flight, 50 ms each, cut to 10.
    fn cut() -> Cut {
        Cut::down(Point::of(&[sample(400.0, 0.050); 3]), 10.0)
    }

    fn finding(mut cut: Cut, after: Sample, deadline: Option<f64>) -> Finding {
        (0..40)
            .map(|_| cut.observe(&after, deadline))
            .find(|finding| *finding != Finding::Open)
            .expect("a verdict")
    }

    #[test]
    fn throughput_that_stays_shows_a_queue() {
        let Finding::Queue { throughput } = finding(cut(), sample(400.0, 0.025), None) else { panic!() };
        assert!(close(throughput, 400.0));
    }

    #[test]
    fn throughput_that_falls_with_the_limit_shows_a_floor() {
        let Finding::Floor { before, latency, throughput } = finding(cut(), sample(200.0, 0.050), None)
        else {
            panic!()
        };
        assert!(close(before, 0.050) && close(latency, 0.050) && close(throughput, 400.0));
    }

    #[test]
    fn with_a_deadline_answers_in_time_decide() {
        let all_late = Cut::down(Point::of(&[late(sample(400.0, 0.050), 0.9); 3]), 10.0);
        let found = finding(all_late, sample(200.0, 0.050), Some(0.060));
        assert!(matches!(found, Finding::Queue { .. }), "half as many, but in time: {found:?}");
    }

    #[test]
    fn a_limit_that_is_not_in_use_any_more_teaches_nothing() {
        assert_eq!(
            finding(cut(), Sample { in_flight_now: 10.0, ..sample(380.0, 0.050) }, None),
            Finding::Unused
        );
    }

    #[test]
    fn a_floor_is_believed_only_if_throughput_comes_back_with_the_limit() {
        let back = || {
            let mut cut = cut();
            while cut.observe(&sample(200.0, 0.050), None) == Finding::Open {}
            cut.back(20.0, 0.025)
        };
        assert_eq!(finding(back(), sample(400.0, 0.050), None), Finding::Unused, "it did");
        let Finding::NoFloor { floor, throughput } = finding(back(), sample(210.0, 0.095), None) else {
            panic!()
        };
        assert!(close(floor, 0.025) && close(throughput, 210.0), "it did not: a queue after all");
    }
}

#[test]
fn an_arm_is_the_mean_of_its_samples_and_fades() {
    let mut arm = Arm::of(&[sample(400.0, 0.02), sample(200.0, 0.02)]);
    assert!(close(arm.goodput, 300.0) && close(arm.in_flight, 6.0) && close(arm.little(), 0.02));
    assert!(!arm.is_telling());
    (0..20).for_each(|_| arm.add(&sample(100.0, 0.02)));
    assert!(arm.is_telling() && arm.goodput < 150.0, "{}", arm.goodput);
    let sure = arm.error(&arm, 0.01);
    arm.fade();
    assert!(arm.error(&arm, 0.01) > sure, "less is known after a visit elsewhere");
}

#[test]
fn drops_cut_to_what_got_through_and_the_limit_comes_back_below_them() {
    let mut drops = DropCeiling::default();
    let half = Sample { dropped: 20.0, good: 20.0, answered: 20.0, ..sample(400.0, 0.050) };
    let after = drops.see(1.0, &half, 20.0, 0.050).expect("half of the calls were dropped");
    // 1.1 x 200/s x 50 ms = 11 of 20.
    assert!(close(after.limit, 11.0), "{after:?}");
    assert_eq!(drops.see(1.1, &half, 11.0, 0.050), None, "calls from before may still be dropped");
    for tenth in 0..200 {
        drops.see(2.0 + 0.1 * f64::from(tenth), &sample(400.0, 0.025), 11.0, 0.050);
    }
    assert!((17.0..40.0).contains(&drops.ceiling()), "{}", drops.ceiling());
}

/// Reports of a steady service, one each 100 ms: `calls` of `latency`.
fn reports(calls: u64, latency: f64) -> impl Iterator<Item = Arc<Totals>> {
    let nanos = (latency * 1e9) as u64;
    (1u64..).map(move |tick| {
        let (at_nanos, completed) = (tick * 100_000_000, tick * calls);
        Arc::new(Totals {
            at_nanos,
            arrived: completed,
            admitted: completed,
            completed,
            admit_time_sum: (1..=tick).map(|t| calls * (t * 100_000_000 - nanos)).sum(),
            release_time_sum: (1..=tick).map(|t| calls * t * 100_000_000).sum(),
            latency_sum: completed * nanos,
            success_latency_sum: completed * nanos,
            in_flight_peak: 5,
            limit_in_force: 10.0,
            ..Totals::default()
        })
    })
}

fn observed(reports: impl IntoIterator<Item = Arc<Totals>>) -> Vec<Observed> {
    let mut meter = Meter::default();
    reports.into_iter().map(|totals| meter.observe(&totals, 0.0, 0.0)).collect()
}

#[test]
fn the_same_report_twice_changes_nothing() {
    let twice = observed(reports(100, 0.020).take(5).flat_map(|totals| [totals.clone(), totals]));
    let complete = twice.iter().filter(|seen| matches!(seen, Observed::Complete(..))).count();
    assert_eq!((complete, twice.len()), (4, 10));
    let Observed::Complete(sample, passed) = twice[2] else { panic!("{:?}", twice[2]) };
    assert!(close(sample.throughput(), 1000.0) && close(sample.little(), 0.020) && close(passed, 0.1));
    assert_eq!(sample.limit, Some(10.0));
}

#[test]
fn few_calls_are_pooled_for_half_a_second_or_as_long_as_one_takes() {
    let pooled = |latency: f64| {
        let mut meter = Meter::default();
        let complete = |totals| matches!(meter.observe(&totals, 0.0, latency), Observed::Complete(..));
        reports(1, 0.020).take(41).map(complete).filter(|complete| *complete).count()
    };
    assert_eq!((pooled(0.0), pooled(1.0)), (8, 4));
}

#[test]
fn a_stalled_stretch_proves_nothing_but_takes_its_time() {
    let stalled = |(tick, totals): (usize, Arc<Totals>)| {
        let stall_nanos = if tick >= 2 { 500_000_000 } else { 0 };
        Arc::new(Totals { stall_nanos, ..(*totals).clone() })
    };
    let seen = observed(reports(100, 0.020).take(4).enumerate().map(stalled));
    assert_eq!(seen[2], Observed::Stalled);
    assert!(matches!(seen[3], Observed::Complete(_, passed) if close(passed, 0.2)), "{:?}", seen[3]);
}

#[test]
fn a_sample_at_the_reflex_s_limit_is_nobody_s() {
    let held =
        |totals: Arc<Totals>| Arc::new(Totals { reflex: Some(reflex::Cause::Drops), ..(*totals).clone() });
    let seen = observed(reports(100, 0.020).take(2).map(held));
    assert!(matches!(seen[1], Observed::Complete(Sample { limit: None, .. }, _)), "{:?}", seen[1]);
}

#[test]
fn a_clock_that_jumps_back_does_not_deafen_the_meter() {
    let later = |totals: Arc<Totals>| {
        Arc::new(Totals { at_nanos: totals.at_nanos + 1_000_000_000_000, ..(*totals).clone() })
    };
    let seen = observed(reports(100, 0.020).take(1).map(later).chain(reports(100, 0.020).take(3)));
    assert_eq!(seen[1], Observed::Nothing);
    assert!(matches!(seen[3], Observed::Complete(..)));
}

fn policy(max: f64) -> (AdaptiveConcurrencyPolicy, Knob) {
    let name = KnobName::try_new("limit.x").expect("valid");
    let knob = Knob::try_new(name.clone(), Kind::ConcurrencyLimit, 4.0, 2000.0, 50.0).expect("valid");
    let spec = AdaptiveConcurrency::try_new(name, 4.0, max, None, Duration::ZERO).expect("valid");
    (AdaptiveConcurrencyPolicy::new(spec), knob)
}

fn seen<'a>(knob: &'a Knob, received: &'a Received, signals: &'a Signals) -> Seen<'a> {
    Seen {
        now: received.at,
        since: crate::time::Timestamp::ZERO,
        knob,
        in_force: Value::Concurrency(50.0),
        held_up: false,
        capped: false,
        totals: Some(received),
        incarnation: 1,
        signals,
        node: signals,
    }
}

#[test]
fn nothing_above_max_is_ever_wanted_whatever_is_in_force() {
    let (mut policy, knob) = policy(20.0);
    let signals = Signals::default();
    for (tick, totals) in reports(100, 0.020).take(50).enumerate() {
        let received = Received { at: crate::time::Timestamp::from_millis(100 * tick as u64), totals };
        let proposal = policy.step(&seen(&knob, &received, &signals));
        let Want::Set(Value::Concurrency(limit)) = proposal.want else { panic!("{proposal:?}") };
        assert!(limit <= 20.0, "{limit}: {:?}", proposal.reason);
    }
}

#[test]
fn the_floor_goes_with_the_limit() {
    let (mut policy, knob) = policy(2000.0);
    let signals = Signals::default();
    assert_eq!(policy.admission().baseline_latency, None);
    for (tick, totals) in reports(100, 0.020).take(50).enumerate() {
        let received = Received { at: crate::time::Timestamp::from_millis(100 * tick as u64), totals };
        policy.step(&seen(&knob, &received, &signals));
    }
    assert_eq!(policy.admission().baseline_latency, Some(Duration::from_millis(20)));
}
