use std::collections::BTreeSet;

use super::*;
use crate::sim::distribution::Distribution;
use crate::sim::law::{Arrival, Ended};
use crate::sim::scenario::{Accepts, Retries, Steps};

/// Admits while fewer than this are in flight.
struct Fixed(u32);

impl Law for Fixed {
    fn admit(&mut self, call: &Arrival) -> bool {
        call.in_flight < self.0
    }
    fn ended(&mut self, _call: &Ended) {}
    fn limit(&self) -> f64 {
        f64::from(self.0)
    }
}

fn scenario(workers: u32, discipline: Discipline, rate: f64) -> Scenario {
    let mut scenario = Scenario::plain(workers, Distribution::Exponential(0.01), vec![(0.0, rate)]);
    (scenario.seconds, scenario.warm_up) = (200.0, 10.0);
    scenario.server.station.discipline = discipline;
    (scenario.classes[0].priority, scenario.classes[0].deadline) = (0, 0.1);
    scenario
}

fn run_fixed(scenario: &Scenario, limit: u32) -> Run {
    let laws = scenario.instances.iter().map(|_| Box::new(Fixed(limit)) as Box<dyn Law>).collect();
    run(scenario, 1, laws)
}

fn mean_latency(run: &Run) -> f64 {
    let all: Vec<f64> =
        run.between(10.0, 200.0).iter().flat_map(|s| s.latencies.iter().map(|l| f64::from(*l))).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

#[test]
fn a_queue_with_two_workers_is_as_long_as_erlang_c_says() {
    // M/M/2 at 160/s of 200/s: rho 0.8, P(wait) = 0.7111, W = S (1 + P / (2 (1 - rho))) = 10 ms x 2.778.
    // Latencies in a queue depend on each other, so one run would be some percent off.
    let queue = scenario(2, Discipline::Fifo, 160.0);
    let runs = (1..=10).map(|seed| run(&queue, seed, vec![Box::new(Fixed(10_000))]));
    let ratio = runs.map(|run| mean_latency(&run)).sum::<f64>() / 10.0 / 0.02778;
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
}

#[test]
fn processor_sharing_does_not_care_for_the_distribution() {
    // M/G/1-PS at rho 0.5: S / (1 - rho) = 20 ms whatever the spread.
    let mut ps = scenario(1, Discipline::ProcessorSharing, 50.0);
    ps.server.work = Steps::constant(Distribution::Lognormal { mean: 0.01, sigma: 1.0 });
    let ratio = mean_latency(&run_fixed(&ps, 10_000)) / 0.02;
    assert!((ratio - 1.0).abs() < 0.08, "{ratio}");
}

#[test]
fn in_flight_is_rate_times_latency() {
    let mut slow = scenario(4, Discipline::Fifo, 200.0);
    slow.server.delay = Steps::constant(Distribution::Exponential(0.05));
    slow.server.second = Some((Steps::constant(4), Distribution::Exponential(0.01)));
    let run = run_fixed(&slow, 10_000);
    let slices = run.between(10.0, 200.0);
    let in_flight = slices.iter().map(|s| s.in_flight).sum::<f64>() / slices.len() as f64;
    let ratio = in_flight / (200.0 * mean_latency(&run));
    assert!((ratio - 1.0).abs() < 0.03, "Little: {ratio}");
}

#[test]
fn every_call_is_counted_once() {
    let mut busy = scenario(2, Discipline::Fifo, 400.0);
    busy.server.drop_ratio = Steps::constant(0.1);
    let counts = run_fixed(&busy, 8).counts(0.0, 200.0);
    let ended = counts.rejected + counts.in_time + counts.late + counts.dropped;
    assert!(counts.arrived - ended <= 8, "{counts:?}");
    assert!((f64::from(counts.in_time + counts.late + counts.dropped) / 40_000.0 - 1.0).abs() < 0.02);
}

#[test]
fn clients_try_again_after_a_rejection_and_at_their_deadline() {
    let mut storm = scenario(2, Discipline::Fifo, 100.0);
    storm.clients.retries = Some(Retries { attempts: 3, backoff: 0.05 });
    let none_admitted = run_fixed(&storm, 0).counts(0.0, 200.0);
    assert!((f64::from(none_admitted.arrived) / 60_000.0 - 1.0).abs() < 0.02, "{none_admitted:?}");
    storm.classes[0].deadline = 0.000_001;
    let all_late = run_fixed(&storm, 10_000).counts(0.0, 200.0);
    assert!((f64::from(all_late.arrived) / 60_000.0 - 1.0).abs() < 0.02, "{all_late:?}");
}

#[test]
fn pauses_and_the_cost_of_rejections_take_capacity() {
    let mut paused = scenario(2, Discipline::Fifo, 1000.0);
    paused.server.pauses = Some(crate::sim::scenario::Pauses { length: 0.25, every: 1.0, random: false });
    let served = |run: Run| f64::from(run.counts(10.0, 200.0).in_time + run.counts(10.0, 200.0).late) / 190.0;
    assert!((served(run_fixed(&paused, 20)) / 150.0 - 1.0).abs() < 0.02, "a quarter of 200/s is lost");
    let mut costly = scenario(2, Discipline::Fifo, 1000.0);
    costly.server.reject_cost = 0.001;
    // x served, 1000 - x rejected: x = 200 (1 - (1000 - x) / 2000) -> x = 100 / 0.9.
    assert!((served(run_fixed(&costly, 20)) / 111.1 - 1.0).abs() < 0.04);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut busy = scenario(2, Discipline::Fifo, 250.0);
    (busy.seconds, busy.instances) = (20.0, vec![0.25; 4]);
    assert_eq!(run_fixed(&busy, 8).slices, run_fixed(&busy, 8).slices);
    let laws = (0..4).map(|_| Box::new(Fixed(8)) as Box<dyn Law>).collect();
    assert_ne!(run(&busy, 2, laws).slices, run_fixed(&busy, 8).slices);
}

#[test]
fn the_service_refuses_what_it_does_not_accept() {
    let mut full = scenario(100, Discipline::ProcessorSharing, 200.0);
    full.server.work = Steps::constant(Distribution::Fixed(0.05));
    full.server.accepts =
        Some(Accepts { in_flight: Some(4), rate: None, refused_after: 0.02, silent: false });
    let errors = run_fixed(&full, 10_000).counts(10.0, 200.0);
    // Erlang's loss formula: 10 erlangs offered to 4 places, 64.7 % are lost.
    let lost = f64::from(errors.dropped) / f64::from(errors.arrived);
    assert!((lost / 0.6467 - 1.0).abs() < 0.02 && errors.late == 0, "{errors:?}");
    full.server.accepts = full.server.accepts.map(|accepts| Accepts { silent: true, ..accepts });
    let silence = run_fixed(&full, 10_000);
    assert_eq!(
        (silence.counts(10.0, 200.0).dropped, silence.percentile(1.0, 10.0, 200.0)),
        (0, Some(0.1_f32.into()))
    );
    // With 4 permits nobody is refused: the limiter's own rejections replace the errors.
    let limited = run_fixed(&full, 4).counts(10.0, 200.0);
    assert_eq!(limited.late, 0);
    assert!((f64::from(limited.in_time) / f64::from(errors.in_time) - 1.0).abs() < 0.02);
}

/// Rejects every third call.
#[derive(Default)]
struct Picky(u32);

impl Law for Picky {
    fn admit(&mut self, _call: &Arrival) -> bool {
        self.0 += 1;
        !self.0.is_multiple_of(3)
    }
    fn ended(&mut self, _call: &Ended) {}
    fn limit(&self) -> f64 {
        f64::INFINITY
    }
}

#[test]
fn a_rejected_call_changes_nothing_for_the_others() {
    let mut roomy = scenario(1000, Discipline::Fifo, 100.0);
    roomy.server.delay = Steps::constant(Distribution::Exponential(0.05));
    roomy.server.second = Some((Steps::constant(1000), Distribution::Exponential(0.01)));
    roomy.server.drop_ratio = Steps::constant(0.1);
    let latencies = |law: Box<dyn Law>| {
        let run = run(&roomy, 1, vec![law]);
        run.slices.iter().flat_map(|slice| slice.latencies.clone()).map(f32::to_bits).collect::<Vec<_>>()
    };
    let all: BTreeSet<u32> = latencies(Box::new(Fixed(10_000))).into_iter().collect();
    let some = latencies(Box::<Picky>::default());
    assert!(some.len() > 10_000 && some.iter().all(|latency| all.contains(latency)));
}
