//! How an overload shows in the counters of a limiter, and how many calls at once are enough then.

use std::time::Duration;

use super::recent::Recent;
use super::{Allowed, Cause};
use crate::totals::Totals;

/// Calls in flight are old when their mean age is above so many baseline latencies.
const OLD: f64 = 4.0;
/// ... and above this share of the deadline, where there is one: a queue that all will survive is the sidecar's to judge.
const TOO_OLD: f64 = 0.5;
/// What is enough lets calls take this share of the deadline: a short queue keeps the service busy.
const IN_TIME: f64 = 0.35;
/// Fewest drops in a window, and their least share of the calls that ended in success or overload.
const DROPS: u64 = 5;
const DROP_RATIO: f64 = 0.1;
/// Room above what the throughput needs.
const ROOM: f64 = 1.5;
/// What is left of the limit where no baseline latency is known.
const BLIND: f64 = 0.7;

/// The sign of an overload, if there is one.
pub(super) fn sign(totals: &Totals, recent: &Recent, allowed: &Allowed) -> Option<Cause> {
    let in_flight = totals.in_flight();
    let old = |baseline: Duration| {
        let age = totals.in_flight_age_sum().as_secs_f64() / in_flight.max(1) as f64;
        age > allowed.of_deadline(TOO_OLD).max(OLD * baseline.as_secs_f64())
    };
    let judged = recent.completed.saturating_add(recent.dropped);
    if recent.dropped >= DROPS && recent.dropped as f64 > DROP_RATIO * judged as f64 {
        Some(Cause::Drops)
    } else if recent.rejected > 0 && in_flight > 0 && allowed.baseline_latency.is_some_and(old) {
        Some(Cause::OldCalls)
    } else {
        None
    }
}

/// So many calls at once are enough for what was done in the window. A count of events is off by about its root, and the
/// benefit of that doubt goes to the callers.
pub(super) fn enough(totals: &Totals, recent: &Recent, allowed: &Allowed) -> f64 {
    let at_most = |count: u64| count as f64 + (count as f64).sqrt();
    let cap = match allowed.baseline_latency {
        Some(baseline) => {
            let latency = allowed.of_deadline(IN_TIME).max(ROOM * baseline.as_secs_f64());
            at_most(recent.completed) / recent.seconds * latency
        }
        None => BLIND * allowed.limit.min(at_most(totals.in_flight())),
    };
    cap.max(lowest(allowed)).min(allowed.limit)
}

/// No bound is lower.
pub(super) fn lowest(allowed: &Allowed) -> f64 {
    allowed.floor.max(1.0).min(allowed.limit)
}
