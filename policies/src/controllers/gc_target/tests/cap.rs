//! The cap of calls and the drain.

use super::super::cap::{HeapCap, HeapCapPolicy};
use super::super::drain::{HeapDrain, HeapDrainPolicy};
use super::*;

fn limiter() -> Bench {
    let gc = bench();
    let mut bench = Bench::new("limit.inbound", Kind::ConcurrencyLimit, 4000.0, 1000.0);
    for signal in Signal::ALL {
        bench.set(signal, Some(gc.value(signal)).filter(|value| !value.is_nan()));
    }
    bench
}

fn cap() -> HeapCapPolicy {
    let knob = KnobName::try_new("limit.inbound").expect("valid");
    HeapCapPolicy::new(HeapCap::try_new(knob, 0.2, HeapCap::FLOOR).expect("valid"))
}

/// Seconds of 500 calls per second of 0.4 s (200 in flight), 0.5 MiB each, with so much alive.
fn serve(bench: &mut Bench, policy: &mut impl Policy, seconds: u64, live: impl Fn(f64) -> f64) -> Proposal {
    let mut proposal = bench.step(policy);
    for tick in 0..seconds * 10 {
        live_on(bench, 250.0, if tick % 5 == 0 { 1.0 } else { 0.0 });
        bench.set(Signal::HeapLiveBytes, Some(live(0.1 * tick as f64) * MI));
        bench.answer(0.1, 500.0, 0.4);
        proposal = bench.step(policy);
    }
    proposal
}

fn calls(proposal: &Proposal) -> f64 {
    match proposal.want {
        Want::AtMost(calls) => calls,
        _ => f64::NAN,
    }
}

#[test]
fn w6_calls_are_capped_where_the_live_heap_is_too_large_and_the_reason_says_it() {
    let (mut bench, mut policy) = (limiter(), cap());
    let calm = serve(&mut bench, &mut policy, 20, |_| 150.0);
    assert_eq!(calm.want, Want::Anything, "{}", calm.reason);
    let shed = serve(&mut bench, &mut policy, 5, |_| 430.0);
    assert_eq!(shed.reason.rule(), "live_heap");
    assert!((135.0..145.0).contains(&calls(&shed)), "at most 30 % fewer than 200 at once: {}", calls(&shed));
    let evidence = shed.reason.evidence();
    let bytes = evidence.iter().find(|evidence| evidence.signal == "bytes_per_call").expect("told");
    assert!((0.45..0.55).contains(&(bytes.observed / MI)), "{bytes:?}");
    let again = serve(&mut bench, &mut policy, 30, |_| 150.0);
    assert_eq!(again.want, Want::Anything, "it never latches");
}

/// What is said when a process with 250 MiB alive gets six times as many calls and has not collected since.
fn surge(objects: f64) -> Proposal {
    let (mut bench, mut policy) = (limiter(), cap());
    serve(&mut bench, &mut policy, 20, |_| 250.0);
    bench.set(Signal::HeapObjectsBytes, Some(objects * MI));
    let mut proposal = bench.step(&mut policy);
    for _ in 0..5 {
        live_on(&mut bench, 250.0, 0.0);
        bench.answer(0.1, 3000.0, 0.4);
        proposal = bench.step(&mut policy);
    }
    proposal
}

#[test]
fn w6_calls_that_came_since_the_newest_collection_count() {
    let full = surge(460.0);
    assert!(calls(&full) < 1000.0, "{:?} {}", full.want, full.reason);
    assert_eq!(full.reason.rule(), "live_heap");
    let empty = surge(255.0);
    assert_eq!(empty.want, Want::Anything, "no more is alive than there is in the heap: {}", empty.reason);
}

#[test]
fn w6_where_calls_keep_next_to_nothing_alive_they_are_not_capped() {
    let (mut bench, mut policy) = (limiter(), cap());
    let mut proposal = bench.step(&mut policy);
    for tick in 0..100 {
        live_on(&mut bench, 250.0, if tick % 5 == 0 { 1.0 } else { 0.0 });
        bench.set(Signal::HeapLiveBytes, Some(400.0 * MI));
        bench.answer(0.1, 5000.0, 0.002);
        proposal = bench.step(&mut policy);
    }
    assert_eq!((proposal.want, proposal.reason.rule()), (Want::Anything, "starved"));
}

#[test]
fn s1_without_counters_the_cap_holds_and_lets_go() {
    let (mut bench, mut policy) = (limiter(), cap());
    assert_eq!(bench.step(&mut policy).want, Want::Hold);
    bench.wait(11_000);
    assert_eq!(bench.step(&mut policy).want, Want::Release);
}

fn drain() -> HeapDrainPolicy {
    let knob = KnobName::try_new("drain").expect("valid");
    HeapDrainPolicy::new(HeapDrain::try_new(knob, 0.2, HeapDrain::BEFORE).expect("valid"))
}

fn drained(proposal: &Proposal) -> bool {
    proposal.want == Want::Set(Value::Switch(true))
}

#[test]
fn w4_a_leak_at_its_end_drains_for_good_and_one_at_its_beginning_does_not() {
    let (mut bench, mut policy) = (limiter(), drain());
    assert!(!drained(&serve(&mut bench, &mut policy, 60, |at| 100.0 + 2.0 * at)));
    let end = serve(&mut bench, &mut policy, 60, |at| 300.0 + 2.0 * at);
    assert!(drained(&end), "{}", end.reason);
    assert_eq!(end.reason.rule(), "leak");
    assert!(end.reason.to_string().starts_with("leaks 2.0 MiB/s"), "{}", end.reason);
    assert!(drained(&serve(&mut bench, &mut policy, 30, |_| 100.0)), "it has been told");
}

#[test]
fn w3_bursts_and_a_large_heap_that_stays_do_not_drain() {
    for live in [|_: f64| 390.0, |at: f64| 300.0 + if at % 4.0 < 1.0 { 100.0 } else { 0.0 }] {
        let (mut bench, mut policy) = (limiter(), drain());
        assert!(!drained(&serve(&mut bench, &mut policy, 180, live)));
    }
}

#[test]
fn illegal_caps_and_drains_are_refused() {
    let knob = || KnobName::try_new("k").expect("valid");
    assert_eq!(HeapCap::try_new(knob(), 0.9, 16.0).expect_err("illegal").field(), Some("gc_cpu_cap"));
    assert_eq!(HeapCap::try_new(knob(), 0.2, 0.0).expect_err("illegal").field(), Some("floor"));
    assert_eq!(HeapDrain::try_new(knob(), 0.2, Duration::ZERO).expect_err("illegal").field(), Some("before"));
}
