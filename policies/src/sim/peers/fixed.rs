//! A limit that somebody chose, or none.
//!
//! The best one per phase, found by search, is the scoreboard's oracle; a right, a too low and a too high one show
//! what a chosen number is worth.

use crate::sim::law::{Arrival, Ended, Law};

/// Admits while calls in flight are fewer than a number.
#[derive(Debug, Clone, Copy)]
pub struct Fixed {
    limit: f64,
}

impl Fixed {
    /// With this limit, calls in flight; infinite admits everything.
    pub fn new(limit: f64) -> Self {
        Self { limit }
    }
}

impl Law for Fixed {
    fn admit(&mut self, call: &Arrival) -> bool {
        f64::from(call.in_flight) + 1.0 <= self.limit
    }

    fn ended(&mut self, _: &Ended) {}

    fn limit(&self) -> f64 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::trace::arrival;

    #[test]
    fn admits_up_to_the_limit() {
        for (limit, in_flight, admitted) in [
            (3.0, 2, true),
            (3.0, 3, false),
            (3.7, 3, false),
            (0.0, 0, false),
            (f64::INFINITY, u32::MAX, true),
        ] {
            assert_eq!(Fixed::new(limit).admit(&arrival(0, in_flight)), admitted, "{limit} {in_flight}");
        }
    }
}
