use proptest::prelude::*;

use super::*;

fn sensed(limit: f64, live: f64, overhead: f64) -> Sensed {
    Sensed {
        at: Timestamp::ZERO,
        limit,
        working: 0.0,
        runtime: 0.0,
        held: 0.0,
        live,
        roots: 0.0,
        objects: None,
        overhead,
        allocated: None,
        cycles: None,
        gc_seconds: None,
        gc_ratio: None,
        limiter_cycle: None,
        cpus: Some(2.0),
        stall: None,
        limit_hits: None,
        group: None,
    }
}

#[test]
fn the_margin_covers_what_is_allocated_while_marking() {
    let big = sensed(4096.0 * MI, 1000.0 * MI, 0.0);
    assert_eq!(margin(&big, None, None), 0.05 * big.limit);
    // 1 GiB marked at 1 ns a byte on half a CPU: 2.1 s, in which half of 300 MiB/s is 315 MiB.
    let fast = margin(&big, Some(300.0 * MI), marking(&big, Some(1e-9)));
    assert!((314.0 * MI..316.0 * MI).contains(&fast), "{}", fast / MI);
    assert_eq!(margin(&big, Some(1e15), Some(1.0)), 0.2 * big.limit);
    assert_eq!(margin(&sensed(100.0 * MI, 1.0, 0.0), None, None), 20.0 * MI, "24 MiB are too much of 100");
}

#[test]
fn a_budget_falls_at_once_and_rises_slowly() {
    let mut budget = Budget::default();
    let limit = 500.0 * MI;
    let mut at = |millis, goal: f64| budget.step(Timestamp::from_millis(millis), goal * MI, limit) / MI;
    assert_eq!(at(0, 400.0), 400.0);
    assert_eq!(at(100, 200.0), 200.0);
    assert!((at(200, 400.0) - 205.0).abs() < 1e-9);
    assert!((at(1200, 400.0) - 255.0).abs() < 1e-9);
    assert!((at(60_000, 400.0) - 305.0).abs() < 1e-9, "a pause is no time to rise in");
    assert_eq!(at(60_100, -50.0), 1.0, "never nothing");
}

#[test]
fn w9_room_is_split_by_the_square_root_of_what_it_is_worth() {
    // One allocates a hundred times as fast, so its weight is ten times as large.
    let (busy, idle) = (sensed(0.0, 100.0, 0.0), sensed(0.0, 100.0, 0.0));
    let others = |weight| Others { held: 0.0, fixed: 100.0, live: 100.0, weight, processes: 1 };
    let of_busy = part(530.0, &busy, 10.0, &others(1.0));
    let of_idle = part(530.0, &idle, 1.0, &others(10.0));
    assert!((of_busy - (115.0 + 300.0 * 10.0 / 11.0)).abs() < 1e-9, "{of_busy}");
    assert!((of_busy + of_idle - 530.0).abs() < 1e-9, "all of it and no more");
    assert_eq!(part(530.0, &busy, 0.0, &others(0.0)), 265.0, "both idle: alike");
    assert_eq!(part(530.0, &busy, 5.0, &Others::default()), 530.0, "alone");
}

proptest! {
    #[test]
    fn w9_parts_never_exceed_the_whole(
        total in 0.0..1e10_f64, lives in [1.0..1e9_f64, 1.0..1e9, 1.0..1e9], weights in [0.0..1e6_f64, 0.0..1e6, 0.0..1e6],
    ) {
        let sum: f64 = (0..3).map(|own| {
            let mut others = Others::default();
            for other in (0..3).filter(|other| *other != own) {
                others.fixed += lives[other] + 10.0;
                others.live += lives[other];
                others.weight += weights[other];
                others.processes += 1;
            }
            part(total, &sensed(0.0, lives[own], 10.0), weights[own], &others)
        }).sum();
        prop_assert!(sum <= total + 1e-6 * total + 1.0, "{sum} of {total}");
    }

    #[test]
    fn a_budget_is_never_above_its_goal_nor_rises_faster_than_it_may(
        goals in proptest::collection::vec((1_u64..2000, 0.0..600.0_f64), 1..60),
    ) {
        let (mut budget, mut at, mut last) = (Budget::default(), 0, None::<f64>);
        let limit = 500.0 * MI;
        for (wait, goal) in goals {
            at += wait;
            let now = budget.step(Timestamp::from_millis(at), goal * MI, limit);
            prop_assert!(now <= (goal * MI).max(MI));
            if let Some(last) = last {
                prop_assert!(now <= last + 0.1 * limit * wait as f64 / 1000.0 + 1.0);
            }
            last = Some(now);
        }
    }
}
