//! A process without a collector: all it can tell is what its allocator holds.

use super::*;

fn bench(live: f64, resident: f64) -> Bench {
    let mut bench = Bench::new(GcTargetSpec::KNOB, Kind::GcTarget, 100_000.0, 100.0);
    for (signal, value) in [
        (Signal::MemoryLimitBytes, 512.0 * MI),
        (Signal::MemoryWorkingSetRatio, (resident + 10.0 * MI) / (512.0 * MI)),
        (Signal::RuntimeMemoryBytes, resident),
        (Signal::RuntimeOverheadBytes, 5.0 * MI),
        (Signal::HeapLiveBytes, live),
    ] {
        bench.set(signal, Some(value));
    }
    bench
}

fn after(bench: &mut Bench, policy: &mut GcTargetPolicy, ticks: u32) -> GcTarget {
    let mut said = None;
    for _ in 0..ticks {
        bench.wait(100);
        said = target(&bench.step(policy)).or(said);
    }
    said.expect("something is said")
}

#[test]
fn g1_an_allocator_gets_the_budget_and_is_asked_for_pages_when_the_live_heap_does_not_fit() {
    let mut law = policy(GcMode::Throughput);
    let said = after(&mut bench(150.0 * MI, 300.0 * MI), &mut law, 100);
    assert_eq!((mib(said.budget_bytes), said.return_memory), (476.0, false), "512 less 10 of others and 5 %");
    let said = after(&mut bench(470.0 * MI, 490.0 * MI), &mut policy(GcMode::Throughput), 10);
    assert!(said.return_memory, "{said:?}");
}

#[test]
fn g1_an_allocator_that_says_nothing_is_held_and_then_let_go() {
    let (mut bench, mut law) = (bench(150.0 * MI, 300.0 * MI), policy(GcMode::Throughput));
    after(&mut bench, &mut law, 10);
    bench.set(Signal::HeapLiveBytes, None);
    bench.wait(3000);
    assert_eq!(bench.step(&mut law).want, Want::Hold);
    bench.wait(10_000);
    assert_eq!(bench.step(&mut law).want, Want::Release);
}
