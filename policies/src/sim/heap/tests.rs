//! What the laws promise, on the plant: three seeds each.

use super::hands::hand;
use super::run::{Outcome, run};
use super::scenario::Workload;

const SEEDS: [u64; 3] = [1, 2, 3];
const PEERS: [&str; 6] =
    ["static100", "automemlimit", "gogc_off", "bytedance", "tidb", "automemlimit+limiter"];

fn outcomes(workload: &Workload, name: &str) -> [Outcome; 3] {
    SEEDS.map(|seed| run(workload, hand(name, workload), seed))
}

fn survives(outcome: &Outcome) -> bool {
    outcome.killed_at.is_none() && outcome.told_at.is_none()
}

#[test]
fn g1_w1_steady_collections_are_few() {
    let w1 = Workload::w1(100.0);
    let plain = outcomes(&w1, "static100");
    let off = outcomes(&w1, "gogc_off");
    for (ours, (plain, off)) in outcomes(&w1, "setpoint").iter().zip(plain.iter().zip(&off)) {
        assert!(survives(ours));
        assert!(ours.cycles as f64 <= 0.55 * plain.cycles as f64, "{} of {}", ours.cycles, plain.cycles);
        assert!(ours.cycles as f64 <= 1.1 * off.cycles as f64, "{} of {}", ours.cycles, off.cycles);
        assert!(ours.pushes < 60, "{}", ours.pushes);
    }
    // A tiny heap would need a percentage beyond the highest one to be as good as none at all.
    let small = Workload::w1(20.0);
    let ours = outcomes(&small, "setpoint")[0].cycles as f64;
    assert!(ours <= 0.55 * outcomes(&small, "static100")[0].cycles as f64);
    // A large one under which plain Go is killed.
    let large = Workload::w1(250.0);
    let (ours, off) = (outcomes(&large, "setpoint"), outcomes(&large, "gogc_off"));
    assert!(ours.iter().zip(&off).all(|(a, b)| survives(a) && a.cycles as f64 <= 1.1 * b.cycles as f64));
}

#[test]
fn g1_w2_w3_w5_nothing_is_killed_or_drained_where_live_sets_fit() {
    for workload in [Workload::w2(), Workload::w3(), Workload::w5()] {
        assert!(workload.live_over_limit() <= 0.85, "{}", workload.name);
        for name in ["setpoint", "setpoint-frugal"] {
            for (outcome, seed) in outcomes(&workload, name).iter().zip(SEEDS) {
                assert!(survives(outcome), "{} {name} {seed}: {outcome:?}", workload.name);
                assert!(outcome.bad_seconds <= 3, "{} {name}: {}", workload.name, outcome.bad_seconds);
                assert!(outcome.in_time > 0.99, "{} {name}: {}", workload.name, outcome.in_time);
            }
        }
    }
}

#[test]
fn g1_w10_one_that_idles_gives_back_what_a_neighbour_needs() {
    // Wherever in a cycle it becomes idle.
    for tenth in 0..20 {
        let workload = Workload::w10(20.0 + 0.1 * f64::from(tenth));
        assert!(workload.live_over_limit() <= 0.85);
        let outcome = run(&workload, hand("setpoint", &workload), 1);
        assert!(survives(&outcome), "idle after {tenth}: {outcome:?}");
    }
}

#[test]
fn g1_w4_a_leak_drains_before_it_crawls() {
    for leak in [1.0, 4.0, 12.0] {
        let workload = Workload::w4(leak);
        let killed = run(&workload, hand("gogc_off", &workload), 1).killed_at.expect("it leaks");
        for outcome in outcomes(&workload, "setpoint") {
            let told = outcome.told_at.expect("told");
            assert!(outcome.drained_at.is_some() && outcome.killed_at.is_none(), "{leak} MiB/s");
            assert!(outcome.bad_seconds <= 2, "{leak} MiB/s: {}", outcome.bad_seconds);
            assert!(killed - told >= if leak > 10.0 { 3.0 } else { 5.0 }, "{leak}: {told} of {killed}");
        }
    }
}

#[test]
fn g1_w6_fewer_calls_keep_an_overloaded_service_alive() {
    let w6 = Workload::w6(3.0);
    let peers = PEERS.iter().flat_map(|name| outcomes(&w6, name)).map(|outcome| outcome.answered).max();
    let best = peers.expect("there are peers") as f64;
    let unloaded = run(&Workload::w6(1.0), hand("setpoint", &Workload::w6(1.0)), 1).p99;
    let uncoupled = outcomes(&w6, "setpoint-uncoupled").map(|outcome| outcome.answered);
    for ours in outcomes(&w6, "setpoint") {
        assert!(survives(&ours), "{:?}", ours.killed_at);
        assert!(ours.answered as f64 >= 1.5 * best, "{} of {best}", ours.answered);
        assert!(ours.p99 < 2.0 * unloaded, "{} of {unloaded}", ours.p99);
        assert!(ours.in_time > 0.6, "{} in time", ours.in_time);
        assert!(uncoupled.iter().all(|without| ours.answered > 2 * without), "{uncoupled:?}");
    }
    assert!(outcomes(&w6, "setpoint-frugal").iter().all(survives), "less memory is no excuse");
}

#[test]
fn g1_w7_a_resized_limit_is_followed_within_five_seconds() {
    for outcome in outcomes(&Workload::w7(), "setpoint") {
        assert!(survives(&outcome));
        let soft_over_hard = |second: usize| {
            let (soft, hard) = outcome.limits[10 * second];
            soft / hard
        };
        assert!((0.80..=0.95).contains(&soft_over_hard(35)), "{}", soft_over_hard(35));
        assert!((0.80..=0.95).contains(&soft_over_hard(50)), "{}", soft_over_hard(50));
        let never_above = outcome.limits[150..].iter().all(|(soft, hard)| soft <= &(0.975 * hard));
        assert!(never_above, "never more than there is");
    }
}

#[test]
fn g4_w8_threads_follow_the_quota_and_calls_that_hang_keep_theirs() {
    let w8 = Workload::w8(2.0, 0.6);
    let cores = run(&w8, hand("automemlimit", &w8), 1);
    let best = [1, 2, 3, 4].map(|threads| {
        let workload = w8.clone().with_threads(threads);
        run(&workload, hand("automemlimit", &workload), 1).answered
    });
    let ours = run(&w8, hand("setpoint-cores", &w8), 1);
    assert!(ours.throttled <= 0.2 * cores.throttled, "{} of {}", ours.throttled, cores.throttled);
    assert!(ours.answered as f64 >= 0.97 * best.into_iter().max().unwrap_or(0) as f64);

    // With half a CPU one thread is the least there is.
    let half = Workload::w8(0.5, 0.5);
    let one = run(&half.clone().with_threads(1), hand("automemlimit", &half), 1);
    let ours = run(&half, hand("setpoint-cores", &half), 1);
    assert!(ours.throttled <= 1.1 * one.throttled, "{} of {}", ours.throttled, one.throttled);
    assert!(ours.in_time > 0.99);

    let stalled = Workload::w8_stalled();
    let ours = run(&stalled, hand("setpoint-cores", &stalled), 1);
    assert!(ours.in_time > 0.99, "{}", ours.in_time);
    let two = stalled.clone().with_threads(2);
    assert!(run(&two, hand("automemlimit", &two), 1).in_time < 0.1, "what the quota alone would do");
}

#[test]
fn a_run_can_be_repeated() {
    let workload = Workload::w3();
    let twice = [7, 7].map(|seed| run(&workload, hand("setpoint", &workload), seed));
    assert_eq!(twice[0], twice[1]);
}
