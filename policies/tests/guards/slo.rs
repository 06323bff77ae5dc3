//! B7: an objective that is missed is told, once for each trouble, as fast as it matters.

use std::time::Duration;

use proptest::prelude::*;
use setpoint_policies::alert::Severity;
use setpoint_policies::controllers::slo::Slo;
use setpoint_policies::spec::Controller;
use setpoint_policies::totals::SlowCalls;

use super::world::{World, minutes, name};

const WITHIN: Duration = Duration::from_millis(200);

fn world() -> World {
    let slo = Slo::try_new(name("limit.inbound"), WITHIN, 0.995).expect("valid");
    let mut world = World::new([Controller::Slo(slo)]);
    world.totals.slow = vec![SlowCalls { after: WITHIN, calls: 0 }];
    world
}

/// A thousand calls a second, `slow` of them slow.
fn seconds(world: &mut World, length: Duration, slow: u64) {
    let until = world.now + length;
    while world.now < until {
        world.succeed(1000);
        world.totals.slow[0].calls += slow;
        world.step();
    }
}

#[test]
fn b7_a_fast_burn_is_told_within_minutes() {
    let mut world = world();
    seconds(&mut world, minutes(90), 1);
    assert!(world.alert().is_none(), "0.1 % of 0.5 %");
    let from = world.now;
    while world.rule() != Some("fast_burn") {
        seconds(&mut world, Duration::from_secs(1), 200);
        assert!(world.now - from < minutes(30), "{:?}", world.alert());
    }
    // 14.4 times 0.5 % of an hour, at 20 %: 21.3 minutes; what was slow before counts as well.
    let took = (world.now - from).as_secs_f64() / 60.0;
    assert!((20.0..23.0).contains(&took), "{took} minutes");
    let firing = world.alert().expect("fires");
    assert_eq!(firing.alert.severity, Severity::Critical);
    assert_eq!(firing.knob, Some(name("limit.inbound")));
    assert!(world.newest.decisions.is_empty(), "it moves nothing");
}

#[test]
fn b7_a_service_that_is_down_is_told_five_minutes_after_its_start() {
    let mut world = world();
    seconds(&mut world, minutes(5) - Duration::from_secs(2), 500);
    assert!(world.alert().is_none(), "the short window is not full");
    seconds(&mut world, Duration::from_secs(5), 500);
    assert_eq!(world.rule(), Some("fast_burn"));
}

#[test]
fn b7_a_slow_burn_is_told_by_the_long_windows() {
    let mut world = world();
    seconds(&mut world, minutes(360), 0);
    // 8 times too fast: too slow for the fast rule, and told when a twentieth of the month's budget is gone.
    let from = world.now;
    while world.rule() != Some("slow_burn") {
        assert_ne!(world.rule(), Some("fast_burn"));
        seconds(&mut world, Duration::from_secs(10), 40);
        assert!(world.now - from < minutes(300));
    }
    let took = (world.now - from).as_secs_f64() / 3600.0;
    assert!((4.4..4.6).contains(&took), "6 x 6 h / 8 = 4.5 h, not {took}");
}

#[test]
fn b7_the_field_rule_tells_when_the_share_of_an_hour_is_below_the_objective() {
    let mut world = world();
    seconds(&mut world, minutes(61), 5);
    assert!(world.alert().is_none(), "exactly 99.5 % are in time");
    seconds(&mut world, minutes(1), 6);
    assert_eq!(world.rule(), Some("objective_missed"), "one in 60,000 more");
    assert_eq!(world.alert().map(|firing| firing.alert.severity), Some(Severity::Warning));
    let said = world.alert().map(|firing| firing.alert.reason.to_string()).unwrap_or_default();
    assert!(said.starts_with("99.50 % of 36"), "{said}");
}

#[test]
fn b7_one_trouble_is_one_alert() {
    let mut world = world();
    seconds(&mut world, minutes(61), 0);
    let (mut seen, mut begun) = (Vec::new(), Vec::new());
    // Two troubles an hour and a half apart, each with short recoveries in between.
    for slow in
        [300, 0, 300, 0, 300, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 300, 0, 300, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    {
        for _ in 0..30 {
            seconds(&mut world, Duration::from_secs(20), slow);
            if let Some(firing) = world.alert() {
                if begun.last() != Some(&firing.since) {
                    begun.push(firing.since);
                }
                if seen.last() != Some(&firing.alert.reason.rule()) {
                    seen.push(firing.alert.reason.rule());
                }
            }
        }
    }
    assert!(world.alert().is_none(), "{:?}", world.alert());
    assert_eq!(begun.len(), 2, "{seen:?}");
}

#[test]
fn b7_rejected_calls_miss_the_objective_and_quick_failures_do_not() {
    let mut world = world();
    for _ in 0..400 {
        world.succeed(900);
        world.totals.failed += 100;
        world.totals.admitted += 100;
        world.step();
    }
    assert!(world.alert().is_none());
    for _ in 0..3600 {
        world.succeed(700);
        world.totals.rejected[2] += 300;
        world.step();
    }
    assert_eq!(world.rule(), Some("fast_burn"));
}

#[test]
fn b7_a_few_calls_at_night_are_no_burn() {
    let mut world = world();
    for second in 0..7200 {
        if second % 100 == 0 {
            world.succeed(1);
            world.totals.slow[0].calls += 1;
        }
        assert_eq!(world.step().alerts, [], "72 calls in two hours, all of them slow");
    }
}

#[test]
fn b7_what_the_process_does_not_count_is_not_guessed() {
    let mut world = world();
    world.totals.slow = Vec::new();
    for _ in 0..4000 {
        world.succeed(1000);
        world.totals.late += 900;
        assert_eq!(world.step().alerts, [], "late is of another deadline");
    }
}

#[test]
fn b7_a_restarted_process_starts_afresh_and_silence_ends_nothing() {
    let mut world = world();
    seconds(&mut world, minutes(6), 500);
    assert!(world.alert().is_some());
    world.silent = true;
    world.run(minutes(30));
    assert!(world.alert().is_some(), "nobody says that it is over");
    world.silent = false;
    world.incarnation += 1;
    world.totals.completed = 0;
    world.totals.slow[0].calls = 0;
    world.step();
    assert!(world.alert().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    /// Below the objective nothing fires; far above the rates of the rules something does, whatever the traffic.
    #[test]
    fn b7_only_what_misses_the_objective_is_told(calls in 200u64..100_000, share in 0.0f64..0.2) {
        let mut world = world();
        let mut owed = 0.0;
        for _ in 0..3700 {
            world.succeed(calls);
            owed += calls as f64 * share;
            let slow = owed.floor();
            owed -= slow;
            world.totals.slow[0].calls += slow as u64;
            world.step();
        }
        if share < 0.00499 { prop_assert_eq!(world.rule(), None) }
        if share > 0.00502 { prop_assert!(world.rule().is_some()) }
        if share > 0.0725 { prop_assert_eq!(world.rule(), Some("fast_burn")) }
    }
}
