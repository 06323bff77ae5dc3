//! What a scenario's server does with calls, over a time that is told.
//!
//! The station is the simulator's own, and so are the distributions: what is to be shown is that a real process (sockets,
//! timers, SDK, sidecar, scheduler) does with the same plant what the simulated one does, so the plant must not be a matter
//! of interpretation. Everything happens at its exact time, even when somebody looks late: a timer that fires a millisecond
//! after its time costs the caller a millisecond, but not the station, whose capacity stays what the scenario says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;
use setpoint_policies::sim::arrivals::changes;
use setpoint_policies::sim::scenario::{Scenario, Server};
use setpoint_policies::sim::station::Station;

/// A server at work. Times are seconds since the start of the scenario and never go back.
#[derive(Debug)]
pub struct Works {
    server: Server,
    station: Station,
    /// Calls in the dependency: when they are answered, nanoseconds.
    delayed: BinaryHeap<Reverse<(u64, u32)>>,
    /// When workers or speed change, latest first.
    changes: Vec<f64>,
    rng: Rng,
    now: f64,
}

/// What is due next.
#[derive(Clone, Copy)]
enum Due {
    Change,
    Station,
    Answer,
}

impl Works {
    /// The idle server of a scenario; times in the dependency follow from the seed.
    pub fn new(server: &Server, seed: u64) -> Self {
        let station = &server.station;
        let mut times: Vec<f64> = changes(&station.workers).chain(changes(&server.speed)).collect();
        // Also at the start, for a speed that is not 1 there.
        times.push(0.0);
        times.sort_by(|a, b| b.total_cmp(a));
        Self {
            station: Station::new(station.discipline, station.contention, *station.workers.at(0.0)),
            server: server.clone(),
            delayed: BinaryHeap::new(),
            changes: times,
            rng: Rng::with_seed(seed),
            now: 0.0,
        }
    }

    /// When something happens next without another call; infinity for never.
    pub fn next(&self) -> f64 {
        self.next_due().0
    }

    /// A call with so many seconds of work comes, no earlier than what has happened so far.
    pub fn enter(&mut self, at: f64, call: u32, work: f64, answered: &mut impl FnMut(u32, f64)) {
        self.advance(at, answered);
        self.station.enter(self.now, call, work);
    }

    /// Lets everything happen that is due; tells which calls are answered, and when that was.
    pub fn advance(&mut self, to: f64, answered: &mut impl FnMut(u32, f64)) {
        loop {
            let (at, due) = self.next_due();
            if at > to {
                self.now = self.now.max(to);
                return;
            }
            self.now = self.now.max(at);
            match due {
                Due::Change => self.change(),
                Due::Station => {
                    if let Some(call) = self.station.take_done(self.now) {
                        self.worked(call, answered);
                    }
                }
                Due::Answer => {
                    if let Some(Reverse((_, call))) = self.delayed.pop() {
                        answered(call, self.now);
                    }
                }
            }
        }
    }

    fn next_due(&self) -> (f64, Due) {
        let change = self.changes.last().copied().unwrap_or(f64::INFINITY);
        let answer = self.delayed.peek().map_or(f64::INFINITY, |Reverse((at, _))| *at as f64 / 1e9);
        let mut next = (self.station.next_done(), Due::Station);
        for other in [(answer, Due::Answer), (change, Due::Change)] {
            if other.0 < next.0 {
                next = other;
            }
        }
        next
    }

    fn change(&mut self) {
        self.changes.pop();
        let (workers, speed) = (self.server.station.workers.at(self.now), self.server.speed.at(self.now));
        self.station.change(self.now, *workers, *speed);
    }

    /// The station is done with a call: on to the dependency, if there is one.
    fn worked(&mut self, call: u32, answered: &mut impl FnMut(u32, f64)) {
        let delay = self.server.delay.at(self.now).draw(&mut self.rng);
        if delay > 0.0 {
            let at = ((self.now + delay) * 1e9).round() as u64;
            self.delayed.push(Reverse((at, call)));
        } else {
            answered(call, self.now);
        }
    }
}

/// What a scenario has that the real service has not. Empty: it can be played.
pub fn unsupported(scenario: &Scenario) -> Vec<&'static str> {
    let server = &scenario.server;
    let fields = [
        ("clients.retries", scenario.clients.retries.is_some()),
        ("classes", scenario.classes.len() != 1),
        ("instances", scenario.instances.len() != 1),
        ("server.pauses", server.pauses.is_some()),
        ("server.second", server.second.is_some()),
        ("server.reject_cost", server.reject_cost > 0.0),
        ("server.drop_ratio", server.drop_ratio.0.iter().any(|(_, ratio)| *ratio > 0.0)),
        ("server.accepts", server.accepts.is_some()),
    ];
    fields.into_iter().filter(|(_, present)| *present).map(|(field, _)| field).collect()
}
