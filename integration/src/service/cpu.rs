//! A CPU stage that costs CPU time, not wall time.
//!
//! Spinning until a clock has advanced would cost *less* CPU the more the machine is overloaded, and the service would gain
//! from a CPU hog. So the number of rounds is calibrated once, on the fastest of several tries, and then kept.

use std::hint::black_box;
use std::time::{Duration, Instant};

const TRIES: usize = 9;
const ROUNDS_PER_TRY: u64 = 20_000;

/// A fixed amount of computing.
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    rounds: u64,
}

impl Spin {
    /// As many rounds as take `cost` on an undisturbed core. Costs a few milliseconds.
    pub fn calibrated(cost: Duration) -> Self {
        let fastest = (0..TRIES).map(|_| timed(ROUNDS_PER_TRY)).min().unwrap_or_default();
        let per_round = fastest.as_secs_f64().max(1e-9) / ROUNDS_PER_TRY as f64;
        Self { rounds: (cost.as_secs_f64() / per_round) as u64 }
    }

    /// Computes.
    pub fn run(self) {
        compute(self.rounds);
    }
}

fn timed(rounds: u64) -> Duration {
    let start = Instant::now();
    compute(rounds);
    start.elapsed()
}

/// Rounds that depend on each other, so that they cannot be vectorised or dropped.
fn compute(rounds: u64) {
    let mut x = 1u64;
    for i in 0..rounds {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i));
    }
    black_box(x);
}
