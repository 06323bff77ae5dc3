//! Google's client-side throttling: reject at random as long as the service accepts less than half of what is asked.
//!
//! Source: "Site Reliability Engineering" (2016, sre.google), chapter 21 "Handling Overload", client-side throttling.
//! Over the last two minutes, with `K` = 2:
//!
//! ```text
//! P(reject) = max(0, (requests - K accepts) / (requests + 1))
//! ```
//!
//! Requests are all that wanted to be sent, rejected ones too; accepts are those that the service took. A call that was
//! answered after its deadline, or refused by the service, was not accepted. The law stands in the client and has no
//! limit; here every instance is one client. The history is kept in 120 slots of a second.

use crate::sim::law::{Arrival, End, Ended, Law};
use crate::time::Timestamp;

const K: f64 = 2.0;
const SLOTS: usize = 120;
const SLOT_NANOS: u64 = 1_000_000_000;

/// The law.
#[derive(Debug)]
pub(super) struct SreThrottle {
    slots: [(u32, u32); SLOTS],
    newest: u64,
    requests: u32,
    accepts: u32,
}

impl Default for SreThrottle {
    fn default() -> Self {
        Self { slots: [(0, 0); SLOTS], newest: 0, requests: 0, accepts: 0 }
    }
}

impl SreThrottle {
    /// The slot of a time, after those that are two minutes old were forgotten.
    fn slot(&mut self, at: Timestamp) -> &mut (u32, u32) {
        let slot = at.as_nanos() / SLOT_NANOS;
        while self.newest < slot {
            self.newest = (self.newest + 1).max(slot.saturating_sub(SLOTS as u64));
            let (requests, accepts) = std::mem::take(&mut self.slots[self.newest as usize % SLOTS]);
            self.requests -= requests;
            self.accepts -= accepts;
        }
        &mut self.slots[self.newest as usize % SLOTS]
    }
}

impl Law for SreThrottle {
    fn admit(&mut self, call: &Arrival) -> bool {
        self.slot(call.at);
        let (requests, accepts) = (f64::from(self.requests), f64::from(self.accepts));
        let reject = ((requests - K * accepts) / (requests + 1.0)).max(0.0);
        self.slot(call.at).0 += 1;
        self.requests += 1;
        call.chance >= reject
    }

    fn ended(&mut self, call: &Ended) {
        if matches!(call.end, End::InTime | End::Failed) {
            self.slot(call.at).1 += 1;
            self.accepts += 1;
        }
    }

    fn limit(&self) -> f64 {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::peers::trace::{arrival, ended};

    #[test]
    fn follows_a_trace_computed_by_hand() {
        let mut law = SreThrottle::default();
        let ask = |law: &mut SreThrottle, at, chance| law.admit(&Arrival { chance, ..arrival(at, 0) });
        // nothing known: (0 - 0) / 1 = 0
        assert!(ask(&mut law, 0, 0.0));
        // (1 - 0) / 2 = 0.5
        assert!(!ask(&mut law, 0, 0.49));
        // rejected ones count: (2 - 0) / 3 = 0.667
        assert!(!ask(&mut law, 0, 0.66));
        assert!(ask(&mut law, 0, 0.75), "3/4 at the third: (3 - 0) / 4");
        // one of four accepted: (4 - 2) / 5 = 0.4
        law.ended(&ended(10, 10, 1, End::InTime));
        law.ended(&ended(10, 900, 1, End::Late));
        law.ended(&ended(10, 10, 1, End::Dropped));
        assert!(!ask(&mut law, 1000, 0.39));
        // a failure of another kind was accepted: (5 - 4) / 6 = 0.1667
        law.ended(&ended(1000, 10, 1, End::Failed));
        assert!(ask(&mut law, 1000, 0.17));
        // two minutes on, the four requests and one accept of the first second are forgotten: (2 - 2) / 3 = 0
        assert!(ask(&mut law, 120_500, 0.0));
        // and after a long silence everything is
        assert!(ask(&mut law, 900_000, 0.0));
        assert_eq!((law.requests, law.accepts), (1, 0));
    }
}
