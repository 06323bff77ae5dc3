//! `batch-worker`: nothing is cut for the sake of latency, but what gets less done is.

use setpoint_policies::sim::scenario::Contention;

use super::*;

/// Jobs of half a second on average, twice as many as can be done.
fn scenario(workers: u32) -> Scenario {
    let work = Distribution::Lognormal { mean: 0.5, sigma: 1.0 };
    let mut scenario = Scenario::plain(workers, work, vec![(0.0, f64::from(workers) * 4.0)]);
    scenario.classes[0].deadline = 3600.0;
    scenario.seconds = 200.0;
    scenario
}

fn done(run: &Run) -> f64 {
    run.goodput(60.0, 200.0)
}

#[test]
fn c1_throughput_is_not_cut_where_latency_is_no_goal() {
    let slow = {
        // The database behind it is five times as slow for a while.
        let mut scenario = scenario(64);
        scenario.server.speed = Steps(vec![(0.0, 1.0), (80.0, 0.2), (140.0, 1.0)]);
        scenario
    };
    let waits = {
        // Jobs that mostly wait for something else.
        let mut scenario = scenario(4);
        scenario.clients.rate.points = vec![(0.0, 600.0)];
        scenario.server.work = Steps::constant(Distribution::Exponential(0.01));
        scenario.server.delay = Steps::constant(Distribution::Lognormal { mean: 0.4, sigma: 1.0 });
        scenario
    };
    for (what, scenario) in [("16 workers", scenario(16)), ("slow for a while", slow), ("waiting", waits)] {
        let best = done(&plant::run(&scenario, 1, vec![Box::new(Fixed::new(256.0))]));
        let preset = done(&run(&scenario, service("batch-worker", "jobs").reports(well)));
        eprintln!("{what}: {preset:.1}/s, without any cut {best:.1}/s");
        assert!(preset > 0.97 * best, "{what}: {preset}/s of {best}/s");
    }
}

#[test]
fn c1_where_more_jobs_at_once_get_less_done_there_are_fewer() {
    let mut scenario = scenario(16);
    scenario.server.station.contention = Some(Contention { from: 32.0, slope: 1.0, worst: 8.0 });
    let crowded = done(&plant::run(&scenario, 1, vec![Box::new(Fixed::new(256.0))]));
    let preset = done(&run(&scenario, service("batch-worker", "jobs").reports(well)));
    eprintln!("{preset:.1}/s of 32/s, with 256 at once {crowded:.1}/s");
    assert!(preset > 0.85 * 32.0 && crowded < 0.3 * 32.0, "{preset}/s, {crowded}/s");
}

/// A job keeps 4 MiB of 1 GiB: there is room for about 200.
fn hungry(_: f64, in_flight: u64) -> Vec<(Signal, f64)> {
    let mut report = well(0.0, 0);
    report.push((Signal::MemoryWorkingSetRatio, 0.05 + in_flight as f64 * 4.0 / 1024.0));
    report
}

#[test]
fn c2_no_more_jobs_than_memory_has_room_for() {
    // Jobs wait for something else: nothing but memory bounds them. They come in by and by.
    let mut scenario = scenario(64);
    scenario.clients.rate.points = vec![(0.0, 20.0), (30.0, 60.0), (60.0, 100.0), (90.0, 400.0)];
    scenario.server.work = Steps::constant(Distribution::Exponential(0.01));
    scenario.server.delay = Steps::constant(Distribution::Exponential(1.5));
    let run = run(&scenario, service("batch-worker", "jobs").reports(hungry));
    let most = most_in_flight(&run, 0.0, 200.0);
    let settled = run.between(150.0, 200.0).iter().map(|slice| slice.in_flight).fold(0.0, f64::max);
    eprintln!("{most:.0} at most, {settled:.0} in the end, of 243 that end in an OOM kill");
    assert!(most < 235.0 && (150.0..220.0).contains(&settled), "{most}, {settled}");
}
