use super::*;
use crate::controllers::bench::Bench;
use crate::knob::Kind;
use crate::signal::Signal;

/// A process with a knob of up to 16 threads, 8 of which are in force.
pub(super) fn bench() -> Bench {
    Bench::new(Parallelism::KNOB, Kind::Parallelism, 16.0, 8.0)
}

/// The same on 8 cores with a quota of 2, nothing the matter.
fn under_quota() -> Bench {
    let mut bench = bench();
    for (signal, value) in [
        (Signal::CpuQuotaCores, 2.0),
        (Signal::CpuAffinityCores, 8.0),
        (Signal::CpuUsedCores, 1.0),
        (Signal::ThrottledRatio, 0.0),
        (Signal::ThrottledTimeRatio, 0.0),
        (Signal::RunDelayCores, 0.0),
        (Signal::SchedulerLatency, 0.0),
        (Signal::BlockedThreads, 0.0),
    ] {
        bench.set(signal, Some(value));
    }
    bench
}

fn policy(follow: Follow, raw: bool) -> ParallelismPolicy {
    let knob = KnobName::try_new(Parallelism::KNOB).expect("valid");
    ParallelismPolicy::new(Parallelism::try_new(knob, follow, raw, None, None).expect("valid"))
}

fn threads(bench: &Bench) -> u32 {
    bench.in_force.scalar() as u32
}

/// Lets seconds pass; gives each number of threads that was in force, and the rule behind it.
fn run(
    bench: &mut Bench,
    policy: &mut ParallelismPolicy,
    seconds: u64,
    answers: impl Fn(u32) -> (f64, f64),
) -> Vec<(u32, &'static str)> {
    let mut seen = Vec::new();
    for _ in 0..seconds * 10 {
        bench.wait(100);
        let (per_second, latency) = answers(threads(bench));
        bench.answer(0.1, per_second, latency);
        let before = threads(bench);
        let proposal = bench.obey(policy);
        if threads(bench) != before {
            seen.push((threads(bench), proposal.reason.rule()));
        }
    }
    seen
}

fn well(_: u32) -> (f64, f64) {
    (1000.0, 0.010)
}

#[test]
fn g4_threads_come_down_to_twice_the_quota_and_to_the_quota_once_they_do_harm() {
    let (mut bench, mut policy) = (under_quota(), policy(Follow::Quota, false));
    assert_eq!(run(&mut bench, &mut policy, 20, well), [(4, "quota")]);
    bench.set(Signal::ThrottledRatio, Some(0.4));
    bench.set(Signal::ThrottledTimeRatio, Some(0.2));
    assert_eq!(run(&mut bench, &mut policy, 20, well), [(2, "throttled")]);
    assert_eq!(run(&mut bench, &mut policy, 60, well), [], "no lower than the quota's whole CPUs");
}

#[test]
fn g4_where_throttling_is_not_known_the_quota_is_followed() {
    let (mut bench, mut policy) = (under_quota(), policy(Follow::Quota, false));
    bench.set(Signal::ThrottledRatio, None);
    assert_eq!(run(&mut bench, &mut policy, 20, well), [(2, "quota")]);
    bench.set(Signal::CpuQuotaCores, Some(3.0));
    assert_eq!(run(&mut bench, &mut policy, 20, well), [(3, "quota")], "a new quota at once");
}

#[test]
fn g4_a_step_that_makes_things_worse_is_taken_back_and_not_tried_again() {
    let (mut bench, mut policy) = (under_quota(), policy(Follow::Quota, false));
    run(&mut bench, &mut policy, 20, well);
    bench.set(Signal::ThrottledRatio, Some(0.4));
    bench.set(Signal::ThrottledTimeRatio, Some(0.2));
    let answers = |threads| (if threads < 4 { 950.0 } else { 1000.0 }, 0.010);
    let steps = run(&mut bench, &mut policy, 100, answers);
    assert_eq!(steps, [(2, "throttled"), (4, "reverted")]);
}

#[test]
fn w8_beyond_the_quota_a_step_must_prove_itself() {
    let wants = |answers: fn(u32) -> (f64, f64)| {
        let mut bench = under_quota();
        bench.set(Signal::ThrottledRatio, None);
        let mut policy = policy(Follow::Quota, false);
        run(&mut bench, &mut policy, 25, answers);
        bench.set(Signal::SchedulerLatency, Some(0.005));
        (bench, policy)
    };
    let (mut bench, mut policy) = wants(well);
    assert_eq!(run(&mut bench, &mut policy, 40, well), [(3, "wants_more"), (2, "reverted")]);
    let faster = |threads| (1000.0, 0.030 / f64::from(threads));
    let (mut bench, mut policy) = wants(faster);
    assert_eq!(run(&mut bench, &mut policy, 60, faster), [(3, "wants_more"), (4, "wants_more")]);
    let (mut bench, mut policy) = wants(faster);
    bench.set(Signal::BlockedThreads, Some(2.0));
    let stalled = [(3, "stalled_in_kernel"), (4, "stalled_in_kernel")];
    assert_eq!(run(&mut bench, &mut policy, 60, faster), stalled, "two of four hang; four is the bound");
}

#[test]
fn g4_without_counters_nothing_goes_beyond_the_quota() {
    let (mut bench, mut policy) = (under_quota(), policy(Follow::Quota, false));
    bench.set(Signal::ThrottledRatio, None);
    bench.set(Signal::SchedulerLatency, Some(0.005));
    for _ in 0..600 {
        bench.wait(100);
        bench.obey(&mut policy);
    }
    assert_eq!(threads(&bench), 2);
}

#[test]
fn g4_neighbours_that_hold_the_cpus_take_threads_away_and_no_more_than_idle_ones() {
    let (mut bench, mut policy) = (under_quota(), policy(Follow::Quota, false));
    bench.set(Signal::CpuQuotaCores, None);
    bench.set(Signal::ThrottledRatio, None);
    bench.set(Signal::CpuUsedCores, Some(3.0));
    assert_eq!(run(&mut bench, &mut policy, 10, well), [], "8 of 8");
    bench.set(Signal::RunDelayCores, Some(4.0));
    let steps = run(&mut bench, &mut policy, 120, well);
    assert_eq!(steps.last(), Some(&(4, "starved")), "3 in use and a half: {steps:?}");
    assert!(steps.windows(2).all(|pair| pair[0].0 == pair[1].0 + 1), "one at a time: {steps:?}");
}

#[test]
fn changes_are_few_whatever_the_signals_say() {
    let (mut bench, mut policy) = (under_quota(), policy(Follow::Quota, false));
    let mut changes = Vec::new();
    for second in 0..600_u64 {
        bench.set(Signal::ThrottledRatio, Some(if second % 14 < 7 { 0.5 } else { 0.0 }));
        bench.set(Signal::ThrottledTimeRatio, Some(if second % 14 < 7 { 0.5 } else { 0.0 }));
        bench.set(Signal::SchedulerLatency, Some(0.005));
        let answers = |threads| (1000.0, 0.030 / f64::from(threads));
        let seen = run(&mut bench, &mut policy, 1, answers);
        changes.extend(seen.into_iter().map(|_| second));
    }
    assert!(changes.windows(7).all(|seven| seven[6] - seven[0] >= 60), "{changes:?}");
}

#[test]
fn s1_without_quota_and_affinity_it_holds_and_hands_back() {
    let (mut bench, mut policy) = (bench(), policy(Follow::Quota, false));
    assert_eq!(bench.step(&mut policy).want, Want::Hold);
    bench.wait(11_000);
    assert_eq!(bench.step(&mut policy).want, Want::Release);
}

#[test]
fn g5_load_as_reported_doubles_the_cores_and_as_meant_stays_within_the_quota() {
    let follow = |raw, used, throttled| {
        let (mut bench, mut policy) = (under_quota(), policy(Follow::Load, raw));
        bench.set(Signal::CpuUsedCores, Some(used));
        bench.set(Signal::ThrottledRatio, Some(throttled));
        run(&mut bench, &mut policy, 12, well);
        threads(&bench)
    };
    assert_eq!([follow(true, 6.5, 0.0), follow(true, 2.0, 0.0), follow(true, 4.0, 0.0)], [16, 8, 8]);
    assert_eq!([follow(false, 6.5, 0.0), follow(false, 2.0, 0.0), follow(false, 6.5, 0.5)], [4, 2, 8]);
}

#[test]
fn g5_scheduling_latency_as_reported_and_as_meant() {
    let follow = |raw, delay: Option<f64>| {
        let (mut bench, mut policy) = (under_quota(), policy(Follow::SchedLatency, raw));
        bench.set(Signal::CpuQuotaCores, None);
        bench.set(Signal::RunDelayPerSlice, delay);
        run(&mut bench, &mut policy, 3, well);
        threads(&bench)
    };
    let reported = [0.004, 0.010, 0.013, 0.020].map(|delay| follow(true, Some(delay)));
    assert_eq!(reported, [4, 8, 8, 8], "few at a small delay, and never more than 8");
    let meant = [0.004, 0.010, 0.020].map(|delay| follow(false, Some(delay)));
    assert_eq!(meant, [8, 8, 7], "the other way round");
    assert_eq!([follow(true, None), follow(false, None)], [8, 8], "a file that is not there is not zero");
}

#[test]
fn g5_cores_as_reported_and_as_meant() {
    let follow = |raw, quota: Option<f64>| {
        let (mut bench, mut policy) = (under_quota(), policy(Follow::Cores, raw));
        bench.set(Signal::CpuQuotaCores, quota);
        run(&mut bench, &mut policy, 3, well);
        threads(&bench)
    };
    assert_eq!([Some(0.5), Some(2.5), None].map(|quota| follow(true, quota)), [2, 2, 6]);
    assert_eq!([Some(0.5), Some(2.5), None].map(|quota| follow(false, quota)), [1, 3, 8]);
}

#[test]
fn illegal_parameters_are_refused() {
    let try_new = |follow, raw, min, max| {
        let knob = KnobName::try_new("parallelism").expect("valid");
        Parallelism::try_new(knob, follow, raw, min, max).map_err(|error| error.field()).err()
    };
    assert_eq!(try_new(Follow::Quota, false, Some(0), None), Some(Some("min")));
    assert_eq!(try_new(Follow::Quota, false, None, Some(1 << 40)), Some(Some("max")));
    assert_eq!(try_new(Follow::Quota, false, Some(5), Some(4)), Some(Some("max")));
    assert_eq!(try_new(Follow::Quota, true, None, None), Some(Some("raw")));
    assert_eq!(try_new(Follow::Load, true, Some(4), Some(4)), None);
}
