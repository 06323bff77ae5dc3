//! Do no harm: after an overload, however strange, a service that has room again is not kept from using it.
//!
//! Random services of the scoreboard's generator, from number 2001 on, which nobody looked at while the law was made. Their
//! last phase is normal load; it is prolonged to two minutes, and at its end most calls have to be admitted.
#![cfg(feature = "sim")]

use std::sync::Arc;

use setpoint_policies::sim::draw;
use setpoint_policies::sim::law::Law;
use setpoint_policies::sim::link::{Connected, default_policies};
use setpoint_policies::sim::plant;
use setpoint_policies::sim::scenario::Scenario;

/// Services that are tried; larger ones take long without optimisation.
const SERVICES: usize = 60;
const MOST_CALLS: f64 = 60_000.0;
const CALM_SECONDS: f64 = 120.0;
const LOOKED_AT_SECONDS: f64 = 40.0;
/// Where calls come in batches to a small service even the best fixed limit rejects a tenth, and ours up to a sixth; a limit
/// that has latched rejects most.
const REJECTED: f64 = 0.25;

fn services() -> impl Iterator<Item = Scenario> {
    (2001..).map(draw::scenario).filter_map(|mut scenario| {
        let calm = scenario.phases.last().expect("a scenario has phases").at;
        scenario.seconds = calm + CALM_SECONDS;
        let rates = &scenario.clients.rate.points;
        let calls = rates.iter().map(|(_, rate)| rate).sum::<f64>() / rates.len() as f64 * scenario.seconds;
        // Whoever bursts or pauses has no room at those times.
        // So has a batch of calls that is more than a service of that size can hold for as long as it may take.
        let small = *scenario.server.station.workers.at(0.0) < 4 && scenario.clients.batch > 2.0;
        let steady = scenario.clients.rate.bursts.is_none() && scenario.server.pauses.is_none() && !small;
        (calls < MOST_CALLS && steady && scenario.clients.rate.modulation.is_none()).then_some(scenario)
    })
}

#[test]
fn c1_rejections_end_when_there_is_room() {
    let mut kept_out = Vec::new();
    for scenario in services().take(SERVICES) {
        for deadline_known in [true, false] {
            let scenario = Scenario { deadline_known, ..scenario.clone() };
            let policies = Arc::new(default_policies(&scenario));
            let law: Box<dyn Law> = Box::new(Connected::new(&scenario, &policies, 0, 7));
            let run = plant::run(&scenario, 7, vec![law]);
            let counts = run.counts(scenario.seconds - LOOKED_AT_SECONDS, scenario.seconds);
            let rejected = f64::from(counts.rejected) / f64::from(counts.arrived.max(1));
            if rejected > REJECTED {
                // What it decided, for whoever has to find out why.
                run.log.iter().for_each(|(at, _, text)| eprintln!("{:6.1} {text}", at.as_secs_f64()));
                kept_out.push(format!(
                    "{} known {deadline_known}: {rejected:.3} {}",
                    scenario.name, scenario.about
                ));
            }
        }
    }
    assert_eq!(kept_out, Vec::<String>::new());
}
