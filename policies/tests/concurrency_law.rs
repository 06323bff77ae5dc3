//! The concurrency law over a plant: seeded scenarios with bands.
//!
//! The plant is a service with 8 workers of 20 ms and a dependency of 5 ms behind them: capacity 400 calls/s, 25 ms unloaded.
mod plant;

use plant::{Plant, Scenario};

const CAPACITY: f64 = 400.0;
const SEEDS: std::ops::Range<u64> = 1..6;

fn service(seed: u64) -> Scenario {
    Scenario {
        workers: |_| 8,
        service: 0.020,
        spread: 0.0,
        dependency: |_| 0.005,
        rate: |t| if t < 10.0 { 200.0 } else { 1200.0 },
        deadline: 0.25,
        dropped: |_| 0.0,
        seconds: 30,
        limited: true,
        seed,
    }
}

/// Runs once per seed, with constant and with exponential service times, and prints the decisions when a check fails.
fn each(scenario: impl Fn(u64) -> Scenario, check: impl Fn(&Plant)) {
    for (seed, spread) in SEEDS.flat_map(|seed| [(seed, 0.0), (seed, 1.0)]) {
        let plant = Plant::new(Scenario { spread, ..scenario(seed) }).run();
        eprintln!("seed {seed}, spread {spread}:\n{}", plant.log.join("\n"));
        check(&plant);
    }
}

#[test]
fn c1_three_times_overload_keeps_goodput_and_latency() {
    each(service, |plant| {
        let goodput = plant.goodput(11, 30);
        assert!(goodput >= 0.95 * CAPACITY, "goodput {goodput}");
        let (unloaded, loaded) = (plant.percentile(0.99, 3, 10), plant.percentile(0.99, 12, 30));
        assert!(loaded <= 2.0 * unloaded, "p99 {loaded} s against {unloaded} s unloaded");
        assert_eq!(plant.rejected_ratio(0, 10), 0.0, "nothing is rejected at half load");
    });
}

#[test]
fn without_a_limit_the_same_overload_collapses() {
    each(
        |seed| Scenario { limited: false, ..service(seed) },
        |plant| {
            assert!(plant.goodput(3, 10) > 150.0);
            assert!(plant.goodput(12, 30) < 0.05 * CAPACITY, "goodput {}", plant.goodput(12, 30));
        },
    );
}

#[test]
fn c1_a_step_to_three_times_converges_within_a_second() {
    each(service, |plant| {
        let second = plant.goodput(11, 12);
        assert!(second >= 0.9 * CAPACITY, "goodput {second} in the second after the step");
    });
}

#[test]
fn c1_a_slow_dependency_is_no_queue() {
    // After an overload has made the limit small, the dependency gets ten times slower while the load is normal.
    let scenario = |seed| Scenario {
        rate: |t| match t {
            t if t < 10.0 => 200.0,
            t if t < 20.0 => 1200.0,
            _ => 280.0,
        },
        dependency: |t| if t < 30.0 { 0.005 } else { 0.050 },
        seconds: 50,
        ..service(seed)
    };
    each(scenario, |plant| {
        let (first, later) = (plant.goodput(30, 35), plant.goodput(35, 50));
        assert!(first >= 0.7 * 280.0, "goodput {first} in the first 5 s, while it finds out");
        assert!(later >= 0.95 * 280.0, "goodput {later} after 5 s");
        assert!(plant.rejected_ratio(35, 50) < 0.01);
    });
}

#[test]
fn c1_lost_capacity_is_followed_and_regained() {
    let scenario = |seed| Scenario {
        workers: |t| if (15.0..30.0).contains(&t) { 3 } else { 8 },
        rate: |_| 360.0,
        seconds: 45,
        ..service(seed)
    };
    each(scenario, |plant| {
        let (less, again) = (plant.goodput(17, 30), plant.goodput(35, 45));
        assert!(less >= 0.9 * 150.0, "goodput {less} with 3 of 8 workers");
        assert!(again >= 0.95 * 360.0, "goodput {again} with all workers back");
    });
}

#[test]
fn c1_drops_that_no_cut_helps_against_do_not_shed_a_healthy_service() {
    // One broken endpoint: 15 % of the calls end in 503, at three quarters of the capacity and without a queue.
    let scenario = |seed| Scenario {
        rate: |_| 300.0,
        dropped: |t| if t < 10.0 { 0.0 } else { 0.15 },
        seconds: 120,
        ..service(seed)
    };
    each(scenario, |plant| {
        let rejected = plant.rejected_ratio(10, 120);
        assert!(rejected < 0.10, "{rejected} of the calls rejected for nothing");
        let later = plant.rejected_ratio(60, 120);
        assert!(later < 0.06, "{later} rejected after a minute: what was learned is not kept");
    });
}

#[test]
fn idle_never_inflates_the_limit() {
    each(
        |seed| Scenario { rate: |_| 40.0, seconds: 60, ..service(seed) },
        |plant| {
            let highest = plant.seconds.iter().map(|second| second.limit).fold(0.0, f64::max);
            assert!(highest <= 50.0, "limit grew to {highest}");
            assert_eq!(plant.rejected_ratio(0, 60), 0.0);
        },
    );
}

#[test]
fn a_run_is_repeatable() {
    let limits =
        || Plant::new(service(3)).run().seconds.iter().map(|second| second.limit).collect::<Vec<_>>();
    assert_eq!(limits(), limits());
}

#[test]
fn c1_a_dependency_that_gets_slow_while_the_limit_is_at_its_minimum_is_noticed() {
    // One of eight workers is left for a while, so the limit is at its minimum; then all are back, and a dependency is slow.
    let scenario = |seed| Scenario {
        workers: |t| if (10.0..30.0).contains(&t) { 1 } else { 8 },
        dependency: |t| if t < 29.0 { 0.005 } else { 0.100 },
        rate: |_| 200.0,
        seconds: 80,
        ..service(seed)
    };
    each(scenario, |plant| {
        let later = plant.goodput(60, 80);
        assert!(later >= 0.9 * 200.0, "goodput {later} half a minute later");
    });
}

#[test]
fn c1_few_and_long_calls_do_not_freeze_the_limit() {
    // As above, but the dependency gets so slow that few calls end in a window: 4 of 3 s each.
    let scenario = |seed| Scenario {
        workers: |t| if (10.0..30.0).contains(&t) { 1 } else { 8 },
        dependency: |t| if t < 29.0 { 0.005 } else { 3.0 },
        rate: |t| if t < 29.0 { 200.0 } else { 10.0 },
        deadline: 10.0,
        seconds: 240,
        ..service(seed)
    };
    each(scenario, |plant| {
        let rejected = plant.rejected_ratio(200, 240);
        assert!(rejected <= 0.1, "{rejected} still rejected after three minutes");
    });
}
