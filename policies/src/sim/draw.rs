//! Scenarios at random, so that a law is judged on services that nobody had in mind.
//!
//! A number gives a scenario, always the same. Everything is drawn independently from these ranges:
//!
//! | what | range |
//! |---|---|
//! | workers | 1 to 256, log-uniform |
//! | mean work of a call | 1 ms to 200 ms, log-uniform |
//! | capacity | size, work and discipline drawn anew until it lies between 20 and 4000 calls per second |
//! | work | 30 % exponential, 20 % lognormal (sigma 0.5 to 1.5), 20 % bimodal (3 to 20 % of the calls take 5 to 40 times as long), 15 % Erlang-4, 15 % fixed |
//! | discipline | 50 % FIFO, 35 % processor sharing, 15 % universal scalability law (sigma 0.01 to 0.05, peak at 0.8 to 3 times the workers) |
//! | contention | a quarter of FIFO and processor sharing: from 2 to 6 times the workers + 16 on, up to 1.5 to 3 times slower |
//! | normal load | 0.3 to 1 - 0.4 / sqrt(workers), at most 0.95; two phases, each with its own |
//! | deadline | 3 to 20 times the mean work, log-uniform; at least what 99 % of the calls need at normal load, 3 times the slowest mean work, 10 ms; plus the dependency's 99th percentile |
//! | overload | 1.1 to 7 times the capacity, log-uniform; one phase of 8 to 20 s |
//! | cause of the overload | 60 % more calls, 25 % capacity drops (speed or workers), 15 % both |
//! | dependency | 35 %: 0.5 to 10 times the work, exponential or Erlang-4; in a third of these it gets 2 to 8 times slower in the overload or in the last phase |
//! | pauses | 10 %: 20 to 150 ms every 1 to 5 s; at most half of what the normal load leaves, and 0.4 times the deadline |
//! | bursts | 10 %: 100 to 400 ms every 3 to 8 s, at 2 to 6 times the normal load; at most half of what that leaves, and work for 0.4 times the deadline |
//! | modulation | 10 %: all rates times 1.2 to 2 for 0.5 to 2 s, now and then, as far as the normal load leaves room |
//! | arrivals | Poisson; 10 % in batches of 2 to 8 on average, 5 % evenly spaced |
//! | slow services | below 100 calls per second all phases are twice as long |
//!
//! Normal is meant to be normal: a service that misses its deadlines without any overload tells laws apart by luck, so
//! deadline and load fit each other, and pauses, bursts and modulation never come together.

mod dice;
mod size;

use fastrand::Rng;

use crate::sim::scenario::{Bounds, Class, Discipline, Link, Phase, Scenario, Server, Steps};
use dice::Dice;
use size::Size;

/// Results count from here on, seconds.
const WARM_UP: f64 = 8.0;

/// The scenario of this number. Numbers from 1 to 200 are on the scoreboard; any other is as good.
pub fn scenario(number: u64) -> Scenario {
    let mut dice = Dice(Rng::with_seed(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let size = dice.size();
    let capacity = size.capacity();
    let times = dice.times(capacity);
    let load = dice.load(&size);
    let mut clients = dice.clients(&load, capacity, &times);
    let own = dice.deadline(&size, &load, clients.batch);
    let mut server = dice.server(&size);
    let deadline = own + dice.dependency(&mut server, size.mean, &times);
    load.slow(&mut server, &size, &times);
    dice.trouble(&mut clients, &mut server, &load, capacity, deadline);
    Scenario {
        name: format!("draw-{number:03}"),
        about: about(&size, &load, &server, deadline),
        seconds: times.end,
        warm_up: WARM_UP,
        phases: vec![phase(0.0, false), phase(times.overload, true), phase(times.calm, false)],
        clients,
        classes: vec![Class { name: "call".into(), share: 1.0, priority: 2, deadline, work: 1.0 }],
        server,
        instances: vec![1.0],
        link: Link::default(),
        limit: Bounds::default(),
        deadline_known: true,
    }
}

fn phase(at: f64, overload: bool) -> Phase {
    Phase { at, overload, kind: None }
}

/// When the phases begin, and the end.
#[derive(Debug, Clone, Copy)]
struct Times {
    overload: f64,
    calm: f64,
    end: f64,
}

/// Shares of the capacity that are offered.
#[derive(Debug, Clone, Copy)]
struct Load {
    before: f64,
    /// Calls over nominal capacity in the overload.
    during: f64,
    after: f64,
    /// What is left of the capacity in the overload.
    left: f64,
    /// It is workers that are lost, not speed.
    workers: bool,
}

impl Load {
    /// The higher of the two normal loads.
    fn normal(&self) -> f64 {
        self.before.max(self.after)
    }

    /// Takes the capacity away that is lost in the overload.
    fn slow(&self, server: &mut Server, size: &Size, times: &Times) {
        let whole = (size.workers * self.left).round();
        let (before, during) = (size.workers as u32, whole as u32);
        if self.workers && whole >= 1.0 && !matches!(size.discipline, Discipline::Usl { .. }) {
            server.station.workers =
                Steps(vec![(0.0, before), (times.overload, during), (times.calm, before)]);
        } else {
            server.speed = Steps(vec![(0.0, 1.0), (times.overload, self.left), (times.calm, 1.0)]);
        }
    }
}

fn about(size: &Size, load: &Load, server: &Server, deadline: f64) -> String {
    let discipline = match size.discipline {
        Discipline::Fifo => "FIFO",
        Discipline::ProcessorSharing => "processor sharing",
        Discipline::Usl { .. } => "scalability law",
    };
    let dependency =
        if server.delay.0.len() > 1 || server.delay.at(0.0).mean() > 0.0 { ", dependency" } else { "" };
    format!(
        "{discipline}, {} workers, {:.0}/s{dependency}, work {:.1} ms, deadline {:.0} ms; load {:.2}, then {:.2} of {:.2}, then {:.2}",
        size.workers,
        size.capacity(),
        size.mean * 1e3,
        deadline * 1e3,
        load.before,
        load.during,
        load.left,
        load.after,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_always_the_same_scenario() {
        assert_eq!(scenario(17), scenario(17));
        assert_ne!(scenario(17), scenario(18));
    }

    #[test]
    fn draws_stay_in_their_ranges() {
        let mut disciplines = [0; 3];
        for number in 1..=500 {
            let drawn = scenario(number);
            let workers = drawn.server.station.workers.at(0.0);
            assert!((1..=256).contains(workers), "{drawn:?}");
            let [before, during, after] = [0, 1, 2].map(|phase| drawn.phases[phase].at);
            assert!(before < during && during < after && after < drawn.seconds);
            assert!(drawn.classes[0].deadline >= 2.99 * drawn.server.work.at(0.0).mean());
            assert!(drawn.server.speed.0.iter().all(|(_, speed)| *speed > 0.0 && *speed <= 1.0));
            assert!(drawn.server.station.workers.0.iter().all(|(_, workers)| *workers >= 1));
            disciplines[match drawn.server.station.discipline {
                Discipline::Fifo => 0,
                Discipline::ProcessorSharing => 1,
                Discipline::Usl { .. } => 2,
            }] += 1;
        }
        assert!(disciplines.iter().all(|count| *count > 40), "{disciplines:?}");
    }
}
