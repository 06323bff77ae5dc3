//! `database-client`: a database that gets slow, one that hangs, and what happens to the pool without the preset.

use std::time::Duration;

use super::*;

/// The size of the pool.
const POOL: f64 = 32.0;

/// 400 queries a second of 20 ms, to a database that runs 64 at once.
fn scenario(speed: Vec<(f64, f64)>) -> Scenario {
    let mut scenario = Scenario::plain(64, Distribution::Exponential(0.02), vec![(0.0, 400.0)]);
    scenario.classes[0].deadline = 1.0;
    scenario.seconds = 240.0;
    scenario.server.speed = Steps(speed);
    scenario
}

/// What happened, and the most calls in flight.
fn under_the_preset(scenario: &Scenario) -> (Run, f64) {
    // timeout.db.query
    let service = service("database-client", "db").gives_up_after(Duration::from_secs(2));
    let most = service.most_in_flight();
    (run(scenario, service), most.get() as f64)
}

#[test]
fn p4_a_slow_database_does_not_pile_up_callers_and_its_answers_are_of_use() {
    // Twenty times as slow from 60 s to 120 s: 400 ms a query, 64 at once: 160/s for whoever has that many connections.
    let scenario = scenario(vec![(0.0, 1.0), (60.0, 0.05), (120.0, 1.0)]);
    let (preset, most) = under_the_preset(&scenario);
    let without = unlimited(&scenario);
    assert!(most <= POOL, "nobody waits for a connection: {most}");
    let (ours, theirs) = (preset.counts(60.0, 120.0), without.counts(60.0, 120.0));
    let share = f64::from(ours.in_time) / f64::from(ours.in_time + ours.late);
    let possible = POOL / 0.4;
    eprintln!(
        "in flight {most:.0}, {:.0}/s in time of {possible:.0}/s, {:.1} % late; without: in flight {:.0}, {:.0}/s in time",
        f64::from(ours.in_time) / 60.0,
        100.0 * (1.0 - share),
        most_in_flight(&without, 60.0, 130.0),
        f64::from(theirs.in_time) / 60.0,
    );
    assert!(share > 0.85, "what is answered is answered in time: {share}");
    assert!(f64::from(ours.in_time) / 60.0 > 0.6 * possible);
    assert!(most_in_flight(&without, 60.0, 130.0) > 10_000.0, "and without it they pile up");
    assert!(rejected_ratio(&preset, 150.0, 240.0) < 0.001, "well again, and all are served");
}

#[test]
fn p4_a_database_that_hangs_is_left_alone_and_comes_back_gently() {
    let scenario = scenario(vec![(0.0, 1.0), (60.0, 1e-6), (120.0, 1.0)]);
    let (run, most) = under_the_preset(&scenario);
    assert!(most <= POOL, "nobody waits for a connection: {most}");
    let opened = first(&run, "breaker open", 0.0).expect("calls hang");
    assert!((60.0..75.0).contains(&opened), "{opened}");
    let admitted = |from, to| run.counts(from, to).arrived - run.counts(from, to).rejected;
    let probes = admitted(opened + 0.2, 120.0);
    assert!(probes <= 40, "about eight rounds of at most 5 s and 3 s, until three have failed: {probes}");
    let back = first(&run, "breaker local", 120.0).expect("it closes");
    eprintln!(
        "open after {:.1} s, {probes} probes, all traffic back {:.1} s after it was well",
        opened - 60.0,
        back - 120.0
    );
    assert!(back < 140.0, "{back}");
    assert!(rejected_ratio(&run, back + 1.0, 240.0) < 0.001);
    assert_eq!(first(&run, "breaker open", 120.5), None, "and does not fall over a second time");
}
