//! The counters of a limiter, as an SDK keeps them.

use crate::sim::law::{Arrival, End, Ended};
use crate::time::Timestamp;
use crate::totals::{SQUARE_UNIT_NANOS, Totals};

#[derive(Debug, Default)]
pub struct Counters {
    totals: Totals,
}

impl Counters {
    /// Counts a call that asks, and says whether it is admitted.
    pub fn arrived(&mut self, call: &Arrival, admitted: bool) -> bool {
        let totals = &mut self.totals;
        totals.arrived += 1;
        if admitted {
            totals.admitted += 1;
            totals.admit_time_sum = totals.admit_time_sum.wrapping_add(call.at.as_nanos());
            totals.in_flight_peak = totals.in_flight_peak.max(u64::from(call.in_flight) + 1);
        } else {
            totals.rejected[usize::from(call.priority).min(totals.rejected.len() - 1)] += 1;
            totals.limited = true;
        }
        admitted
    }

    /// Counts a call that ended.
    pub fn ended(&mut self, call: &Ended) {
        let totals = &mut self.totals;
        let latency = call.latency.as_nanos() as u64;
        totals.release_time_sum = totals.release_time_sum.wrapping_add(call.at.as_nanos());
        totals.latency_sum = totals.latency_sum.wrapping_add(latency);
        match call.end {
            End::InTime | End::Late => {
                totals.completed += 1;
                totals.late += u64::from(call.end == End::Late);
                totals.success_latency_sum = totals.success_latency_sum.wrapping_add(latency);
                let units = latency as f64 / SQUARE_UNIT_NANOS as f64;
                totals.success_latency_sq_sum =
                    totals.success_latency_sq_sum.wrapping_add((units * units) as u64);
            }
            End::Dropped => totals.dropped += 1,
            End::Failed => totals.failed += 1,
        }
    }

    /// The counters alone: nothing starts again.
    pub fn peek(&self, now: Timestamp) -> Totals {
        Totals { at_nanos: now.as_nanos(), ..self.totals.clone() }
    }

    /// What is reported now; the peak starts again.
    pub fn totals(&mut self, now: Timestamp, limit: f64) -> Totals {
        let mut totals = self.totals.clone();
        (totals.at_nanos, totals.limit_in_force) = (now.as_nanos(), limit);
        (self.totals.in_flight_peak, self.totals.limited) = (self.totals.in_flight(), false);
        totals
    }
}
