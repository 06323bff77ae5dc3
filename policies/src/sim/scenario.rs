//! What a run is like: clients, service, and the path between service and engine.
//!
//! Rates are calls per second, times are seconds since the start. Whatever changes over time is a [`Steps`] of values,
//! each in force from its time on.

mod clients;
mod server;

use std::time::Duration;

use crate::sim::distribution::Distribution;
pub use clients::{Bursts, Clients, Modulation, Rate, Retries};
pub use server::{Accepts, Contention, Discipline, Pauses, Server, Station};

/// A run of the plant.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Short name: `T01`, `A`.
    pub name: String,
    /// What happens in it, for people.
    pub about: String,
    /// Length.
    pub seconds: f64,
    /// Results count from here on.
    pub warm_up: f64,
    /// Where conditions change; the oracle has one limit for each phase. The first begins at 0.
    pub phases: Vec<Phase>,
    /// Who calls.
    pub clients: Clients,
    /// Kinds of calls; shares sum to 1.
    pub classes: Vec<Class>,
    /// What serves the calls.
    pub server: Server,
    /// Share of the calls that each instance of the limiter gets; all instances stand before the one server.
    pub instances: Vec<f64>,
    /// The path between limiters and engine.
    pub link: Link,
    /// Bounds and start of the limit.
    pub limit: Bounds,
    /// Whether the law may know the deadline.
    pub deadline_known: bool,
}

impl Scenario {
    /// Of its classes, seconds; infinite without any.
    pub fn shortest_deadline(&self) -> f64 {
        self.classes.iter().map(|class| class.deadline).fold(f64::INFINITY, f64::min)
    }

    /// The same, where the service may know it.
    pub fn known_deadline(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.shortest_deadline()).ok().filter(|_| self.deadline_known)
    }

    /// The simplest one, to be changed by hand: 24 s of calls that come one by one and at random, one class of them with a deadline of
    /// 500 ms, and workers that serve them first come first served without any trouble. `rate` has steps of calls per second.
    pub fn plain(workers: u32, work: Distribution, rate: Vec<(f64, f64)>) -> Self {
        Self {
            name: "plain".to_owned(),
            about: String::new(),
            seconds: 24.0,
            warm_up: 0.0,
            phases: vec![Phase { at: 0.0, overload: false, kind: None }],
            clients: Clients::steps(rate),
            classes: vec![Class {
                name: "all".to_owned(),
                share: 1.0,
                priority: 2,
                deadline: 0.5,
                work: 1.0,
            }],
            server: Server::fifo(workers, work),
            instances: vec![1.0],
            link: Link::default(),
            limit: Bounds::default(),
            deadline_known: true,
        }
    }
}

/// A stretch with the same conditions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase {
    /// Begins here.
    pub at: f64,
    /// More is offered than can be served.
    pub overload: bool,
    /// Phases of the same kind share one limit of the oracle; `None`: a kind of its own.
    pub kind: Option<u8>,
}

/// Values over time: each is in force from its time on. Never empty; the first is at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps<T>(pub Vec<(f64, T)>);

impl<T> Steps<T> {
    /// The same all the time.
    pub fn constant(value: T) -> Self {
        Self(vec![(0.0, value)])
    }

    /// The value at a time.
    pub fn at(&self, seconds: f64) -> &T {
        let next = self.0.partition_point(|(from, _)| *from <= seconds);
        &self.0[next.saturating_sub(1)].1
    }
}

/// A kind of call.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// For people.
    pub name: String,
    /// Share of the calls.
    pub share: f64,
    /// 0 = critical ... 4 = background.
    pub priority: u8,
    /// An answer later than this is worth nothing.
    pub deadline: f64,
    /// Its work is the server's times this.
    pub work: f64,
}

/// The path between the limiters and the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Time between two reports.
    pub interval: f64,
    /// From limiter to engine, and back: each this long ...
    pub delay: f64,
    /// ... plus a uniform draw up to this.
    pub jitter: f64,
    /// Share of messages lost, each way.
    pub loss: f64,
}

impl Default for Link {
    fn default() -> Self {
        Self { interval: 0.1, delay: 0.001, jitter: 0.002, loss: 0.0 }
    }
}

/// Bounds and start of the limit, calls in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Lowest.
    pub min: f64,
    /// Highest.
    pub max: f64,
    /// In force at the start.
    pub initial: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { min: 1.0, max: 2000.0, initial: 50.0 }
    }
}
