//! What serves the calls: its capacity, and everything that takes capacity away or answers in its stead.
//!
//! Each of these is a trouble of its own that scenarios put together: too few workers, work that slows down in a crowd, a
//! slow dependency, pauses, rejections that cost something, a door that is shut.

use crate::sim::distribution::Distribution;
use crate::sim::scenario::Steps;

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

impl Server {
    /// Workers that serve one call after the other, at the same speed all the time, with nothing behind them.
    pub fn fifo(workers: u32, work: Distribution) -> Self {
        Self {
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
        }
    }
}
