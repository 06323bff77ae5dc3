//! The simulated service and its clients: what happens to a call from its arrival to its answer.
//!
//! One loop takes the earliest of all events that are due. Calls ask the law of their instance; admitted ones work in the
//! station, wait for the dependency, pass the second station, and are answered. A client whose call was rejected, dropped or
//! late tries again where the scenario says so. Nothing is cancelled: work for a client that has gone is done all the same.

mod calls;
mod gate;
mod recorder;
mod weather;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;

use crate::sim::arrivals::Arrivals;
use crate::sim::law::{Arrival, End, Ended, Host, Law};
use crate::sim::run::Run;
use crate::sim::scenario::{Class, Discipline, Scenario};
use crate::sim::station::Station;
use crate::time::Timestamp;
use calls::{Call, Calls};
use gate::Gate;
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
    rng: Rng,
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
            rng,
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

    fn arrive(&mut self) {
        for _ in 0..self.next_arrival.1 {
            let class = self.pick(|scenario| scenario.classes.iter().map(|class| class.share));
            let instance = self.pick(|scenario| scenario.instances.iter().copied());
            let work = self.scenario.server.work.at(self.now).draw(&mut self.kinds)
                * self.scenario.classes[class].work;
            self.attempt(Call { class: class as u8, instance: instance as u8, work, ..Call::default() });
        }
        self.next_arrival = self.arrivals.take_next();
    }

    /// An index at random, by shares.
    fn pick<I: ExactSizeIterator<Item = f64>>(&mut self, shares: impl Fn(&'a Scenario) -> I) -> usize {
        let shares = shares(self.scenario);
        let last = shares.len() - 1;
        if last == 0 {
            return 0;
        }
        let mut left = self.kinds.f64();
        let chosen = shares.take(last).position(|share| {
            left -= share;
            left < 0.0
        });
        chosen.unwrap_or(last)
    }

    /// A call, or another attempt of one, asks for admission.
    fn attempt(&mut self, mut call: Call) {
        let class = self.class(&call);
        let (priority, deadline) = (class.priority, class.deadline);
        self.recorder.count(call.class).arrived += 1;
        let instance = &mut self.laws[usize::from(call.instance)];
        let arrival = Arrival {
            at: timestamp(self.now),
            in_flight: instance.in_flight,
            class: call.class,
            priority,
            deadline: Duration::from_secs_f64(deadline),
            chance: self.rng.f64(),
        };
        if !instance.law.admit(&arrival) {
            self.recorder.count(call.class).rejected += 1;
            self.weather.rejected(self.now);
            self.retry(call);
            return;
        }
        instance.in_flight += 1;
        (call.started, call.in_flight_at_start) = (self.now, instance.in_flight);
        self.recorder.in_flight(self.now, 1);
        let retries = self.scenario.clients.retries.is_some();
        let index = self.calls.insert(call);
        if retries {
            let generation = self.calls.generation(index);
            self.due_at(self.now + deadline, Due::GiveUp { call: index, generation });
        }
        self.enter(index);
    }

    /// A call that was admitted comes to the service.
    fn enter(&mut self, index: u32) {
        let now = self.now;
        if self.gate.as_mut().is_none_or(|gate| gate.enter(now)) {
            let work = self.calls.at(index).work;
            self.station.enter(now, index, work);
            return;
        }
        let call = self.calls.at(index);
        call.refused = true;
        let patience = self.scenario.classes[usize::from(call.class)].deadline;
        let wait = self.gate.as_ref().and_then(Gate::refusal).unwrap_or(patience);
        self.due_at(now + wait, Due::Refused(index));
    }

    fn station_done(&mut self) {
        let Some(call) = self.station.take_done(self.now) else { return };
        let delay = self.scenario.server.delay.at(self.now).draw(&mut self.rng);
        if delay > 0.0 {
            self.due_at(self.now + delay, Due::Answer(call));
        } else {
            self.delayed(call);
        }
    }

    /// The dependency answered: on to the second station, if there is one.
    fn delayed(&mut self, call: u32) {
        match (&mut self.second, &self.scenario.server.second) {
            (Some(second), Some((_, work))) => {
                let work = work.draw(&mut self.rng);
                second.enter(self.now, call, work);
            }
            _ => self.answer(call),
        }
    }

    fn second_done(&mut self) {
        if let Some(call) = self.second.as_mut().and_then(|second| second.take_done(self.now)) {
            self.answer(call);
        }
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

    fn answer(&mut self, index: u32) {
        let call = self.calls.take(index);
        let latency = self.now - call.started;
        let class = self.class(&call);
        let (priority, deadline) = (class.priority, class.deadline);
        let end = self.end(&call, latency, deadline);
        self.recorder.answered(&call, end, latency);
        self.recorder.in_flight(self.now, -1);
        let instance = &mut self.laws[usize::from(call.instance)];
        instance.in_flight -= 1;
        instance.law.ended(&Ended {
            at: timestamp(self.now),
            latency: Duration::from_secs_f64(latency),
            in_flight_at_start: call.in_flight_at_start,
            in_flight: instance.in_flight,
            class: call.class,
            priority,
            end,
        });
        if end == End::Dropped && !call.given_up {
            self.retry(call);
        }
    }

    fn end(&mut self, call: &Call, latency: f64, deadline: f64) -> End {
        if let Some(gate) = &mut self.gate {
            if call.refused {
                return if gate.refusal().is_some() { End::Dropped } else { End::Late };
            }
            gate.leave();
        }
        let dropped = *self.scenario.server.drop_ratio.at(self.now);
        if dropped > 0.0 && self.rng.f64() < dropped {
            End::Dropped
        } else if latency <= deadline {
            End::InTime
        } else {
            End::Late
        }
    }

    /// The client tries again later, if it still wants to.
    fn retry(&mut self, mut call: Call) {
        let Some(retries) = self.scenario.clients.retries else { return };
        call.attempt += 1;
        (call.given_up, call.refused) = (false, false);
        if call.attempt < retries.attempts {
            let doubled = f64::from(1_u32 << (call.attempt - 1).min(16));
            let wait = retries.backoff * doubled * (0.5 + self.rng.f64());
            let index = self.calls.insert(call);
            self.due_at(self.now + wait, Due::Retry(index));
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

    fn class(&self, call: &Call) -> &'a Class {
        &self.scenario.classes[usize::from(call.class)]
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
