//! Each decrease is an experiment: does latency follow concurrency?
//!
//! If a queue in front of us caused the latency, fewer calls in flight mean lower latency: the elasticity
//! `eps = ln(Ra/R) / ln(Ia/I)` is near 1. If something behind us got slower, latency stays and eps is near 0. Both logs
//! have errors, so a verdict waits until eps is known well enough, at most ten seconds.

use std::time::Duration;

use crate::time::Timestamp;

use super::meter::Sample;

const DECIDE_AFTER: Duration = Duration::from_secs(10);

/// The window before the decrease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    pub(super) limit: f64,
    pub(super) in_flight: f64,
    pub(super) latency: f64,
    error: f64,
}

#[derive(Debug)]
pub(super) struct Experiment {
    pub(super) anchor: Anchor,
    began: Timestamp,
    /// Sums over the windows since concurrency came down far enough.
    seconds: f64,
    completed: f64,
    latency_sum: f64,
    in_flight_sum: f64,
    squared_error_sum: f64,
}

/// What an experiment has shown so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finding {
    /// Concurrency is not down far enough to learn from.
    TooEarly,
    /// Not certain either way.
    Undecided,
    /// Latency followed: it was a queue.
    Queue,
    /// Latency stayed: this is the floor now.
    FloorMoved {
        /// Mean latency, seconds.
        latency: f64,
        /// Mean in-flight.
        in_flight: f64,
    },
}

impl Experiment {
    pub(super) fn begin(now: Timestamp, limit: f64, sample: &Sample) -> Self {
        let (latency, error, in_flight) = (sample.latency, sample.error, sample.window.mean_in_flight);
        let anchor = Anchor { limit, in_flight, latency, error };
        Self {
            anchor,
            began: now,
            seconds: 0.0,
            completed: 0.0,
            latency_sum: 0.0,
            in_flight_sum: 0.0,
            squared_error_sum: 0.0,
        }
    }

    /// Nothing was learned from it in time; a new decrease starts a new one.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.seconds == 0.0 && now.since(self.began) > DECIDE_AFTER
    }

    pub(super) fn observe(&mut self, now: Timestamp, sample: &Sample, baseline: f64) -> Finding {
        if !sample.stationary || sample.window.mean_in_flight > 0.8 * self.anchor.in_flight {
            return Finding::TooEarly;
        }
        let completed = sample.window.completed as f64;
        self.seconds += sample.window.seconds;
        self.in_flight_sum += sample.window.mean_in_flight * sample.window.seconds;
        self.completed += completed;
        self.latency_sum += sample.latency * completed;
        self.squared_error_sum += (sample.error * completed).powi(2);
        self.judge(now, sample.tolerance(), baseline)
    }

    fn judge(&self, now: Timestamp, tolerance: f64, baseline: f64) -> Finding {
        let latency = self.latency_sum / self.completed;
        let in_flight = self.in_flight_sum / self.seconds;
        let error = self.squared_error_sum.sqrt() / self.completed;
        let lever = (self.anchor.in_flight / in_flight).ln();
        let eps = (self.anchor.latency / latency).ln() / lever;
        let eps_error = self.anchor.error.hypot(error) / lever;
        let running = now.since(self.began);
        let overdue = running > DECIDE_AFTER;
        // A held limit costs goodput when the floor has moved, so the certainty asked for falls with time.
        let sigmas = (2.5 - 0.5 * running.as_secs_f64()).max(1.0);
        let floor =
            (eps + sigmas * eps_error < 0.5 || (overdue && eps < 0.35)) && latency > tolerance * baseline;
        if floor {
            Finding::FloorMoved { latency, in_flight }
        } else if eps - sigmas * eps_error > 0.2 || overdue {
            Finding::Queue
        } else {
            Finding::Undecided
        }
    }
}
