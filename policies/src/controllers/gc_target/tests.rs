use proptest::prelude::*;

use super::*;
use crate::controllers::bench::Bench;
use crate::knob::{Kind, KnobName};
use crate::reason::Reason;
use crate::signal::Signal;

mod allocator;
mod cap;
mod presets;
mod processes;

const MI: f64 = 1024.0 * 1024.0;

/// A process under 512 MiB with 150 MiB alive, on 2 CPUs, alone; each collection took 0.12 CPU seconds.
fn bench() -> Bench {
    let mut bench = Bench::new(GcTargetSpec::KNOB, Kind::GcTarget, 10_000.0, 100.0);
    for (signal, value) in [
        (Signal::MemoryLimitBytes, 512.0 * MI),
        (Signal::MemoryWorkingSetRatio, 0.5),
        (Signal::ProcessAnonBytes, 256.0 * MI),
        (Signal::RuntimeMemoryBytes, 256.0 * MI),
        (Signal::RuntimeOverheadBytes, 20.0 * MI),
        (Signal::HeapLiveBytes, 150.0 * MI),
        (Signal::HeapRootsBytes, MI),
        (Signal::HeapObjectsBytes, 200.0 * MI),
        (Signal::HeapGoalBytes, 300.0 * MI),
        (Signal::HeapAllocatedBytes, 0.0),
        (Signal::GcCycles, 0.0),
        (Signal::GcCpuSeconds, 0.0),
        (Signal::RuntimeParallelism, 2.0),
    ] {
        bench.set(signal, Some(value));
    }
    bench
}

fn spec(rule: Rule) -> GcTargetSpec {
    GcTargetSpec::try_new(KnobName::try_new(GcTargetSpec::KNOB).expect("valid"), rule).expect("valid")
}

fn policy(mode: GcMode) -> GcTargetPolicy {
    GcTargetPolicy::new(spec(Rule::Law(mode)))
}

/// A tenth of a second in which the process allocates and collects.
fn live_on(bench: &mut Bench, mib_per_second: f64, collections: f64) {
    bench.wait(100);
    let more = |bench: &mut Bench, signal, by: f64| bench.set(signal, Some(bench.value(signal) + by));
    more(bench, Signal::HeapAllocatedBytes, 0.1 * mib_per_second * MI);
    more(bench, Signal::GcCycles, collections);
    more(bench, Signal::GcCpuSeconds, 0.12 * collections);
}

fn target(proposal: &Proposal) -> Option<GcTarget> {
    match proposal.want {
        Want::Set(Value::Gc(target)) => Some(target),
        _ => None,
    }
}

fn mib(bytes: Option<u64>) -> f64 {
    bytes.map_or(f64::NAN, |bytes| (bytes as f64 / MI).round())
}

/// What is said after a while in which nothing changes.
fn settled(bench: &mut Bench, policy: &mut GcTargetPolicy) -> GcTarget {
    let mut said = None;
    for tick in 0..150 {
        live_on(bench, 200.0, if tick % 10 == 0 { 1.0 } else { 0.0 });
        said = target(&bench.step(policy)).or(said);
    }
    said.expect("something is said")
}

#[test]
fn g1_the_budget_is_the_limit_less_others_and_a_margin() {
    let mut bench = bench();
    let said = settled(&mut bench, &mut policy(GcMode::Throughput));
    assert_eq!(mib(said.budget_bytes), 486.0, "512 less 5 %");
    assert_eq!(mib(said.memory_limit_bytes), 499.0, "half of the margin more");
    // (0.97 x (486.4 - 20) - 150) / 151
    assert_eq!((said.mode, said.percent), (GcMode::Throughput, Some(200)));

    // A neighbour of 100 MiB.
    bench.set(Signal::MemoryWorkingSetRatio, Some(356.0 / 512.0));
    let said = settled(&mut bench, &mut policy(GcMode::Throughput));
    assert_eq!(mib(said.budget_bytes), 386.0);
}

#[test]
fn g1_the_throttling_limit_counts_where_it_is_lower() {
    let mut bench = bench();
    bench.set(Signal::MemoryHighBytes, Some(400.0 * MI));
    let said = settled(&mut bench, &mut policy(GcMode::Throughput));
    assert_eq!(mib(said.budget_bytes), 376.0, "400 less 24 MiB");
}

#[test]
fn g1_a_frugal_target_takes_what_it_needs_until_memory_presses() {
    let mut bench = bench();
    let said = settled(&mut bench, &mut policy(GcMode::Frugal));
    // 0.12 s for 151 MiB, 200 MiB/s: 0.159 CPU seconds per second at 100 %, over 5 % of 2 CPUs.
    assert_eq!((said.mode, said.percent), (GcMode::Frugal, Some(158)));
    bench.set(Signal::HeapLiveBytes, Some(300.0 * MI));
    let said = settled(&mut bench, &mut policy(GcMode::Frugal));
    assert_eq!(said.mode, GcMode::Throughput, "under pressure all of the budget is used");
}

#[test]
fn w7_a_resized_limit_is_followed_at_once_down_and_within_seconds_up() {
    let (mut bench, mut policy) = (bench(), policy(GcMode::Throughput));
    settled(&mut bench, &mut policy);
    bench.set(Signal::MemoryLimitBytes, Some(384.0 * MI));
    bench.set(Signal::MemoryWorkingSetRatio, Some(256.0 / 384.0));
    live_on(&mut bench, 200.0, 0.0);
    let lowered = bench.step(&mut policy);
    assert_eq!(mib(target(&lowered).expect("said at once").budget_bytes), 360.0);
    assert_eq!((lowered.action, lowered.reason.rule()), (Action::Decrease, "memory_limit_changed"));
    assert_eq!(lowered.reason.to_string(), "memory limit 512 MiB -> 384 MiB");
    bench.set(Signal::MemoryLimitBytes, Some(768.0 * MI));
    bench.set(Signal::MemoryWorkingSetRatio, Some(256.0 / 768.0));
    let mut said = None;
    for _ in 0..50 {
        live_on(&mut bench, 200.0, 0.0);
        said = target(&bench.step(&mut policy)).or(said);
    }
    let budget = mib(said.expect("said").budget_bytes);
    assert!((690.0..=730.0).contains(&budget), "{budget}");
}

#[test]
fn g1_a_live_heap_that_does_not_fit_gets_half_of_the_margin_and_gives_pages_back() {
    let mut bench = bench();
    bench.set(Signal::HeapLiveBytes, Some(440.0 * MI));
    let mut policy = policy(GcMode::Throughput);
    live_on(&mut bench, 10.0, 1.0);
    let proposal = bench.step(&mut policy);
    let said = target(&proposal).expect("said");
    assert!(said.return_memory);
    assert_eq!((said.percent, proposal.reason.rule()), (Some(15), "starved"));
    let heap =
        crate::envelope::Heap { live: 440.0 * MI, roots: MI, overhead: 20.0 * MI, cost: None, cpus: None };
    assert_eq!(mib(said.evaluate(&heap).memory_limit_bytes), 499.0);

    let rather_killed = spec(Rule::Law(GcMode::Throughput)).with_restart_not_brownout(true);
    let said = target(&bench.step(&mut GcTargetPolicy::new(rather_killed))).expect("said");
    assert!(mib(said.evaluate(&heap).memory_limit_bytes) > 512.0, "no limit that counts");
}

#[test]
fn g1_an_idle_process_over_a_lowered_budget_is_asked_to_collect_and_to_give_pages_back() {
    let (mut bench, mut policy) = (bench(), policy(GcMode::Throughput));
    settled(&mut bench, &mut policy);
    // 60 MiB are alive of 256, and a neighbour takes 300.
    bench.set(Signal::HeapLiveBytes, Some(60.0 * MI));
    bench.set(Signal::MemoryWorkingSetRatio, Some(500.0 / 512.0));
    let mut asked = Vec::new();
    for tick in 1..=100 {
        live_on(&mut bench, 0.0, 0.0);
        let proposal = bench.step(&mut policy);
        if let Some(said) = target(&proposal)
            && said.collect
        {
            assert!(said.return_memory);
            assert_eq!(proposal.reason.rule(), "over_budget");
            assert!(
                proposal.reason.to_string().starts_with("holds 256 MiB of a budget of "),
                "{}",
                proposal.reason
            );
            asked.push(tick);
        }
    }
    assert!((5..=8).contains(&asked[0]), "half a second after it was over: {asked:?}");
    assert!(asked.iter().all(|tick| *tick < asked[0] + 50), "not for ever: {asked:?}");
}

#[test]
fn g1_who_holds_more_than_its_budget_alive_is_not_asked_for_what_it_needs() {
    let (mut bench, mut policy) = (bench(), policy(GcMode::Throughput));
    settled(&mut bench, &mut policy);
    bench.set(Signal::HeapLiveBytes, Some(220.0 * MI));
    bench.set(Signal::HeapObjectsBytes, Some(230.0 * MI));
    bench.set(Signal::MemoryWorkingSetRatio, Some(480.0 / 512.0));
    for _ in 0..100 {
        live_on(&mut bench, 0.0, 0.0);
        let said = target(&bench.step(&mut policy));
        assert!(said.is_none_or(|said| !said.collect && !said.return_memory), "{said:?}");
    }
}

#[test]
fn g1_pages_that_are_in_use_are_not_asked_back() {
    let mut bench = bench();
    bench.set(Signal::HeapLiveBytes, Some(440.0 * MI));
    bench.set(Signal::RuntimeMemoryBytes, Some(490.0 * MI));
    bench.set(Signal::HeapObjectsBytes, Some(450.0 * MI));
    live_on(&mut bench, 10.0, 1.0);
    let proposal = bench.step(&mut policy(GcMode::Throughput));
    assert_eq!(proposal.reason.rule(), "starved");
    assert!(!target(&proposal).expect("said").return_memory, "20 MiB are less than the margin");
}

#[test]
fn g1_memory_stall_with_nothing_to_reclaim_cuts_the_budget_below_what_is_in_use() {
    let mut bench = bench();
    bench.set(Signal::MemoryWorkingSetRatio, Some(0.97));
    bench.set(Signal::RuntimeMemoryBytes, Some(480.0 * MI));
    bench.set(Signal::ProcessAnonBytes, Some(480.0 * MI));
    let mut policy = policy(GcMode::Throughput);
    live_on(&mut bench, 10.0, 1.0);
    let before = target(&bench.step(&mut policy)).expect("said");
    bench.set(Signal::MemorySome, Some(0.3));
    live_on(&mut bench, 10.0, 0.0);
    let proposal = bench.step(&mut policy);
    assert!(target(&proposal).expect("said").budget_bytes < before.budget_bytes);
    assert_eq!(mib(target(&proposal).expect("said").budget_bytes), 454.0, "480 less 5 % of 512");
    assert_eq!(proposal.reason.rule(), "memory_stall");
}

#[test]
fn a_tiny_limit_is_left_alone() {
    let mut bench = bench();
    bench.set(Signal::MemoryLimitBytes, Some(63.0 * MI));
    let proposal = bench.step(&mut policy(GcMode::Throughput));
    assert_eq!((proposal.want, proposal.reason.rule()), (Want::Anything, "limit_too_small"));
}

#[test]
fn s1_a_missing_signal_holds_and_then_lets_go_and_is_never_zero() {
    for missing in [
        Signal::MemoryLimitBytes,
        Signal::MemoryWorkingSetRatio,
        Signal::HeapLiveBytes,
        Signal::RuntimeMemoryBytes,
        Signal::RuntimeOverheadBytes,
    ] {
        let (mut bench, mut policy) = (bench(), policy(GcMode::Throughput));
        bench.set(missing, None);
        assert_eq!(bench.step(&mut policy).want, Want::Hold, "{missing:?}");
        bench.set(missing, Some(f64::NAN));
        bench.wait(5000);
        assert_eq!(bench.step(&mut policy).reason, Reason::SignalMissing(missing));
        bench.wait(6000);
        assert_eq!(bench.step(&mut policy).want, Want::Release, "{missing:?}");
    }
    let (mut bench, mut policy) = (bench(), policy(GcMode::Throughput));
    bench.set(Signal::HeapLiveBytes, Some(0.0));
    assert_eq!(bench.step(&mut policy).want, Want::Hold, "no collection has ended yet");
}

#[test]
fn g1_what_only_refines_may_be_missing() {
    let mut bench = bench();
    for signal in [
        Signal::ProcessAnonBytes,
        Signal::HeapRootsBytes,
        Signal::HeapAllocatedBytes,
        Signal::GcCycles,
        Signal::GcCpuSeconds,
        Signal::RuntimeParallelism,
    ] {
        bench.set(signal, None);
    }
    bench.wait(100);
    let said = target(&bench.step(&mut policy(GcMode::Frugal))).expect("said");
    assert_eq!(mib(said.budget_bytes), 486.0);
}

#[test]
fn the_owner_of_the_knob_has_the_last_word_on_percentages() {
    let mut bench = bench();
    (bench.knob.min, bench.knob.max) = (50.0, 120.0);
    bench.wait(100);
    let said = target(&bench.step(&mut policy(GcMode::Throughput))).expect("said");
    assert_eq!((said.percent_min, said.percent_max, said.percent), (50, 120, Some(120)));
}

#[test]
fn constant_inputs_converge_and_then_nothing_is_pushed() {
    for mode in [GcMode::Throughput, GcMode::Frugal] {
        let (mut bench, mut policy) = (bench(), policy(mode));
        settled(&mut bench, &mut policy);
        for tick in 0..3000 {
            live_on(&mut bench, 200.0, if tick % 10 == 0 { 1.0 } else { 0.0 });
            let proposal = bench.step(&mut policy);
            assert_eq!(proposal.want, Want::Hold, "{mode:?} {tick} {:?}", proposal.reason);
        }
    }
}

#[test]
fn illegal_parameters_are_refused() {
    let knob = || KnobName::try_new("gc").expect("valid");
    let law = || spec(Rule::Law(GcMode::Throughput));
    let fixed = |percent, memory_limit| GcTargetSpec::try_new(knob(), Rule::Fixed { percent, memory_limit });
    for (refused, field) in [
        (fixed(None, None), "percent"),
        (fixed(Some(0), None), "percent"),
        (fixed(None, Some(0.05)), "memory_limit"),
        (law().with_cpu(0.0, 0.2), "gc_cpu_target"),
        (law().with_cpu(0.05, f64::NAN), "gc_cpu_cap"),
        (law().with_percent(0, 100), "percent_min"),
        (law().with_percent(100, 50), "percent_max"),
    ] {
        assert_eq!(refused.expect_err("illegal").field(), Some(field));
    }
}

/// Signals as they may come: some missing, some zero, some beyond reason.
fn wild(scale: f64) -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        6 => (0.0..1.0_f64).prop_map(move |share| Some(share * scale)),
        1 => Just(None),
        1 => Just(Some(0.0)),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(1e18)),
    ]
}

proptest! {
    #[test]
    fn g1_a_budget_never_promises_memory_that_is_not_there(
        ticks in prop::collection::vec(
            (wild(1.0), wild(600.0 * MI), wild(500.0 * MI), wild(60.0 * MI), 300.0..700.0_f64, wild(1.0)), 1..60),
        frugal in any::<bool>(),
    ) {
        let (mut bench, mode) = (bench(), if frugal { GcMode::Frugal } else { GcMode::Throughput });
        let mut policy = policy(mode);
        for (working, runtime, live, overhead, limit, stall) in ticks {
            live_on(&mut bench, 200.0, 1.0);
            bench.set(Signal::MemoryLimitBytes, Some(limit * MI));
            bench.set(Signal::MemoryWorkingSetRatio, working);
            bench.set(Signal::RuntimeMemoryBytes, runtime);
            bench.set(Signal::ProcessAnonBytes, runtime);
            bench.set(Signal::HeapLiveBytes, live);
            bench.set(Signal::RuntimeOverheadBytes, overhead);
            bench.set(Signal::MemorySome, stall);
            let Some(said) = target(&bench.step(&mut policy)) else { continue };
            prop_assert!(said.checked().is_ok(), "{said:?}");
            let percent = said.percent.expect("something is expected");
            prop_assert!((15..=800).contains(&percent), "{percent}");
            let bytes = |bytes: Option<u64>| bytes.map_or(f64::NAN, |bytes| bytes as f64);
            prop_assert!(bytes(said.budget_bytes) <= bytes(said.memory_limit_bytes));
            // At least half of the least margin stays free, whatever is outside the runtime.
            prop_assert!(bytes(said.memory_limit_bytes) <= (0.975 * limit * MI).max(MI) + 1.0);
        }
    }

    #[test]
    fn g1_the_limit_leaves_room_for_others_and_half_of_a_margin(
        limit in 80.0..4000.0_f64, used in 0.01..1.2_f64, of_runtime in 0.01..1.0_f64, live in 0.01..1.0_f64,
    ) {
        let mut bench = bench();
        let (limit, working) = (limit * MI, used * limit * MI);
        bench.set(Signal::MemoryLimitBytes, Some(limit));
        bench.set(Signal::MemoryWorkingSetRatio, Some(used));
        for signal in [Signal::RuntimeMemoryBytes, Signal::ProcessAnonBytes] {
            bench.set(signal, Some(of_runtime * working));
        }
        bench.set(Signal::HeapLiveBytes, Some(live * of_runtime * working));
        bench.wait(100);
        let said = target(&bench.step(&mut policy(GcMode::Throughput))).expect("said");
        let external = working * (1.0 - of_runtime);
        let most = (limit - external - 0.025 * limit).max(MI) + 1.0;
        prop_assert!(said.memory_limit_bytes.is_some_and(|bytes| bytes as f64 <= most));
    }

    #[test]
    fn g1_more_memory_of_others_never_gives_a_larger_budget(
        external in 0.0..400.0_f64, more in 0.0..200.0_f64, live in 10.0..200.0_f64,
    ) {
        let budget = |external: f64| {
            let mut bench = bench();
            bench.set(Signal::HeapLiveBytes, Some(live * MI));
            bench.set(Signal::MemoryWorkingSetRatio, Some((256.0 + external) / 512.0));
            settled(&mut bench, &mut policy(GcMode::Throughput)).budget_bytes
        };
        prop_assert!(budget(external + more) <= budget(external));
    }

    #[test]
    fn pushes_are_at_most_ten_a_second_and_looser_ones_five(
        ticks in prop::collection::vec((0.3..1.0_f64, 50.0..300.0_f64), 40..200),
    ) {
        let (mut bench, mut policy) = (bench(), policy(GcMode::Throughput));
        let (mut looser_at, mut last) = (Vec::new(), None::<GcTarget>);
        for (working, live) in ticks {
            live_on(&mut bench, 200.0, 1.0);
            bench.wait(0);
            bench.set(Signal::MemoryWorkingSetRatio, Some(working));
            bench.set(Signal::HeapLiveBytes, Some(live * MI));
            let Some(said) = target(&bench.step(&mut policy)) else { continue };
            let same_state = last.is_some_and(|last| last.return_memory == said.return_memory);
            if last.is_some_and(|last| last.is_tighter_than(&said)) && same_state {
                looser_at.push(bench.now);
            }
            last = Some(said);
        }
        // A change of state is said at once; it cannot come back for ten seconds.
        let quick = looser_at.windows(2).filter(|pair| pair[1].since(pair[0]) < LOOSER_EVERY).count();
        prop_assert!(quick <= 4, "{quick}");
    }
}
