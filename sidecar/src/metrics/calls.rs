//! What limiters did with calls, summed over the processes of a service, as counters.
//!
//! A process tells totals since its own start, and processes come and go: the sum of their totals falls whenever one
//! leaves. So what is added here is the difference of two reports of one connection, and nothing is ever taken away.
//! Calls that ended while a process was not connected are in no counter; a rate over minutes does not miss them, while
//! a process's whole past, counted when it comes back to a new sidecar, would look like a burst.
//!
//! Names come from clients and a counter does not expire, so the number of limiters is bounded; the calls of those that
//! came too late are counted together.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Counter, Key, Label, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;
use setpoint_policies::knob::KnobName;
use setpoint_policies::totals::{PRIORITIES, Totals};

use super::METADATA;

/// Limiters with counters of their own.
const LIMITERS: usize = 512;
/// Service and knob of all others.
const OTHERS: &str = "other";

const ADMITTED: &str = "setpoint_limiter_admitted_total";
const REJECTED: &str = "setpoint_limiter_rejected_total";
const ENDED: &str = "setpoint_limiter_ended_total";
const LATE: &str = "setpoint_limiter_late_total";

pub(super) const HELP: [(&str, &str); 4] = [
    (ADMITTED, "Calls that were admitted, over the processes of a service."),
    (
        REJECTED,
        "Calls that were rejected, by priority; by a limit, its queue or the breaker of the same name.",
    ),
    (ENDED, "Calls that ended, by outcome."),
    (LATE, "Successes that came after the deadline of their limiter."),
];

/// Highest first, as in [`Totals::rejected`].
const PRIORITY: [&str; PRIORITIES] = ["critical", "high", "normal", "low", "background"];
/// As in [`Calls::ended`].
const OUTCOME: [&str; 4] = ["success", "dropped", "failure", "ignore"];

/// Calls of one limiter in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    admitted: u64,
    rejected: [u64; PRIORITIES],
    ended: [u64; OUTCOME.len()],
    late: u64,
}

impl Calls {
    /// What came between two reports of one process. Its totals wrap, and never go back.
    pub fn between(earlier: &Totals, later: &Totals) -> Self {
        let count = |pick: fn(&Totals) -> u64| grown(pick(earlier), pick(later));
        Self {
            admitted: count(|totals| totals.admitted),
            rejected: std::array::from_fn(|priority| {
                grown(earlier.rejected[priority], later.rejected[priority])
            }),
            ended: [
                count(|totals| totals.completed),
                count(|totals| totals.dropped),
                count(|totals| totals.failed),
                count(|totals| totals.cancelled),
            ],
            late: count(|totals| totals.late),
        }
    }

    fn add(&mut self, other: &Self) {
        // A client that lies may stop a counter of its own, but never turn it back.
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.admitted, other.admitted);
        self.rejected.iter_mut().zip(other.rejected).for_each(|(sum, more)| add(sum, more));
        self.ended.iter_mut().zip(other.ended).for_each(|(sum, more)| add(sum, more));
        add(&mut self.late, other.late);
    }
}

/// The difference of two wrapping totals; one that went back has not grown.
const fn grown(earlier: u64, later: u64) -> u64 {
    let by = later.wrapping_sub(earlier);
    if by > u64::MAX / 2 { 0 } else { by }
}

/// The calls of every limiter, by service and knob.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    limiters: BTreeMap<(Arc<str>, KnobName), Calls>,
    others: Calls,
}

impl Ledger {
    pub(super) fn note(&mut self, service: &Arc<str>, knob: KnobName, calls: &Calls) {
        let key = (Arc::clone(service), knob);
        if self.limiters.len() < LIMITERS || self.limiters.contains_key(&key) {
            self.limiters.entry(key).or_default().add(calls);
        } else {
            self.others.add(calls);
        }
    }

    /// Brings the counters of the recorder up to date.
    pub(super) fn write(&self, recorder: &PrometheusRecorder) {
        for ((service, knob), calls) in &self.limiters {
            write(recorder, service, knob.as_str(), calls);
        }
        if self.others != Calls::default() {
            write(recorder, OTHERS, OTHERS, &self.others);
        }
    }
}

fn write(recorder: &PrometheusRecorder, service: &str, knob: &str, calls: &Calls) {
    let counter = |name: &'static str, by: Option<(&'static str, &'static str)>| -> Counter {
        let own = [("service", service.to_owned()), ("knob", knob.to_owned())];
        let mut labels = own.map(|(key, value)| Label::new(key, value)).to_vec();
        labels.extend(by.map(|(key, value)| Label::from_static_parts(key, value)));
        recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
    };
    counter(ADMITTED, None).absolute(calls.admitted);
    for (priority, rejected) in PRIORITY.into_iter().zip(calls.rejected) {
        counter(REJECTED, Some(("priority", priority))).absolute(rejected);
    }
    for (outcome, ended) in OUTCOME.into_iter().zip(calls.ended) {
        counter(ENDED, Some(("outcome", outcome))).absolute(ended);
    }
    counter(LATE, None).absolute(calls.late);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::status::Status;

    fn name(text: &str) -> KnobName {
        KnobName::try_new(text).expect("valid")
    }

    #[test]
    fn totals_may_wrap_and_do_not_go_back() {
        for (earlier, later, by) in [(7, 9, 2), (u64::MAX, 1, 2), (9, 7, 0), (0, 0, 0)] {
            assert_eq!(grown(earlier, later), by, "{earlier} {later}");
        }
    }

    #[test]
    fn names_that_clients_make_up_are_bounded_and_their_calls_are_counted() {
        let metrics = Metrics::new();
        let one = Calls { admitted: 1, ..Calls::default() };
        for n in 0..LIMITERS + 3 {
            metrics.called(&"demo".into(), [(name(&format!("limit.n{n}")), one)]);
        }
        metrics.called(&"demo".into(), [(name("limit.n0"), one)]);
        let text = metrics.render(&Status::default());
        let lines = text.lines().filter(|line| line.starts_with("setpoint_limiter_admitted_total{"));
        assert_eq!(lines.count(), LIMITERS + 1);
        for line in ["service=\"demo\",knob=\"limit.n0\"} 2", "service=\"other\",knob=\"other\"} 3"] {
            let line = format!("setpoint_limiter_admitted_total{{{line}");
            assert!(text.lines().any(|there| there == line), "no {line} in {text}");
        }
    }
}
