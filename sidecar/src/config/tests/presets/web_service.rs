//! `web-service`: overload, memory, a starved CPU, a leak, and an objective that is missed.

use super::*;

/// Capacity 800 calls a second, 10 ms each.
fn scenario(rate: Vec<(f64, f64)>, seconds: f64) -> Scenario {
    let mut scenario = Scenario::plain(8, Distribution::Exponential(0.01), rate);
    scenario.classes[0].deadline = 1.0;
    scenario.seconds = seconds;
    scenario
}

#[test]
fn c1_three_times_the_load_is_answered_as_fast_as_it_can_be_and_in_time() {
    let scenario = scenario(vec![(0.0, 400.0), (30.0, 2400.0), (90.0, 400.0)], 120.0);
    let preset = run(&scenario, service("web-service", "inbound").reports(well));
    let (goodput, p99) = (preset.goodput(35.0, 90.0), preset.percentile(0.99, 35.0, 90.0).unwrap());
    eprintln!("{goodput:.0}/s of 800/s, p99 {:.0} ms", p99 * 1e3);
    assert!(goodput > 0.95 * 800.0 && p99 < 1.0, "{goodput}/s, p99 {p99} s");
    assert!(rejected_ratio(&preset, 95.0, 120.0) < 0.001, "over, and nobody is rejected any more");
    let without = unlimited(&scenario).goodput(35.0, 90.0);
    eprintln!("without: {without:.0}/s");
    assert!(without < 0.05 * 800.0, "{without}/s");
}

/// Short of memory from 60 s to 120 s, whatever the calls do.
fn short_of_memory(seconds: f64, in_flight: u64) -> Vec<(Signal, f64)> {
    let ratio = if (60.0..120.0).contains(&seconds) { 0.93 } else { 0.5 };
    let mut report = well(seconds, in_flight);
    report.push((Signal::MemoryWorkingSetRatio, ratio));
    report
}

#[test]
fn s1_while_memory_is_short_fewer_requests_are_in_flight_and_then_as_many_as_before() {
    // Each call takes 200 ms in a dependency, so many are in flight.
    let mut scenario = scenario(vec![(0.0, 400.0)], 200.0);
    scenario.server.delay = Steps::constant(Distribution::Fixed(0.2));
    let run = run(&scenario, service("web-service", "inbound").reports(short_of_memory));
    let before = run.between(50.0, 59.0).last().unwrap().limit;
    let meanwhile = run.between(70.0, 119.0).iter().map(|slice| slice.limit).fold(0.0, f64::max);
    assert!(meanwhile < 0.5 * before, "{meanwhile} of {before}");
    assert_eq!(rejected_ratio(&run, 170.0, 200.0), 0.0, "it lets go");
}

/// From 120 s on a task is left behind twenty times a second.
fn leaks(seconds: f64, in_flight: u64) -> Vec<(Signal, f64)> {
    let mut report = well(seconds, in_flight);
    report.push((Signal::Tasks, 200.0 + 20.0 * (seconds - 120.0).max(0.0)));
    report
}

#[test]
fn b3_tasks_that_pile_up_hold_new_work_back_and_are_told() {
    let scenario = scenario(vec![(0.0, 400.0)], 240.0);
    let run = run(&scenario, service("web-service", "inbound").reports(leaks));
    let told = first(&run, "alert inbound-leak", 0.0).expect("an alert");
    assert!((160.0..200.0).contains(&told), "1,200 tasks at 170 s, in three samples: {told}");
    let opened = first(&run, "breaker open", 0.0).expect("it holds new work back");
    assert!((opened - told).abs() < 0.2);
    assert!(rejected_ratio(&run, opened + 1.0, opened + 30.0) > 0.99);
}

#[test]
fn b7_an_objective_that_is_missed_is_told() {
    // From 240 s on three of ten calls wait 700 ms for a dependency.
    let slow = Distribution::Mixture(vec![(0.7, Distribution::Fixed(0.0)), (0.3, Distribution::Fixed(0.7))]);
    let mut scenario = scenario(vec![(0.0, 100.0)], 450.0);
    scenario.server.delay = Steps(vec![(0.0, Distribution::Fixed(0.0)), (240.0, slow)]);
    let run = run(&scenario, service("web-service", "inbound").reports(well));
    let told = first(&run, "alert inbound-objective", 0.0).expect("30 % are late, 0.5 % may be");
    assert!((240.0..440.0).contains(&told), "{told}");
}

/// The runtime's timers are 80 ms late from 60 s on.
fn starved(seconds: f64, in_flight: u64) -> Vec<(Signal, f64)> {
    let mut report = well(seconds, in_flight);
    report.push((Signal::RuntimeDelay, if seconds < 60.0 { 0.001 } else { 0.08 }));
    report
}

#[test]
fn s2_a_starved_runtime_loses_room_to_grow_and_nothing_of_what_it_serves() {
    let scenario = scenario(vec![(0.0, 400.0)], 120.0);
    let run = run(&scenario, service("web-service", "inbound").reports(starved));
    let limit = |at: f64| run.between(at - 1.0, at).last().unwrap().limit;
    assert!(limit(120.0) < 0.8 * limit(60.0), "{} of {}", limit(120.0), limit(60.0));
    assert!(rejected_ratio(&run, 60.0, 120.0) < 0.01);
}
