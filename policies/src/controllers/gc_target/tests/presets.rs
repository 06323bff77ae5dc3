//! The rules of field reports, as reported and as meant.

use super::*;

/// The rule of the heap-ratio report: every 5 s, over 85 %, 20 to 200 percent.
fn heap_ratio(of: Of, recovery: f64) -> RatioRule {
    RatioRule {
        of,
        above: 0.85,
        below: 0.85,
        drop: None,
        recovery,
        every: Duration::from_secs(5),
        hold: Duration::ZERO,
        base: 100,
        bounds: (20, 200),
    }
}

/// The rule of the container-memory report: over 75 %, 100 to 60.
fn container_75(of: Of, below: f64, hold: u64) -> RatioRule {
    RatioRule {
        of,
        above: 0.75,
        below,
        drop: Some(40),
        recovery: 2.0,
        every: Duration::from_secs(1),
        hold: Duration::from_secs(hold),
        base: 100,
        bounds: (20, 200),
    }
}

fn percents(rule: RatioRule, seconds: u64, look: impl Fn(&mut Bench, u64)) -> Vec<u32> {
    let (mut bench, mut policy) = (bench(), GcTargetPolicy::new(spec(Rule::Ratio(rule))));
    let each = |second: u64| {
        look(&mut bench, second);
        bench.wait(1000);
        target(&bench.step(&mut policy)).and_then(|target| target.percent).unwrap_or(0)
    };
    (0..seconds).map(each).collect()
}

#[test]
fn g2_heap_over_goal_as_reported_takes_the_phase_of_a_healthy_cycle_for_pressure() {
    // A healthy heap of 150 MiB with a goal of 300: objects sweep from 50 % to 100 % in each cycle of 3 s.
    let healthy = |bench: &mut Bench, second: u64| {
        let share = 0.5 + 0.5 * (second % 3) as f64 / 2.0;
        bench.set(Signal::HeapObjectsBytes, Some(share * 300.0 * MI));
    };
    let reported = percents(heap_ratio(Of::HeapOverGoal, 0.0), 120, healthy);
    assert_eq!(reported.iter().min(), Some(&85), "0.85 of the base is the least that the formula can say");
    assert_eq!(reported.last(), Some(&85), "and it never goes up again");
    let meant = percents(heap_ratio(Of::LiveOverGoal, 2.0), 120, healthy);
    assert!(meant.iter().all(|percent| *percent == 100), "{meant:?}");
}

#[test]
fn g2_a_heap_without_room_lowers_the_percentage_and_room_brings_it_back() {
    let squeezed = |bench: &mut Bench, second: u64| {
        let goal = if second < 20 { 160.0 } else { 300.0 };
        bench.set(Signal::HeapGoalBytes, Some(goal * MI));
    };
    let percents = percents(heap_ratio(Of::LiveOverGoal, 2.0), 60, squeezed);
    // 150 of 160 is 94 %: 100 x (1 - (0.9375 - 0.85)).
    assert_eq!((percents[10], percents[59]), (91, 100));
}

#[test]
fn g3_container_memory_as_reported_counts_file_cache_and_swings() {
    let cached = |bench: &mut Bench, _| {
        bench.set(Signal::MemoryWorkingSetRatio, Some(0.5));
        bench.set(Signal::MemoryInactiveFileBytes, Some(200.0 * MI));
    };
    assert_eq!(percents(container_75(Of::Usage, 0.75, 0), 10, cached)[9], 60, "a false alarm");
    assert_eq!(percents(container_75(Of::WorkingSet, 0.65, 10), 10, cached)[9], 100);
}

#[test]
fn g3_a_drop_of_forty_points_recovers_at_two_a_second_after_a_hold() {
    let short = |bench: &mut Bench, second: u64| {
        bench.set(Signal::MemoryWorkingSetRatio, Some(if second < 5 { 0.8 } else { 0.6 }));
    };
    let meant = percents(container_75(Of::WorkingSet, 0.65, 10), 60, short);
    assert_eq!([meant[0], meant[4], meant[10]], [60, 60, 60], "down at once, then held");
    assert_eq!((meant[16], meant[59]), (66, 100));
    assert!(meant.windows(2).all(|pair| pair[1] <= pair[0] + 2), "{meant:?}");
    let between = |bench: &mut Bench, second: u64| {
        bench.set(Signal::MemoryWorkingSetRatio, Some(if second < 5 { 0.8 } else { 0.7 }));
    };
    assert_eq!(percents(container_75(Of::WorkingSet, 0.65, 10), 60, between)[59], 60, "no swing");
}

#[test]
fn g2_g3_a_missing_ratio_is_not_zero() {
    let rule = heap_ratio(Of::HeapOverGoal, 2.0);
    for missing in [Signal::HeapGoalBytes, Signal::HeapObjectsBytes] {
        let (mut bench, mut policy) = (bench(), GcTargetPolicy::new(spec(Rule::Ratio(rule))));
        bench.set(missing, None);
        assert_eq!(bench.step(&mut policy).want, Want::Hold);
        bench.set(missing, Some(0.0));
        if missing == Signal::HeapGoalBytes {
            assert_eq!(bench.step(&mut policy).want, Want::Hold, "over nothing there is no ratio");
        }
        bench.set(missing, None);
        bench.wait(11_000);
        assert_eq!(bench.step(&mut policy).want, Want::Release);
    }
}

#[test]
fn g1_fixed_settings_follow_a_resized_limit() {
    let rule = Rule::Fixed { percent: Some(60), memory_limit: Some(0.9) };
    let (mut bench, mut policy) = (bench(), GcTargetPolicy::new(spec(rule)));
    let said = target(&bench.step(&mut policy)).expect("said");
    assert_eq!((said.percent, mib(said.memory_limit_bytes)), (Some(60), 461.0));
    bench.set(Signal::MemoryLimitBytes, Some(384.0 * MI));
    assert_eq!(mib(target(&bench.step(&mut policy)).expect("said").memory_limit_bytes), 346.0);
    bench.set(Signal::MemoryLimitBytes, None);
    assert_eq!(bench.step(&mut policy).want, Want::Hold);
}

#[test]
fn illegal_rules_are_refused() {
    let rule = container_75(Of::WorkingSet, 0.65, 10);
    assert_eq!(rule.checked(), Ok(rule));
    for (refused, field) in [
        (RatioRule { above: 0.0, ..rule }, "above"),
        (RatioRule { below: 0.8, ..rule }, "below"),
        (RatioRule { recovery: f64::NAN, ..rule }, "recovery"),
        (RatioRule { every: Duration::ZERO, ..rule }, "every"),
        (RatioRule { bounds: (0, 200), ..rule }, "percent_min"),
        (RatioRule { bounds: (200, 20), ..rule }, "percent_max"),
        (RatioRule { base: 500, ..rule }, "percent"),
    ] {
        assert_eq!(refused.checked().expect_err("illegal").field(), Some(field));
    }
}
