//! Netflix AIMD: one more after each success, a tenth less after each time-out.
//!
//! Source: Netflix `concurrency-limits` 0.5.4 (main of 2026-01), `AIMDLimit`. Per sample:
//!
//! ```text
//! dropped or latency > 5 s:  floor(0.9 limit)
//! 2 in_flight >= limit:      limit + 1
//! ```
//!
//! Defaults: initial and lowest limit 20; the highest is 200 there and [`HIGHEST`] here. The law knows overload only as
//! time-outs, so its queue stands at the callers' deadline.

use super::HIGHEST;
use super::netflix::{Limit, Sample};

const INITIAL: u32 = 20;
const LOWEST: u32 = 20;
const BACKOFF: f64 = 0.9;
const TIMEOUT_SECONDS: f64 = 5.0;

/// The law.
#[derive(Debug)]
pub(super) struct Aimd {
    limit: u32,
}

impl Default for Aimd {
    fn default() -> Self {
        Self { limit: INITIAL }
    }
}

impl Limit for Aimd {
    fn update(&mut self, sample: &Sample) {
        if sample.dropped || sample.seconds > TIMEOUT_SECONDS {
            self.limit = (f64::from(self.limit) * BACKOFF) as u32;
        } else if sample.in_flight * 2 >= self.limit {
            self.limit += 1;
        }
        self.limit = self.limit.clamp(LOWEST, HIGHEST as u32);
    }

    fn limit(&self) -> u32 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::law::{End, Law};
    use crate::sim::peers::netflix::Limiter;
    use crate::sim::peers::trace::ended;

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = Limiter::new(Aimd::default());
        let mut feed = |latency, in_flight, end| {
            law.ended(&ended(0, latency, in_flight, end));
            law.limit()
        };
        assert_eq!(feed(10, 10, End::InTime), 21.0, "2 x 10 >= 20");
        assert_eq!(feed(10, 10, End::InTime), 21.0, "2 x 10 < 21");
        assert_eq!(feed(10, 21, End::InTime), 22.0);
        assert_eq!(feed(10, 21, End::InTime), 23.0);
        assert_eq!(feed(600, 21, End::Late), 20.0, "floor(20.7)");
        assert_eq!(feed(600, 21, End::Dropped), 20.0, "floor(18.0), at least 20");
        (0..80).for_each(|n| _ = feed(10, 20 + n, End::InTime));
        assert_eq!(feed(10, 0, End::InTime), 100.0);
        assert_eq!(feed(5001, 100, End::InTime), 90.0, "longer than 5 s counts as a time-out");
        assert_eq!(feed(9000, 90, End::Failed), 90.0, "other failures are not looked at");
    }
}
