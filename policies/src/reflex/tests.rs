use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const R0: Duration = Duration::from_millis(20);
const ALLOWED: Allowed =
    Allowed { limit: 400.0, floor: 4.0, baseline_latency: Some(R0), deadline: None, steered: false };

/// A server with so many workers behind a limiter; every call takes as long as it is told to. One step is 10 ms.
#[derive(Clone)]
struct Plant {
    reflex: Reflex,
    totals: Totals,
    /// Admission times of calls in flight, oldest first.
    calls: VecDeque<u64>,
    work: f64,
}

/// What the plant does for a while.
#[derive(Clone, Copy)]
struct Load {
    arrivals: u64,
    /// Calls that end in a step, at most.
    served: f64,
    /// No call ends before this age.
    least: Duration,
    /// They end in overload instead.
    dropped: bool,
}

impl Plant {
    fn new() -> Self {
        Self { reflex: Reflex::default(), totals: Totals::default(), calls: VecDeque::new(), work: 0.0 }
    }

    fn run(&mut self, steps: u64, load: Load, allowed: &Allowed) -> Vec<Option<f64>> {
        (0..steps).map(|_| self.step(load, allowed)).collect()
    }

    fn step(&mut self, load: Load, allowed: &Allowed) -> Option<f64> {
        self.totals.at_nanos += 10_000_000;
        let now = self.totals.at_nanos;
        self.work = (self.work + load.served).min(load.served.max(1.0));
        while self.work >= 1.0 {
            let ripe = |at: &u64| now - at >= u64::try_from(load.least.as_nanos()).unwrap();
            let Some(at) = self.calls.front().copied().filter(ripe) else { break };
            self.calls.pop_front();
            self.work -= 1.0;
            self.totals.release_time_sum += now;
            self.totals.latency_sum += now - at;
            if load.dropped {
                self.totals.dropped += 1;
            } else {
                self.totals.completed += 1;
                self.totals.success_latency_sum += now - at;
            }
        }
        let cap = self.reflex.cut().map_or(allowed.limit, |cut| cut.cap.min(allowed.limit));
        for _ in 0..load.arrivals {
            self.totals.arrived += 1;
            if (self.calls.len() as f64) < cap.floor() {
                self.calls.push_back(now);
                self.totals.admitted += 1;
                self.totals.admit_time_sum += now;
            } else {
                self.totals.rejected[2] += 1;
            }
        }
        self.reflex.step(&self.totals, allowed).map(|cut| cut.cap)
    }
}

/// 800 calls a second of 20 ms each, of which half is offered.
const NORMAL: Load = Load { arrivals: 4, served: 8.0, least: R0, dropped: false };
const OVERLOAD: Load = Load { arrivals: 24, ..NORMAL };
const HUNG: Load = Load { served: 0.0, ..NORMAL };

fn share_cut(caps: &[Option<f64>]) -> f64 {
    caps.iter().filter(|cap| cap.is_some()).count() as f64 / caps.len() as f64
}

#[test]
fn l2_calm_is_left_alone() {
    let mut plant = Plant::new();
    assert!(plant.run(2000, NORMAL, &ALLOWED).iter().all(Option::is_none));
    assert_eq!(plant.reflex.cuts(), 0);
}

#[test]
fn l2_an_overload_is_cut_to_what_the_throughput_needs_and_the_bound_is_let_go_by_steps() {
    let mut plant = Plant::new();
    plant.run(100, NORMAL, &ALLOWED);
    let caps = plant.run(300, OVERLOAD, &ALLOWED);
    let first = caps.iter().position(Option::is_some).expect("a cut");
    let cap = caps[first].expect("just found");
    // 80 calls and their root of 9 in 100 ms, 20 ms each, half as much again.
    assert!((20.0..30.0).contains(&cap), "{cap} after {first} steps");
    assert_eq!(plant.reflex.cut().map(|cut| cut.cause), Some(Cause::OldCalls));
    let recovered = plant.run(600, NORMAL, &ALLOWED);
    assert!(recovered[599].is_none(), "armed again");
    let steps: Vec<f64> = recovered.iter().flatten().copied().collect();
    assert!(steps.windows(2).all(|pair| pair[1] >= pair[0]), "upwards only: {steps:?}");
}

#[test]
fn l2_without_a_sidecar_a_lasting_overload_is_held_down() {
    let mut plant = Plant::new();
    plant.run(100, NORMAL, &ALLOWED);
    plant.run(500, OVERLOAD, &ALLOWED);
    let (before, latency_before) = (plant.totals.completed, plant.totals.success_latency_sum);
    plant.run(3000, OVERLOAD, &ALLOWED);
    let done = plant.totals.completed - before;
    let mean = (plant.totals.success_latency_sum - latency_before) as f64 / done as f64 / 1e9;
    // Unbounded, 400 calls stand in line: 0.5 s.
    assert!(done >= 22_000 && mean < 0.2, "{done} calls of 24000, {mean} s each");
}

#[test]
fn c1_a_queue_that_every_call_survives_is_left_to_the_sidecar() {
    // 400 calls in flight and 800 done per second: each takes 500 ms, and is 250 ms old on average.
    for (deadline, expected) in [(None, true), (Some(1000), false), (Some(300), true)] {
        let allowed = Allowed { deadline: deadline.map(Duration::from_millis), ..ALLOWED };
        let mut plant = Plant::new();
        plant.run(100, NORMAL, &allowed);
        let cut = plant.run(200, OVERLOAD, &allowed).into_iter().flatten().next();
        assert_eq!(cut.is_some(), expected, "{deadline:?}");
        if let (Some(deadline), Some(cap)) = (deadline, cut) {
            // What is done in 0.35 of it, and the root of a count more.
            let enough = 0.35 * deadline as f64 * 0.8;
            assert!((enough..1.2 * enough).contains(&cap), "{cap} where {enough} are enough");
        }
    }
}

#[test]
fn p4_a_dependency_that_hangs_does_not_latch_the_limit_down() {
    let mut plant = Plant::new();
    plant.run(100, NORMAL, &ALLOWED);
    let caps = plant.run(30_000, HUNG, &ALLOWED);
    assert!(share_cut(&caps) < 0.1, "{}", share_cut(&caps));
    let longest = caps.split(Option::is_none).map(<[_]>::len).max().unwrap_or(0);
    assert!(longest <= 201, "{longest} steps without a proof that it helps");
    assert!(plant.run(300, NORMAL, &ALLOWED).iter().rev().take(50).all(Option::is_none), "well again");
}

#[test]
fn c1_while_a_sidecar_steers_a_cut_only_bridges_the_time_that_it_needs() {
    let allowed = Allowed { steered: true, ..ALLOWED };
    let mut plant = Plant::new();
    plant.run(100, NORMAL, &allowed);
    let caps = plant.run(6000, OVERLOAD, &allowed);
    assert!(caps.iter().take(100).any(Option::is_some), "the first second is ours");
    let longest = caps.split(Option::is_none).map(<[_]>::len).max().expect("some");
    assert!(longest <= 31, "{longest} steps of 10 ms without a word from it");
    assert!(share_cut(&caps) < 0.05, "{}: it has seen all this, and left the limit", share_cut(&caps));
}

#[test]
fn p4_a_dependency_that_has_become_slower_is_not_shed_for_long() {
    let slow = Load { served: 1e9, least: Duration::from_millis(400), ..NORMAL };
    // Too low for the new latency: 400 calls a second of 400 ms each want 160.
    let allowed = Allowed { limit: 120.0, ..ALLOWED };
    let mut plant = Plant::new();
    plant.run(100, NORMAL, &allowed);
    let caps = plant.run(6000, slow, &allowed);
    assert!(share_cut(&caps) < 0.15, "{}", share_cut(&caps));
    let before = plant.totals.completed;
    plant.run(6000, slow, &allowed);
    assert!(plant.totals.completed - before > 15_000, "{} of 18000", plant.totals.completed - before);
}

#[test]
fn l2_drops_cut_too_and_without_a_baseline_blindly() {
    let drops = Load { arrivals: 8, dropped: true, ..NORMAL };
    for (baseline_latency, expected) in [(Some(R0), 4.0..25.0), (None, 10.0..40.0)] {
        let allowed = Allowed { baseline_latency, ..ALLOWED };
        let mut plant = Plant::new();
        plant.run(100, Load { arrivals: 8, ..NORMAL }, &Allowed { baseline_latency: None, ..ALLOWED });
        let caps = plant.run(20, drops, &allowed);
        let cap = caps.iter().flatten().next().copied().expect("a cut");
        assert!(expected.contains(&cap), "{cap} with {baseline_latency:?}");
        assert_eq!(plant.reflex.cut().map(|cut| cut.cause), Some(Cause::Drops));
    }
}

#[test]
fn l2_few_drops_among_many_calls_are_no_overload() {
    let mut reflex = Reflex::default();
    let mut totals = Totals::default();
    for _ in 0..1000 {
        totals.at_nanos += 10_000_000;
        (totals.admitted, totals.completed) = (totals.admitted + 101, totals.completed + 100);
        totals.dropped += 1;
        assert_eq!(reflex.step(&totals, &ALLOWED), None, "1 % of the calls");
    }
}

#[test]
fn l2_a_push_lifts_the_bound_and_the_reflex_stands_back() {
    let mut plant = Plant::new();
    plant.run(100, NORMAL, &ALLOWED);
    while plant.step(OVERLOAD, &ALLOWED).is_none() {}
    plant.reflex.pushed(Timestamp::from_nanos(plant.totals.at_nanos));
    let caps = plant.run(100, OVERLOAD, &ALLOWED);
    let again = caps.iter().position(Option::is_some);
    assert!(again.is_none_or(|steps| steps >= 49), "{again:?}");
    plant.reflex = Reflex::default();
    plant.reflex.pushed(Timestamp::ZERO);
    assert_eq!(plant.reflex.state, State::Armed, "a push into the calm changes nothing");
}

#[test]
fn l2_a_process_that_was_stopped_is_not_taken_for_overloaded() {
    let mut plant = Plant::new();
    plant.run(100, OVERLOAD, &Allowed { baseline_latency: None, ..ALLOWED });
    plant.totals.at_nanos += 3_000_000_000;
    let caps = plant.run(40, OVERLOAD, &ALLOWED);
    assert!(caps.iter().all(Option::is_none));
}

#[test]
fn a_limit_that_comes_down_to_the_bound_ends_it() {
    let mut plant = Plant::new();
    plant.run(100, NORMAL, &ALLOWED);
    while plant.step(OVERLOAD, &ALLOWED).is_none() {}
    assert_eq!(plant.step(OVERLOAD, &Allowed { limit: 10.0, ..ALLOWED }), None);
}

#[test]
fn the_local_baseline_is_learnt_in_quiet_and_not_poisoned_by_a_ramp() {
    let mut plant = Plant::new();
    let mut local = LocalBaseline::default();
    let mut run = |plant: &mut Plant, steps, load| {
        for _ in 0..steps {
            plant.step(load, &Allowed { baseline_latency: None, ..ALLOWED });
            local.learn(&plant.totals);
        }
        local.latency()
    };
    assert_eq!(run(&mut plant, 5, NORMAL), None, "too little");
    let quiet = run(&mut plant, 500, NORMAL).expect("learnt");
    assert!((15..25).contains(&quiet.as_millis()), "{quiet:?}");
    for arrivals in 5..12 {
        let ramped = run(&mut plant, 300, Load { arrivals, ..NORMAL }).expect("learnt");
        assert!(ramped < 2 * R0, "{ramped:?} at {arrivals}");
    }
    let overloaded = run(&mut plant, 1000, OVERLOAD).expect("learnt");
    assert!(overloaded < 2 * R0, "{overloaded:?}");
}

fn any_totals() -> impl Strategy<Value = Vec<(u64, [u64; 4], u64)>> {
    proptest::collection::vec((0..200_u64, proptest::array::uniform4(0..50_u64), 0..2000_u64), 1..400)
}

proptest! {
    #[test]
    fn c1_whatever_is_counted_the_bound_stays_between_floor_and_limit(
        events in any_totals(), limit in 0.0..500.0_f64, floor in 0.0..20.0_f64,
        baseline in proptest::option::of(0..2000_u64),
    ) {
        let baseline_latency = baseline.map(Duration::from_millis);
        let allowed = Allowed { limit, floor, baseline_latency, deadline: None, steered: false };
        let (mut reflex, mut totals) = (Reflex::default(), Totals::default());
        for (millis, [admitted, completed, dropped, rejected], age) in events {
            totals.at_nanos += millis * 1_000_000;
            totals.admitted += admitted;
            let left = totals.in_flight();
            let (completed, dropped) = (completed.min(left), dropped.min(left.saturating_sub(completed)));
            (totals.completed, totals.dropped) = (totals.completed + completed, totals.dropped + dropped);
            totals.rejected[0] += rejected;
            totals.admit_time_sum = totals.admit_time_sum.wrapping_add(age * 1_000_000);
            if let Some(cut) = reflex.step(&totals, &allowed) {
                prop_assert!(cut.cap < limit && cut.cap >= floor.max(1.0).min(limit), "{cut:?}");
            }
        }
    }

    #[test]
    fn l2_after_any_trouble_the_limit_is_whole_again(
        trouble in proptest::collection::vec((1..100_u64, 0..40_u64, 0.0..20.0_f64, 0..500_u64, any::<bool>()), 1..20),
    ) {
        let mut plant = Plant::new();
        for (steps, arrivals, served, least, dropped) in trouble {
            plant.run(steps, Load { arrivals, served, least: Duration::from_millis(least), dropped }, &ALLOWED);
        }
        let caps = plant.run(1500, NORMAL, &ALLOWED);
        prop_assert!(caps[1000..].iter().all(Option::is_none), "{:?}", &caps[1000..]);
    }
}
