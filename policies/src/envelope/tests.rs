use proptest::prelude::*;

use super::*;

const MI: f64 = 1024.0 * 1024.0;

fn mi(bytes: f64) -> u64 {
    (bytes * MI) as u64
}

fn heap(live: f64, roots: f64, overhead: f64) -> Heap {
    Heap { live: live * MI, roots: roots * MI, overhead: overhead * MI, cost: None, cpus: None }
}

#[test]
fn g1_all_of_the_budget_is_used_and_no_more() {
    let target = GcTarget { memory_limit_bytes: Some(mi(500.0)), ..GcTarget::budget(mi(480.0)) };
    let cases = [
        // live, roots, overhead -> percent, limit
        (100.0, 0.0, 80.0, 288, 480.0),
        (100.0, 10.0, 80.0, 261, 480.0),
        (300.0, 0.0, 80.0, 29, 480.0),
        (10.0, 0.0, 80.0, 800, 480.0),
        // The live heap does not fit any more: the limit goes up as far as it may.
        (350.0, 0.0, 80.0, 15, 482.5),
        (390.0, 0.0, 80.0, 15, 500.0),
        (900.0, 0.0, 80.0, 15, 500.0),
    ];
    for (live, roots, overhead, percent, limit) in cases {
        let setting = target.evaluate(&heap(live, roots, overhead));
        assert_eq!(
            setting,
            Setting { percent: Some(percent), memory_limit_bytes: Some(mi(limit)) },
            "{live}"
        );
    }
}

#[test]
fn g1_a_frugal_target_holds_a_share_of_cpu_time() {
    let target = GcTarget::budget(mi(480.0)).with_mode(GcMode::Frugal);
    let percent = |cost, cpus| target.evaluate(&Heap { cost, cpus, ..heap(100.0, 0.0, 80.0) }).percent;
    assert_eq!(percent(Some(0.2), Some(2.0)), Some(200), "0.2 / (0.05 x 2)");
    assert_eq!(percent(Some(0.9), Some(2.0)), Some(288), "no more than there is");
    assert_eq!(percent(Some(0.001), Some(2.0)), Some(40), "never under 0.4");
    assert_eq!(percent(None, Some(2.0)), Some(288), "cost unknown: as for throughput");
    assert_eq!(percent(Some(f64::NAN), Some(2.0)), Some(288));
    let unlimited = GcTarget { budget_bytes: None, ..target };
    let setting = unlimited.evaluate(&Heap { cost: Some(0.2), cpus: Some(2.0), ..heap(100.0, 0.0, 80.0) });
    assert_eq!(setting, Setting { percent: Some(200), memory_limit_bytes: None });
}

#[test]
fn before_the_first_collection_only_the_limit_is_known() {
    let target = GcTarget::budget(mi(480.0));
    let limit_alone = Setting { percent: None, memory_limit_bytes: Some(mi(480.0)) };
    assert_eq!(target.evaluate(&heap(0.0, 0.0, 8.0)), limit_alone);
    assert_eq!(target.evaluate(&heap(f64::NAN, 0.0, 8.0)), limit_alone);
    assert_eq!(target.evaluate(&heap(100.0, 0.0, f64::NAN)), limit_alone);
}

#[test]
fn a_fixed_target_is_what_it_says() {
    let target = GcTarget { memory_limit_bytes: Some(7), ..GcTarget::fixed(60) };
    assert_eq!(
        target.evaluate(&heap(100.0, 1.0, 1.0)),
        Setting { percent: Some(60), memory_limit_bytes: Some(7) }
    );
}

#[test]
fn illegal_targets_are_refused() {
    let budget = GcTarget::budget(1 << 20);
    let cases = [
        (budget, Ok(())),
        (GcTarget::fixed(1), Ok(())),
        (GcTarget { budget_bytes: None, ..budget }.with_mode(GcMode::Frugal), Ok(())),
        (GcTarget { budget_bytes: None, ..budget }, Err(InvalidGcTarget::NoBudget)),
        (GcTarget { budget_bytes: Some(0), ..budget }, Err(InvalidGcTarget::Bytes)),
        (GcTarget { memory_limit_bytes: Some(u64::MAX), ..budget }, Err(InvalidGcTarget::Bytes)),
        (GcTarget { percent: None, ..GcTarget::fixed(1) }, Err(InvalidGcTarget::Nothing)),
        (GcTarget::fixed(0), Err(InvalidGcTarget::Percent)),
        (GcTarget::fixed(100_001), Err(InvalidGcTarget::Percent)),
        (GcTarget { percent_min: 801, ..budget }, Err(InvalidGcTarget::Percent)),
        (GcTarget { gc_cpu_target: f64::NAN, ..budget }, Err(InvalidGcTarget::Share)),
        (GcTarget { gc_cpu_cap: 0.0, ..budget }, Err(InvalidGcTarget::Share)),
    ];
    for (target, expected) in cases {
        assert_eq!(target.checked().map(|_| ()), expected, "{target:?}");
    }
}

#[test]
fn less_memory_is_tighter() {
    let budget = GcTarget::budget;
    let limited = GcTarget { memory_limit_bytes: Some(500), ..GcTarget::fixed(60) };
    for (a, b) in [
        (budget(400), budget(500)),
        (budget(400), GcTarget::fixed(100)),
        (budget(400), limited),
        (limited, GcTarget::fixed(60)),
        (GcTarget::fixed(60), GcTarget::fixed(100)),
    ] {
        assert!(a.is_tighter_than(&b) && !b.is_tighter_than(&a), "{a:?} {b:?}");
    }
    assert!(!budget(400).is_tighter_than(&budget(400)));
}

#[test]
fn w11_a_lease_that_has_ended_leaves_a_safe_static_setting() {
    let setting = |percent, limit| Setting { percent: Some(percent), memory_limit_bytes: Some(limit) };
    assert_eq!(fallback(1000, 0, 100), setting(100, 900));
    assert_eq!(fallback(1000, 300, 30), setting(50, 600));
    assert_eq!(fallback(1000, 5000, 100), setting(100, 100), "never nothing");
    assert_eq!(fallback(0, 0, 100), setting(100, 1));
}

proptest! {
    #[test]
    fn an_evaluation_stays_within_its_bounds_whatever_the_numbers(
        budget in proptest::option::of(1..=GcTarget::BYTES_LIMIT),
        ceiling in proptest::option::of(1..=GcTarget::BYTES_LIMIT),
        bounds in (1..2000_u32, 0..2000_u32),
        numbers in any::<[f64; 5]>(),
        frugal in any::<bool>(),
    ) {
        let mode = if frugal || budget.is_none() { GcMode::Frugal } else { GcMode::Throughput };
        let target = GcTarget {
            budget_bytes: budget, memory_limit_bytes: ceiling, percent_min: bounds.0,
            percent_max: bounds.0 + bounds.1, ..GcTarget::budget(1)
        }.with_mode(mode);
        let [live, roots, overhead, cost, cpus] = numbers;
        let setting = target.evaluate(&Heap { live, roots, overhead, cost: Some(cost), cpus: Some(cpus) });
        if let Some(percent) = setting.percent {
            prop_assert!((target.percent_min..=target.percent_max).contains(&percent));
        }
        prop_assert_eq!(setting.memory_limit_bytes.is_some(), budget.is_some());
        if let (Some(limit), Some(budget)) = (setting.memory_limit_bytes, budget) {
            prop_assert!(limit >= budget && limit <= budget.max(ceiling.unwrap_or(budget)));
        }
    }

    #[test]
    fn more_budget_never_gives_less(
        budget in 1..1_u64 << 40, more in 0..1_u64 << 40, live in 1.0..1e12, roots in 0.0..1e9, overhead in 0.0..1e10,
    ) {
        let heap = Heap { live, roots, overhead, cost: None, cpus: None };
        let at = |budget| GcTarget::budget(budget).evaluate(&heap);
        prop_assert!(at(budget).percent <= at(budget + more).percent);
        prop_assert!(at(budget).memory_limit_bytes <= at(budget + more).memory_limit_bytes);
    }
}
