//! Who calls, how often, and how stubbornly.
//!
//! An open loop: a service that answers slowly is called as often as one that answers at once, or its overload would cure
//! itself and no law would be needed. Only retries depend on what became of a call.

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

impl Clients {
    /// Single calls at random times, at rates in steps, and nobody who tries again.
    pub fn steps(rate: Vec<(f64, f64)>) -> Self {
        let rate = Rate { points: rate, linear: false, bursts: None, modulation: None };
        Self { rate, batch: 1.0, even: false, retries: None }
    }
}
