//! The way of a call: admission, the service's own door, station, dependency, second station, answer; and perhaps once more.
//!
//! A call moves on when an event of the loop says so, so every step here either enters a station or puts down when the next
//! one is due.

use std::time::Duration;

use super::calls::Call;
use super::gate::Gate;
use super::luck::Draw;
use super::{Due, Plant, timestamp};
use crate::sim::law::{Arrival, End, Ended};
use crate::sim::scenario::{Class, Scenario};

impl<'a> Plant<'a> {
    pub(super) fn arrive(&mut self) {
        for _ in 0..self.next_arrival.1 {
            let class = self.pick(|scenario| scenario.classes.iter().map(|class| class.share));
            let instance = self.pick(|scenario| scenario.instances.iter().copied());
            let work = self.scenario.server.work.at(self.now).draw(&mut self.kinds)
                * self.scenario.classes[class].work;
            let (class, instance) = (class as u8, instance as u8);
            self.attempt(Call { number: self.arrived, class, instance, work, ..Call::default() });
            self.arrived += 1;
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
    pub(super) fn attempt(&mut self, mut call: Call) {
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
            chance: self.luck.of(&call, Draw::Admission).f64(),
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

    pub(super) fn station_done(&mut self) {
        let Some(call) = self.station.take_done(self.now) else { return };
        let mut luck = self.luck.of(self.calls.at(call), Draw::Delay);
        let delay = self.scenario.server.delay.at(self.now).draw(&mut luck);
        if delay > 0.0 {
            self.due_at(self.now + delay, Due::Answer(call));
        } else {
            self.delayed(call);
        }
    }

    /// The dependency answered: on to the second station, if there is one.
    pub(super) fn delayed(&mut self, call: u32) {
        match (&mut self.second, &self.scenario.server.second) {
            (Some(second), Some((_, work))) => {
                let work = work.draw(&mut self.luck.of(self.calls.at(call), Draw::SecondWork));
                second.enter(self.now, call, work);
            }
            _ => self.answer(call),
        }
    }

    pub(super) fn second_done(&mut self) {
        if let Some(call) = self.second.as_mut().and_then(|second| second.take_done(self.now)) {
            self.answer(call);
        }
    }

    pub(super) fn answer(&mut self, index: u32) {
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
        if dropped > 0.0 && self.luck.of(call, Draw::Drop).f64() < dropped {
            End::Dropped
        } else if latency <= deadline {
            End::InTime
        } else {
            End::Late
        }
    }

    /// The client tries again later, if it still wants to.
    pub(super) fn retry(&mut self, mut call: Call) {
        let Some(retries) = self.scenario.clients.retries else { return };
        call.attempt += 1;
        (call.given_up, call.refused) = (false, false);
        if call.attempt < retries.attempts {
            let doubled = f64::from(1_u32 << (call.attempt - 1).min(16));
            let wait = retries.backoff * doubled * (0.5 + self.luck.of(&call, Draw::Backoff).f64());
            let index = self.calls.insert(call);
            self.due_at(self.now + wait, Due::Retry(index));
        }
    }

    fn class(&self, call: &Call) -> &'a Class {
        &self.scenario.classes[usize::from(call.class)]
    }
}
