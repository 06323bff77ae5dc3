//! `grpc-service`: its own overload, and a callee that hangs.

use std::time::Duration;

use super::*;

/// Of calls to the callee: what is left of ours.
const DEADLINE: Duration = Duration::from_millis(400);

/// Capacity 800 calls a second, 10 ms each.
fn scenario(rate: Vec<(f64, f64)>) -> Scenario {
    let mut scenario = Scenario::plain(8, Distribution::Exponential(0.01), rate);
    scenario.seconds = 180.0;
    scenario
}

#[test]
fn c1_three_times_the_load_is_answered_as_fast_as_it_can_be_and_in_time() {
    let scenario = scenario(vec![(0.0, 400.0), (30.0, 2400.0), (90.0, 400.0)]);
    let preset = run(&scenario, service("grpc-service", "rpc").reports(well));
    let (goodput, p99) = (preset.goodput(35.0, 90.0), preset.percentile(0.99, 35.0, 90.0).unwrap());
    eprintln!("{goodput:.0}/s of 800/s, p99 {:.0} ms", p99 * 1e3);
    assert!(goodput > 0.93 * 800.0 && p99 < 0.5, "{goodput}/s, p99 {p99} s");
    assert!(rejected_ratio(&preset, 95.0, 180.0) < 0.001);
}

#[test]
fn p4_a_callee_that_hangs_keeps_few_of_our_calls_and_is_probed_with_a_handful() {
    let mut scenario = scenario(vec![(0.0, 400.0)]);
    scenario.classes[0].deadline = 0.4;
    scenario.server.speed = Steps(vec![(0.0, 1.0), (60.0, 1e-6), (90.0, 1.0)]);
    let service = service("grpc-service", "callee").gives_up_after(DEADLINE);
    let most = service.most_in_flight();
    let run = run(&scenario, service);
    let opened = first(&run, "breaker open", 0.0).expect("calls hang");
    let admitted = |from, to| run.counts(from, to).arrived - run.counts(from, to).rejected;
    let probes = admitted(opened + 0.2, 90.0);
    let back = first(&run, "breaker local", 90.0).expect("it closes");
    eprintln!(
        "open after {:.1} s, {} in flight at most, {probes} probes, all traffic back {:.1} s after it was well",
        opened - 60.0,
        most.get(),
        back - 90.0
    );
    assert!(opened < 72.0 && probes <= 24 && back < 130.0);
    assert!(rejected_ratio(&run, 140.0, 180.0) < 0.001);
}
