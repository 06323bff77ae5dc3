//! The beginning or the end of an alert as a line, for people or machines.

use serde::Serialize;

use super::decision::{Evidence, evidence, printable};
use crate::alerts::Entry;

/// The line, with its line end. In JSON it is told from a decision by its field `alert`.
pub(super) fn line(entry: &Entry, json: bool) -> String {
    let firing = &entry.of.firing;
    let (reason, severity) = (&firing.alert.reason, firing.alert.severity.name());
    let (instance, policy, happened) = (&firing.instance.0, &firing.policy, entry.happened.name());
    let knob = firing.knob.as_ref().map(|knob| knob.as_str());
    if !json {
        let at = entry.at.as_secs_f64();
        let knob = knob.unwrap_or("-");
        return printable(&format!(
            "{at:.3} s  {instance}  {knob}  alert {happened}  {severity}  {policy}: {reason}"
        ));
    }
    let line = AlertLine {
        at_nanos: entry.at.as_nanos(),
        alert: happened,
        severity,
        service: &entry.of.service,
        instance,
        knob,
        policy,
        since_nanos: firing.since.as_nanos(),
        rule: reason.rule(),
        reason: reason.to_string(),
        evidence: evidence(reason),
    };
    let mut text = serde_json::to_string(&line).expect("plain data without maps");
    text.push('\n');
    text
}

#[derive(Serialize)]
struct AlertLine<'a> {
    at_nanos: u64,
    alert: &'static str,
    severity: &'static str,
    service: &'a str,
    instance: &'a str,
    knob: Option<&'a str>,
    policy: &'a str,
    since_nanos: u64,
    rule: &'static str,
    reason: String,
    evidence: Vec<Evidence>,
}
