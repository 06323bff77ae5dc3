//! The simulated service and its clients: one loop that takes the earliest of all events that are due.
//!
//! Calls ask the law of their instance; admitted ones work in the station, wait for the dependency, pass the second station,
//! and are answered (`way`). A client whose call was rejected, dropped or late tries again where the scenario says so.
//! Nothing is cancelled: work for a client that has gone is done all the same.

mod calls;
mod gate;
mod luck;
mod recorder;
mod way;
mod weather;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;

use crate::sim::arrivals::Arrivals;
use crate::sim::law::{Host, Law};
use crate::sim::run::Run;
use crate::sim::scenario::{Discipline, Scenario};
use crate::sim::station::Station;
use crate::time::Timestamp;
use calls::Calls;
use gate::Gate;
use luck::Luck;
use recorder::Recorder;
use weather::Weather;

/// Runs a scenario from its start to its end, with one law for each instance. Costs some hundred nanoseconds per call.
pub fn run(scenario: &Scenario, seed: u64, laws: Vec<Box<dyn Law>>) -> Run {
    Plant::new(scenario, seed, laws).run()
}

/// What is due at a time of its own. Ordered, so that simultaneous events have an order too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The dependency answered.
    Answer(u32),
    /// The service refused, or the client stopped waiting for a word of it.
    Refused(u32),
    /// The client has waited for its deadline.
    GiveUp { call: u32, generation: u32 },
    /// A client tries again.
    Retry(u32),
}

struct Plant<'a> {
    scenario: &'a Scenario,
    laws: Vec<Instance>,
    arrivals: Arrivals,
    next_arrival: (f64, u32),
    station: Station,
    second: Option<Station>,
    weather: Weather,
    gate: Option<Gate>,
    calls: Calls,
    due: BinaryHeap<Reverse<(u64, Due)>>,
    recorder: Recorder,
    /// What calls are like, drawn when they come: the same calls whatever the law.
    kinds: Rng,
    luck: Luck,
    /// Calls so far, without retries.
    arrived: u64,
    now: f64,
}

struct Instance {
    law: Box<dyn Law>,
    in_flight: u32,
    wake_at: f64,
    woken_at: f64,
    busy_seconds: f64,
}

/// The kinds of events, in the order in which simultaneous ones are taken.
#[derive(Clone, Copy)]
enum Next {
    Station,
    Second,
    Due,
    Weather,
    Wake(usize),
    Slice,
    Arrival,
}

impl<'a> Plant<'a> {
    fn new(scenario: &'a Scenario, seed: u64, laws: Vec<Box<dyn Law>>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut arrivals = Arrivals::new(&scenario.clients, scenario.seconds, rng.fork());
        let server = &scenario.server;
        let station = &server.station;
        let instance = |law| Instance { law, in_flight: 0, wake_at: 0.0, woken_at: 0.0, busy_seconds: 0.0 };
        Self {
            scenario,
            laws: laws.into_iter().map(instance).collect(),
            next_arrival: arrivals.take_next(),
            arrivals,
            station: Station::new(station.discipline, station.contention, *station.workers.at(0.0)),
            second: server
                .second
                .as_ref()
                .map(|(workers, _)| Station::new(Discipline::Fifo, None, *workers.at(0.0))),
            weather: Weather::new(server, rng.fork()),
            gate: server.accepts.map(Gate::new),
            kinds: rng.fork(),
            calls: Calls::default(),
            due: BinaryHeap::new(),
            recorder: Recorder::new(scenario),
            luck: Luck::new(seed),
            arrived: 0,
            now: 0.0,
        }
    }

    fn run(mut self) -> Run {
        for index in 0..self.laws.len() {
            self.wake(index);
        }
        loop {
            let (at, next) = self.next();
            self.now = at;
            match next {
                Next::Station => self.station_done(),
                Next::Second => self.second_done(),
                Next::Due => self.take_due(),
                Next::Weather => self.change(),
                Next::Wake(index) => self.wake(index),
                Next::Slice => {
                    self.close_slice();
                    if self.recorder.is_complete() {
                        return self.recorder.finish();
                    }
                }
                Next::Arrival => self.arrive(),
            }
        }
    }

    fn next(&self) -> (f64, Next) {
        let due = self.due.peek().map_or(f64::INFINITY, |Reverse((at, _))| *at as f64 / 1e9);
        let mut next = (self.station.next_done(), Next::Station);
        let mut consider = |at: f64, event| {
            if at < next.0 {
                next = (at, event);
            }
        };
        if let Some(second) = &self.second {
            consider(second.next_done(), Next::Second);
        }
        consider(due, Next::Due);
        consider(self.weather.next_change(), Next::Weather);
        for (index, instance) in self.laws.iter().enumerate() {
            consider(instance.wake_at, Next::Wake(index));
        }
        consider(self.recorder.slice_end(), Next::Slice);
        consider(self.next_arrival.0, Next::Arrival);
        (next.0.max(self.now), next.1)
    }

    fn take_due(&mut self) {
        let Some(Reverse((_, due))) = self.due.pop() else { return };
        match due {
            Due::Answer(call) => self.delayed(call),
            Due::Refused(call) => self.answer(call),
            Due::GiveUp { call, generation } => {
                if let Some(given_up) = self.calls.give_up(call, generation) {
                    self.retry(given_up);
                }
            }
            Due::Retry(call) => {
                let call = self.calls.take(call);
                self.attempt(call);
            }
        }
    }

    fn change(&mut self) {
        let conditions = self.weather.change(self.now, &self.scenario.server);
        self.station.change(self.now, conditions.workers, conditions.speed);
        if let Some(second) = &mut self.second {
            second.change(self.now, conditions.second_workers, 1.0);
        }
    }

    fn wake(&mut self, index: usize) {
        let busy_seconds = self.station.busy_seconds(self.now);
        let instance = &mut self.laws[index];
        let passed = self.now - instance.woken_at;
        let busy = if passed > 0.0 { (busy_seconds - instance.busy_seconds) / passed } else { 0.0 };
        (instance.woken_at, instance.busy_seconds) = (self.now, busy_seconds);
        if self.now > 0.0 {
            instance.law.wake(timestamp(self.now), &Host { busy });
        }
        instance.wake_at = instance.law.wake_at().map_or(f64::INFINITY, Timestamp::as_secs_f64);
    }

    fn close_slice(&mut self) {
        for (index, instance) in self.laws.iter_mut().enumerate() {
            self.recorder.law(index, instance.law.limit(), instance.law.take_log());
        }
        self.recorder.close(self.now);
    }

    fn due_at(&mut self, at: f64, due: Due) {
        self.due.push(Reverse((nanos(at), due)));
    }
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_nanos(nanos(seconds))
}

#[cfg(test)]
mod tests;
