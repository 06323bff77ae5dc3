//! The result of a story, as JSON and as text.

use serde::Serialize;

use super::acts::Edit;
use super::death::Toll;
use super::timeline::Event;
use super::verdict::Promise;
use super::{table, timeline};
use crate::sidecar::status::Decision;

/// One service in one phase. `null` is "nothing was measured".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Side {
    /// Good answers within the deadline, as a share of what the service can do at most.
    pub goodput_ratio: f64,
    /// The same as a share of what was asked of it.
    pub goodput_of_offered_ratio: Option<f64>,
    /// Median latency of good answers, late ones included, from the scheduled time.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the same.
    pub p99_ms: Option<f64>,
    /// Orderly rejections as a share of what was asked.
    pub rejected_ratio: Option<f64>,
    /// Requests due.
    pub scheduled: u64,
    /// Answered well within the deadline.
    pub ok: u64,
    /// Answered well after the deadline.
    pub late: u64,
    /// Refused in an orderly way.
    pub rejected: u64,
    /// Failed in any other way.
    pub failed: u64,
    /// Never answered before the end, or before the service was restarted.
    pub unanswered: u64,
    /// Due, but not sent because too many were open already.
    pub shed_by_client: u64,
}

/// Both services in one phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseFigures {
    /// The phase.
    pub name: &'static str,
    /// Load asked for, in multiples of capacity.
    pub load_ratio: f64,
    /// How long it lasted.
    pub seconds: f64,
    /// With the SDK.
    pub protected: Side,
    /// Without.
    pub unprotected: Side,
}

/// Everything there is to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Figures per phase, in order.
    pub phases: Vec<PhaseFigures>,
    /// Requests that the sidecar's death or return failed.
    pub failed_by_sidecar: u64,
    /// Every change of a knob.
    pub decisions: Vec<Decision>,
    /// Changes of a knob beyond the number that is kept.
    pub decisions_dropped: u64,
    /// What the demo did.
    pub events: Vec<Event>,
    /// The promises.
    pub promises: Vec<Promise>,
    /// The sidecar's death in detail.
    pub death: Toll,
    /// Edits of the policy.
    pub edits: Vec<Edit>,
    /// From the beginning of the overload to the first good second.
    pub convergence_seconds: Option<f64>,
    /// What one service can do at most, by construction.
    pub capacity_per_second: f64,
    /// The same, measured by a closed loop before the story.
    pub measured_capacity_per_second: f64,
    /// An answer later than this is worthless.
    pub deadline_ms: f64,
    /// How late the load generator itself was, 99th percentile, worst phase.
    pub own_lateness_p99_ms: Option<f64>,
    /// Seed of arrivals and service times.
    pub seed: u64,
}

impl Report {
    /// Whether every promise was kept.
    pub fn kept(&self) -> bool {
        self.promises.iter().all(|promise| promise.kept)
    }

    /// The text that ends the demo.
    pub fn text(&self) -> String {
        let mut out = String::from("\n");
        let mut line = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        table::lines(&self.phases, self.deadline_ms).iter().for_each(|row| line(row));
        line("");
        for promise in &self.promises {
            line(&format!(" {}  {}", if promise.kept { "kept  " } else { "BROKEN" }, promise.what));
        }
        line("");
        line(" What changed when and why");
        timeline::lines(&self.events, &self.decisions).iter().for_each(|row| line(row));
        line("");
        self.notes().iter().for_each(|note| line(&format!(" {note}")));
        out
    }

    fn notes(&self) -> Vec<String> {
        let seconds =
            |value: Option<f64>| value.map_or("never".to_owned(), |value| format!("after {value:.1} s"));
        let shed = self.phases.iter().map(|phase| phase.unprotected.shed_by_client).sum::<u64>();
        let shed_protected = self.phases.iter().map(|phase| phase.protected.shed_by_client).sum::<u64>();
        let mut notes = vec![
            format!(
                "Overload: first good second of the protected service {}.",
                seconds(self.convergence_seconds)
            ),
            format!(
                "True capacity {:.0}/s by construction, {:.0}/s measured.",
                self.capacity_per_second, self.measured_capacity_per_second
            ),
            format!(
                "The load itself was {} ms late (p99 of its worst phase).",
                self.own_lateness_p99_ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"))
            ),
        ];
        if shed + shed_protected > 0 {
            notes.push(format!(
                "Not sent because too many requests were open already: {shed_protected} with, {shed} without setpoint."
            ));
        }
        if self.decisions_dropped > 0 {
            notes.push(format!("{} more changes are not listed.", self.decisions_dropped));
        }
        notes
    }
}

#[cfg(test)]
mod tests;
