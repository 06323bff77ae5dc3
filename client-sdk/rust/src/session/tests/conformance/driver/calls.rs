//! Steps that have to do with calls, and what is counted of them.

use std::collections::BTreeMap;

use setpoint_policies::totals::Totals;

use super::{PATIENCE, Stage};
use crate::session::tests::conformance::scenario::{Calls, Counter, Ending};
use crate::{Outcome, Priority};

/// As many calls are tried at once.
const MOST_CALLS: usize = 1000;

impl Stage {
    pub(super) fn calls(&self, calls: &Calls) {
        let limiter = self.limiter(&calls.limiter);
        for _ in 0..calls.count {
            let permit = limiter.try_acquire(Priority::Normal);
            permit
                .unwrap_or_else(|refused| panic!("{}: {refused}", self.line))
                .finish(outcome(calls.outcome));
        }
    }

    pub(super) fn admits(&self, expected: &BTreeMap<String, usize>) {
        for (name, expected) in expected {
            let limiter = self.limiter(name);
            let call = |_| limiter.try_acquire(Priority::Critical).ok();
            let permits: Vec<_> = (0..MOST_CALLS).map_while(call).collect();
            assert_eq!(permits.len(), *expected, "{}: {name}", self.line);
            permits.into_iter().for_each(|permit| permit.finish(Outcome::Ignore));
        }
    }

    pub(super) async fn report(&mut self, expected: &BTreeMap<String, BTreeMap<Counter, u64>>) {
        let mut newest = None;
        for _ in 0..20 {
            let line = self.line.clone();
            let report = tokio::time::timeout(PATIENCE, self.talk().report()).await;
            let totals = report.unwrap_or_else(|_| panic!("{line}: no report")).totals;
            let agrees = |(knob, counters): (&String, &BTreeMap<Counter, u64>)| {
                let totals = totals.iter().find(|(name, _)| name.as_str() == knob);
                totals.is_some_and(|(_, totals)| {
                    counters.iter().all(|(name, count)| counter(totals, *name) == *count)
                })
            };
            if expected.iter().all(agrees) {
                return;
            }
            newest = Some(totals);
        }
        panic!("{}: twenty other reports, such as {newest:?}", self.line);
    }
}

const fn outcome(ending: Ending) -> Outcome {
    match ending {
        Ending::Success => Outcome::Success,
        Ending::Ignore => Outcome::Ignore,
        Ending::Dropped => Outcome::Dropped,
        Ending::Failure => Outcome::Failure,
    }
}

fn counter(totals: &Totals, counter: Counter) -> u64 {
    match counter {
        Counter::Arrived => totals.arrived,
        Counter::Admitted => totals.admitted,
        Counter::Completed => totals.completed,
        Counter::Cancelled => totals.cancelled,
        Counter::Dropped => totals.dropped,
        Counter::Failed => totals.failed,
        Counter::Rejected => totals.rejected.iter().sum(),
        Counter::InFlight => totals.in_flight(),
    }
}
