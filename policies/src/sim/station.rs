//! A place where work is done: calls enter, and leave when their work is.
//!
//! All calls that are served progress at the same rate, so the station keeps one virtual clock: a call that needs `w`
//! seconds of work leaves when that clock has moved by `w`. Changes of speed, pauses and contention only change how fast
//! the clock runs, which makes every event O(log n).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::sim::scenario::{Contention, Discipline};

/// A call that is served until the virtual clock reaches `until`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Served {
    until: f64,
    call: u32,
}

impl Eq for Served {}

impl Ord for Served {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first, we want the earliest.
        other.until.total_cmp(&self.until).then(other.call.cmp(&self.call))
    }
}

impl PartialOrd for Served {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A station of a server.
#[derive(Debug)]
pub struct Station {
    discipline: Discipline,
    contention: Option<Contention>,
    workers: u32,
    /// Speed of everything, 0 in a pause.
    speed: f64,
    served: BinaryHeap<Served>,
    waiting: VecDeque<(u32, f64)>,
    virtual_now: f64,
    /// How fast the virtual clock runs.
    rate: f64,
    now: f64,
    /// Integral of the share of busy workers.
    busy_seconds: f64,
}

impl Station {
    /// An idle station.
    pub fn new(discipline: Discipline, contention: Option<Contention>, workers: u32) -> Self {
        Self {
            discipline,
            contention,
            workers,
            speed: 1.0,
            served: BinaryHeap::new(),
            waiting: VecDeque::new(),
            virtual_now: 0.0,
            rate: 1.0,
            now: 0.0,
            busy_seconds: 0.0,
        }
    }

    /// A call with this much work enters.
    pub fn enter(&mut self, now: f64, call: u32, work: f64) {
        self.advance(now);
        if self.discipline == Discipline::Fifo && self.served.len() >= self.workers as usize {
            self.waiting.push_back((call, work));
        } else {
            self.served.push(Served { until: self.virtual_now + work, call });
        }
        self.adapt();
    }

    /// When the next call is done; infinity while none is or nothing moves.
    pub fn next_done(&self) -> f64 {
        match self.served.peek() {
            Some(first) if self.rate > 0.0 => {
                self.now + ((first.until - self.virtual_now) / self.rate).max(0.0)
            }
            _ => f64::INFINITY,
        }
    }

    /// Takes the call that is done at `now`, the time that [`Station::next_done`] told.
    pub fn take_done(&mut self, now: f64) -> Option<u32> {
        self.advance(now);
        let done = self.served.pop()?;
        self.virtual_now = self.virtual_now.max(done.until);
        self.fill();
        self.adapt();
        Some(done.call)
    }

    /// Changes speed and workers. Calls that are served go on when workers are lost.
    pub fn change(&mut self, now: f64, workers: u32, speed: f64) {
        self.advance(now);
        (self.workers, self.speed) = (workers, speed);
        self.fill();
        self.adapt();
    }

    /// Seconds that all workers together were busy, divided by their number, so far.
    pub fn busy_seconds(&mut self, now: f64) -> f64 {
        self.advance(now);
        self.busy_seconds
    }

    fn fill(&mut self) {
        while self.served.len() < self.workers as usize {
            let Some((call, work)) = self.waiting.pop_front() else { break };
            self.served.push(Served { until: self.virtual_now + work, call });
        }
    }

    fn advance(&mut self, now: f64) {
        let passed = now - self.now;
        self.virtual_now += passed * self.rate;
        let busy = self.served.len() as f64 / f64::from(self.workers.max(1));
        self.busy_seconds += passed * busy.min(1.0);
        self.now = now;
        if self.served.is_empty() {
            // Keeps the virtual clock small, and so exact.
            self.virtual_now = 0.0;
        }
    }

    fn adapt(&mut self) {
        let n = self.served.len() as f64;
        let shared = match self.discipline {
            Discipline::Fifo => 1.0,
            Discipline::ProcessorSharing => (f64::from(self.workers) / n.max(1.0)).min(1.0),
            Discipline::Usl { sigma, kappa } => {
                let others = (n - 1.0).max(0.0);
                1.0 / (1.0 + sigma * others + kappa * n * others)
            }
        };
        let present = n + self.waiting.len() as f64;
        let slowed = self
            .contention
            .map_or(1.0, |c| (1.0 + c.slope * (present - c.from).max(0.0) / c.from.max(1.0)).min(c.worst));
        self.rate = self.speed * shared / slowed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(station: &mut Station) -> Vec<(u32, f64)> {
        let mut done = Vec::new();
        while station.next_done().is_finite() {
            let at = station.next_done();
            done.push((station.take_done(at).unwrap(), (at * 1e6).round() / 1e6));
        }
        done
    }

    #[test]
    fn fifo_serves_one_after_the_other() {
        let mut station = Station::new(Discipline::Fifo, None, 2);
        for call in 0..4 {
            station.enter(0.0, call, 1.0 + f64::from(call));
        }
        // 0: 0-1, 1: 0-2, 2 after 0: 1-4, 3 after 1: 2-6.
        assert_eq!(drain(&mut station), [(0, 1.0), (1, 2.0), (2, 4.0), (3, 6.0)]);
        assert!((station.busy_seconds(6.0) - 5.0).abs() < 1e-9, "2 workers to 4, one to 6");
    }

    #[test]
    fn processor_sharing_serves_all_at_once() {
        let mut station = Station::new(Discipline::ProcessorSharing, None, 1);
        station.enter(0.0, 0, 1.0);
        station.enter(0.0, 1, 2.0);
        // Half speed until 0 is done at 2, then 1 has one second left.
        assert_eq!(drain(&mut station), [(0, 2.0), (1, 3.0)]);
    }

    #[test]
    fn usl_and_contention_slow_all_down() {
        let mut usl = Station::new(Discipline::Usl { sigma: 0.5, kappa: 0.25 }, None, 1);
        usl.enter(0.0, 0, 1.0);
        usl.enter(0.0, 1, 1.0);
        // n = 2: rate 1 / (1 + 0.5 + 0.25 x 2) = 0.5
        assert_eq!(drain(&mut usl), [(0, 2.0), (1, 2.0)]);
        let contention = Contention { from: 1.0, slope: 1.0, worst: 1.5 };
        let mut slow = Station::new(Discipline::Fifo, Some(contention), 4);
        (0..3).for_each(|call| slow.enter(0.0, call, 1.0));
        assert_eq!(slow.next_done(), 1.5, "three are twice too many, but the worst is 1.5");
    }

    #[test]
    fn a_pause_moves_everything_and_lost_workers_finish_what_they_do() {
        let mut station = Station::new(Discipline::Fifo, None, 2);
        (0..3).for_each(|call| station.enter(0.0, call, 1.0));
        station.change(0.5, 2, 0.0);
        assert_eq!(station.next_done(), f64::INFINITY);
        station.change(1.5, 1, 1.0);
        assert_eq!(drain(&mut station), [(0, 2.0), (1, 2.0), (2, 3.0)]);
    }
}
