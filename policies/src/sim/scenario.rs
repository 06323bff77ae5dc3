//! What a run is like: clients, service, and the path between service and engine.
//!
//! Rates are calls per second, times are seconds since the start. Whatever changes over time is a [`Steps`] of values,
//! each in force from its time on.

use crate::sim::distribution::Distribution;

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

/// Who calls: an open loop, whose rate does not depend on the answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// Attempts per second, without retries.
    pub rate: Rate,
    /// Calls come in batches of this mean size (geometric); 1 = one by one.
    pub batch: f64,
    /// Arrivals are evenly spaced instead of random.
    pub even: bool,
    /// What a client does whose call was rejected or late.
    pub retries: Option<Retries>,
}

/// Calls per second over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// Points of a curve.
    pub points: Vec<(f64, f64)>,
    /// Straight lines between the points, instead of steps.
    pub linear: bool,
    /// Short bursts on top.
    pub bursts: Option<Bursts>,
    /// A random factor that switches between 1 and another.
    pub modulation: Option<Modulation>,
}

/// Periodic bursts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// The first begins here.
    pub from: f64,
    /// From the start of one to the start of the next.
    pub every: f64,
    /// How long each lasts.
    pub length: f64,
    /// The rate during a burst.
    pub rate: f64,
}

/// Two-state modulation with exponential stays (MMPP).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Modulation {
    /// Factor in the high state; the low one is 1.
    pub factor: f64,
    /// Mean stay in the high state.
    pub high: f64,
    /// Mean stay in the low state.
    pub low: f64,
}

/// Retries with exponential, jittered waits: at once after a rejection, at the deadline otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retries {
    /// Attempts in total, at least 1.
    pub attempts: u32,
    /// The first wait; doubles with each attempt, times a draw from 0.5 to 1.5.
    pub backoff: f64,
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

/// What serves the calls: a station, then a delay, then perhaps a second station.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Where the work is done.
    pub station: Station,
    /// Seconds of work of a call, for one worker at full speed.
    pub work: Steps<Distribution>,
    /// Speed of everything in the station, 1 = nominal.
    pub speed: Steps<f64>,
    /// The station stands still now and then: garbage collection, a stop of the virtual machine.
    pub pauses: Option<Pauses>,
    /// A dependency: time that passes after the work without holding a worker.
    pub delay: Steps<Distribution>,
    /// A second station behind the delay: its workers over time, and its work.
    pub second: Option<(Steps<u32>, Distribution)>,
    /// CPU seconds that each rejection costs the station.
    pub reject_cost: f64,
    /// Share of the calls that the service itself answers with an overload error, whatever the load.
    pub drop_ratio: Steps<f64>,
    /// What it accepts at most; `None` = everything.
    pub accepts: Option<Accepts>,
}

/// Calls beyond these bounds are refused by the service itself, without work: a full accept queue, a quota.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accepts {
    /// Calls in flight, all instances together.
    pub in_flight: Option<u32>,
    /// Calls in any second, those that are refused included: a client that does not slow down is not served at all.
    pub rate: Option<f64>,
    /// The overload error comes after this time.
    pub refused_after: f64,
    /// There is no error, and no answer either: the client waits for its deadline.
    pub silent: bool,
}

/// How a station shares its capacity.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    /// Workers or cores over time.
    pub workers: Steps<u32>,
    /// How waiting calls are served.
    pub discipline: Discipline,
    /// Contention: all rates divided by 1 + slope x max(0, n - from) / from, n with the queue; at most `worst`.
    pub contention: Option<Contention>,
}

/// How waiting calls are served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Discipline {
    /// One after the other, each on one worker.
    Fifo,
    /// All at once, each with its share of the workers, one worker at most.
    ProcessorSharing,
    /// All at once; each at 1 / (1 + sigma (n-1) + kappa n (n-1)) (universal scalability law; workers are not used).
    Usl {
        /// Contention.
        sigma: f64,
        /// Coherency.
        kappa: f64,
    },
}

/// Work gets slower the more calls are in the station.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contention {
    /// Calls that do no harm.
    pub from: f64,
    /// Slow-down per `from` calls above that.
    pub slope: f64,
    /// The slow-down never exceeds this factor.
    pub worst: f64,
}

/// The station stands still.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pauses {
    /// How long each.
    pub length: f64,
    /// From one to the next.
    pub every: f64,
    /// The time between two is exponential instead of fixed.
    pub random: bool,
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

/// What tests start from: one class, first come first served, no dependency and no trouble.
#[cfg(test)]
pub(crate) fn plain(workers: u32, work: Distribution, rate: Vec<(f64, f64)>) -> Scenario {
    Scenario {
        name: "test".to_owned(),
        about: String::new(),
        seconds: 24.0,
        warm_up: 0.0,
        phases: vec![Phase { at: 0.0, overload: false, kind: None }],
        clients: Clients {
            rate: Rate { points: rate, linear: false, bursts: None, modulation: None },
            batch: 1.0,
            even: false,
            retries: None,
        },
        classes: vec![Class { name: "all".to_owned(), share: 1.0, priority: 2, deadline: 0.5, work: 1.0 }],
        server: Server {
            station: Station {
                workers: Steps::constant(workers),
                discipline: Discipline::Fifo,
                contention: None,
            },
            work: Steps::constant(work),
            speed: Steps::constant(1.0),
            pauses: None,
            delay: Steps::constant(Distribution::Fixed(0.0)),
            second: None,
            reject_cost: 0.0,
            drop_ratio: Steps::constant(0.0),
            accepts: None,
        },
        instances: vec![1.0],
        link: Link::default(),
        limit: Bounds::default(),
        deadline_known: true,
    }
}
