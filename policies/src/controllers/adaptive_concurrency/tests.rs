//! The parts of the law by hand-computed cases; how they work together is shown by the scenarios in
//! `tests/concurrency_law.rs` and by the scoreboard.
use std::sync::Arc;

use super::drops::DropCeiling;
use super::floor::Floor;
use super::patience::Patience;
use super::sample::Sample;
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
    Sample { late: ratio * sample.answered, ..sample }
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
}

mod patience {
    use super::*;

    #[test]
    fn answers_come_in_time_up_to_the_budget_and_fewer_beyond() {
        for (deadline, asked_for, all, none, why) in [
            (Some(0.5), 0.0, 0.21, 0.5, "a budget of 0.42 of the deadline"),
            (Some(0.5), 0.4, 0.4, 0.5, "what the owner asks for is in time"),
            (Some(0.5), 0.5, 0.5, 0.6, "never steeper than that"),
            (None, 0.0, 0.2, 0.4, "four floors, and none after eight"),
        ] {
            let found = Patience::new(deadline).in_time(0.050, asked_for);
            assert!(close(found.all, all) && close(found.none, none), "{found:?}: {why}");
        }
    }

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

#[test]
fn drops_cut_to_what_got_through_and_the_limit_comes_back_below_them() {
    let mut drops = DropCeiling::default();
    let half = Sample { dropped: 20.0, answered: 20.0, ..sample(400.0, 0.050) };
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
    reports.into_iter().map(|totals| meter.observe(&totals, |_| false)).collect()
}

#[test]
fn the_same_report_twice_changes_nothing() {
    let twice = observed(reports(100, 0.020).take(5).flat_map(|totals| [totals.clone(), totals]));
    let complete = twice.iter().filter(|seen| matches!(seen, Observed::Complete(..))).count();
    assert_eq!((complete, twice.len()), (4, 10));
    let Observed::Complete(None, sample) = twice[2] else { panic!("{:?}", twice[2]) };
    assert!(close(sample.throughput(), 1000.0) && close(sample.little(), 0.020));
    assert_eq!(sample.limit, Some(10.0));
}

#[test]
fn a_stalled_stretch_proves_nothing() {
    let stalled = |(tick, totals): (usize, Arc<Totals>)| {
        let stall_nanos = if tick >= 2 { 500_000_000 } else { 0 };
        Arc::new(Totals { stall_nanos, ..(*totals).clone() })
    };
    let seen = observed(reports(100, 0.020).take(4).enumerate().map(stalled));
    assert_eq!(seen[2], Observed::Stalled);
    assert!(matches!(seen[3], Observed::Complete(..)), "{:?}", seen[3]);
}

#[test]
fn a_sample_at_the_reflex_s_limit_is_nobody_s() {
    let held =
        |totals: Arc<Totals>| Arc::new(Totals { reflex: Some(reflex::Cause::Drops), ..(*totals).clone() });
    let seen = observed(reports(100, 0.020).take(2).map(held));
    assert!(matches!(seen[1], Observed::Complete(None, Sample { limit: None, .. })), "{:?}", seen[1]);
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

#[test]
fn reports_that_say_nothing_new_are_looked_at_together_until_one_does() {
    let mut meter = Meter::default();
    let mut seen = Vec::new();
    for (tick, totals) in reports(10, 0.020).take(27).enumerate() {
        seen.push(meter.observe(&totals, |_| tick != 14));
    }
    let looks = seen.iter().enumerate().filter(|(_, observed)| **observed != Observed::Nothing);
    let calls = |sample: &Sample| sample.ended.round();
    let found: Vec<_> = looks
        .map(|(at, observed)| match observed {
            Observed::Complete(before, sample) => (at, before.as_deref().map(calls), calls(sample)),
            other => panic!("{other:?}"),
        })
        .collect();
    // Ten at a time; what waits goes before the one that is news.
    assert_eq!(found, [(10, None, 100.0), (14, Some(30.0), 10.0), (24, None, 100.0)]);
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
