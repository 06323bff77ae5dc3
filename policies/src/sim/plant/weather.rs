//! What changes by itself: workers, speed, pauses, and the cost of rejections.

use fastrand::Rng;

use crate::sim::arrivals::changes;
use crate::sim::distribution::exponential;
use crate::sim::scenario::{Pauses, Server};

/// How often the cost of rejections is looked at, and over how long their rate is averaged.
const REJECT_EVERY: f64 = 0.01;
const REJECT_MEMORY: f64 = 0.1;
/// Rejections never take more than this share of a station.
const REJECT_MOST: f64 = 0.9;

/// The state of everything that changes by itself.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    pub workers: u32,
    /// 0 in a pause.
    pub speed: f64,
    pub second_workers: u32,
}

#[derive(Debug)]
pub struct Weather {
    /// Times of changes in the scenario, latest first.
    changes: Vec<f64>,
    pauses: Option<Pauses>,
    paused: bool,
    pause_at: f64,
    /// Rejections per second, lately.
    reject_rate: f64,
    rejected_at: f64,
    reject_check_at: f64,
    rng: Rng,
}

impl Weather {
    pub fn new(server: &Server, mut rng: Rng) -> Self {
        let mut times: Vec<f64> = changes(&server.station.workers).chain(changes(&server.speed)).collect();
        times.extend(server.second.iter().flat_map(|(workers, _)| changes(workers)));
        // Also at the start, for a speed that is not 1 there.
        times.push(0.0);
        times.sort_by(|a, b| b.total_cmp(a));
        let pause_at = server.pauses.map_or(f64::INFINITY, |pauses| until_next(pauses, &mut rng));
        let reject_check_at = if server.reject_cost > 0.0 { 0.0 } else { f64::INFINITY };
        Self {
            changes: times,
            pauses: server.pauses,
            paused: false,
            pause_at,
            reject_rate: 0.0,
            rejected_at: 0.0,
            reject_check_at,
            rng,
        }
    }

    pub fn next_change(&self) -> f64 {
        let change = self.changes.last().copied().unwrap_or(f64::INFINITY);
        change.min(self.pause_at).min(self.reject_check_at)
    }

    /// A rejection was made, which costs the station time.
    pub fn rejected(&mut self, now: f64) {
        if self.reject_check_at.is_finite() {
            self.fade(now);
            self.reject_rate += 1.0 / REJECT_MEMORY;
        }
    }

    pub fn change(&mut self, now: f64, server: &Server) -> Conditions {
        while self.changes.last().is_some_and(|at| *at <= now) {
            self.changes.pop();
        }
        if let Some(pauses) = self.pauses.filter(|_| self.pause_at <= now) {
            self.paused = !self.paused;
            self.pause_at = now + if self.paused { pauses.length } else { until_next(pauses, &mut self.rng) };
        }
        if self.reject_check_at <= now {
            self.reject_check_at = now + REJECT_EVERY;
            self.fade(now);
        }
        let workers = *server.station.workers.at(now);
        let lost = self.reject_rate * server.reject_cost / f64::from(workers.max(1));
        let speed = *server.speed.at(now) * (1.0 - lost.min(REJECT_MOST));
        Conditions {
            workers,
            speed: if self.paused { 0.0 } else { speed },
            second_workers: server.second.as_ref().map_or(0, |(workers, _)| *workers.at(now)),
        }
    }

    fn fade(&mut self, now: f64) {
        self.reject_rate *= (-(now - self.rejected_at) / REJECT_MEMORY).exp();
        self.rejected_at = now;
    }
}

/// Time from the end of one pause to the start of the next.
fn until_next(pauses: Pauses, rng: &mut Rng) -> f64 {
    if pauses.random {
        return pauses.every * exponential(rng);
    }
    (pauses.every - pauses.length).max(0.001)
}
